"""Requests to our S3 door: whose they are, and what is in them."""

import hashlib
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from minio.credentials import Credentials
from minio.signer import sign_v4_s3

from datalab.errors import UsageError
from session_api.uploads.ingesters.chunks import content_of
from session_api.uploads.ingesters.signatures import (
    SignatureRefusedError,
    SignedRequest,
    access_key_of,
    check_signature,
    secret_key,
)

NOW = datetime(2026, 11, 29, 22, 0, tzinfo=UTC)
ACCESS = "ab" * 32
SECRET = secret_key(ACCESS, our_secret="ours")
BODY = b"SIMPLE"


def signed(path="/ocs-store/datalab_frames/tst/x%20y.fits", *, query="", secret=SECRET, at=NOW, **changes):
    """Return a PUT as another library signs it, with something changed afterwards."""
    digest = hashlib.sha256(BODY).hexdigest()
    headers = {"host": "archive.example", "x-amz-content-sha256": digest, "x-amz-date": f"{at:%Y%m%dT%H%M%SZ}"}
    done = sign_v4_s3(
        method="PUT",
        url=urlsplit(f"http://archive.example{path}?{query}"),
        region="us-east-1",
        headers={name.title(): value for name, value in headers.items()},
        credentials=Credentials(ACCESS, secret),
        content_sha256=digest,
        date=at,
    )
    request = {
        "method": "PUT",
        "path": path,
        "query": query,
        "headers": {name.lower(): value for name, value in done.items()},
    }
    for name, value in changes.items():
        if name in request:
            request[name] = value
        else:
            request["headers"][name.replace("_", "-")] = value
    return SignedRequest(**request)


@pytest.mark.parametrize("query", ["", "x-id=PutObject"])
def test_what_another_library_signs_is_right(query):
    request = signed(query=query)
    assert access_key_of(request) == ACCESS
    check_signature(request, secret=SECRET, now=NOW + timedelta(minutes=14))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"secret": secret_key(ACCESS, our_secret="theirs")}, "SignatureDoesNotMatch"),
        ({"method": "GET"}, "SignatureDoesNotMatch"),
        ({"host": "other.example"}, "SignatureDoesNotMatch"),
        ({"x_amz_content_sha256": "0" * 64}, "SignatureDoesNotMatch"),
        ({"at": NOW - timedelta(minutes=16)}, "RequestTimeTooSkewed"),
        ({"at": NOW + timedelta(minutes=16)}, "RequestTimeTooSkewed"),
        ({"x_amz_date": "yesterday"}, "AccessDenied"),
        ({"authorization": "Token abc"}, "AccessDenied"),
        ({"authorization": ""}, "AccessDenied"),
    ],
)
def test_what_was_altered_or_is_old_is_refused(changes, code):
    with pytest.raises(SignatureRefusedError) as refused:
        check_signature(signed(**changes), secret=SECRET, now=NOW)
    assert refused.value.code == code


def test_a_path_is_signed_with_the_rest():
    request = signed()
    moved = SignedRequest(method="PUT", path="/ocs-store/datalab_frames/coj/x.fits", query="", headers=request.headers)
    with pytest.raises(SignatureRefusedError, match="another than ours"):
        check_signature(moved, secret=SECRET, now=NOW)


@pytest.mark.parametrize("left_out", ["host", "x-amz-date", "x-amz-content-sha256"])
def test_what_counts_has_to_be_signed(left_out):
    request = signed()
    names = request.headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0]
    fewer = ";".join(name for name in names.split(";") if name != left_out)
    headers = {**request.headers, "authorization": request.headers["authorization"].replace(names, fewer)}
    with pytest.raises(SignatureRefusedError, match="have to be signed"):
        check_signature(
            SignedRequest(method="PUT", path=request.path, query="", headers=headers), secret=SECRET, now=NOW
        )


def test_keys_are_those_of_one_token_and_one_system():
    assert len({secret_key(a, our_secret=b) for a in ("ab" * 32, "cd" * 32) for b in ("ours", "theirs")}) == 4


async def pieces(body, size):
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def read(body, size=7):
    return b"".join([piece async for piece in content_of(pieces(body, size))])


def chunked(*parts, trailer=b"x-amz-checksum-crc32:AAAAAA==\r\n\r\n"):
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n" + trailer


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=5), st.integers(1, 400))
async def test_a_body_in_pieces_is_what_its_pieces_are(parts, size):
    assert await read(chunked(*parts), size) == b"".join(parts)


@pytest.mark.parametrize(
    "body",
    [b"", b"SIMPLE", b"6\r\nSIM", b"3\r\nSIMPLE\r\n0\r\n\r\n", b"-1\r\n", b"x" * 4000, b"5\r\nSIMPL\r\nzz\r\n"],
)
async def test_a_body_that_is_not_in_pieces_or_ends_too_early_is_refused(body):
    with pytest.raises(UsageError):
        await read(body)
