"""Which keys are taken, what is signed, and what the object store module must never be able to ask for."""

import ast
import socket
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from minio import Minio
from pydantic import SecretStr
from urllib3 import HTTPResponse

from datalab.errors import UsageError
from datalab.platform.objects import bucket as objects
from datalab.platform.objects.keys import valid_key
from datalab.platform.objects.links import Links
from datalab.platform.objects.store import ObjectStore
from datalab.platform.settings import S3Settings

HARMLESS_CALLS = {
    "bucket_exists",
    "copy_object",
    "get_presigned_url",
    "list_objects",
    "make_bucket",
    "presigned_post_policy",
    "put_object",
    "remove_object",
    # The second is asked only of a store that has answered the first: test_lifecycle.
    "get_bucket_lifecycle",
    "set_bucket_lifecycle",
}
DESTRUCTIVE_ARGUMENTS = {"tags", "retention", "legal_hold", "object_lock", "metadata", "version_id", "include_version"}


SETTINGS = S3Settings(
    s3_url="http://127.0.0.1:9", s3_secret_key=SecretStr("unit-test-secret"), s3_bucket="unit", s3_link_ttl_s=3600
)


@pytest.fixture
async def store():
    async with ObjectStore(SETTINGS) as store:
        yield store


@pytest.mark.parametrize(
    "key",
    [
        "a",
        "data/site-m1-20260101-00000001-EX00.fits.fz",
        "results/ab/manifest.json",
        "é/日本 (1).jpg",
        "a" * 255,
        "..a/.b",
    ],
)
def test_ordinary_keys_are_taken_unchanged(key):
    assert valid_key(key) == key


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/",
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "a/../b",
        "a/.",
        " ",
        "a/ /b",
        "a\nb",
        "a\x00",
        "a\x7fb",
        "\x85",
        "\ud800",
    ],
)
def test_keys_servers_refuse_or_rewrite_are_the_callers_mistake(key):
    with pytest.raises(UsageError):
        valid_key(key)


def test_lengths_count_bytes_not_characters():
    assert valid_key("/".join(["a" * 255] * 4)) == "/".join(["a" * 255] * 4)
    for too_long in ["/".join(["a" * 204] * 5) + "/b", "é" * 128]:
        with pytest.raises(UsageError, match="bytes"):
            valid_key(too_long)


@given(st.text())
def test_a_key_that_is_taken_stays_inside_its_bucket(text):
    try:
        key = valid_key(text)
    except UsageError:
        return
    assert Path("/bucket", key).resolve().is_relative_to("/bucket")
    assert Path("/bucket", key) != Path("/bucket")


async def test_every_method_refuses_a_bad_key_before_any_request(store, tmp_path):
    for call in (
        store.put_bytes("../x", b"", content_type="text/plain"),
        store.put_file("../x", tmp_path / "none", content_type="text/plain"),
        store.get_bytes("../x", max_bytes=1),
        store.fetch_file("../x", tmp_path / "file"),
        store.stat("../x"),
        store.delete("../x"),
        anext(store.list("../x")),
    ):
        with pytest.raises(UsageError):
            await call
    with pytest.raises(UsageError):
        Links(SETTINGS).sign_get("../x")


def test_signing_asks_nobody(monkeypatch):
    def refuse(*_args, **_kwargs):
        raise AssertionError("signing opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    url = urlsplit(Links(SETTINGS).sign_get("data/a b.fits", content_type="image/fits", filename='née "x".fits'))
    query = parse_qs(url.query)
    assert (url.scheme, url.netloc, unquote(url.path)) == ("http", "127.0.0.1:9", "/unit/data/a b.fits")
    assert query["X-Amz-Expires"] == ["3600"]
    assert query["response-content-type"] == ["image/fits"]
    assert query["response-content-disposition"] == [
        "attachment; filename=\"n_e _x_.fits\"; filename*=UTF-8''n%C3%A9e%20%22x%22.fits"
    ]
    assert "unit-test-secret" not in url.query


def test_links_name_the_public_address():
    settings = S3Settings(s3_url="http://minio:9000", s3_public_url="https://files.example.org")
    assert Links(settings).sign_get("a").startswith("https://files.example.org/datalab/a?")


@pytest.mark.parametrize("url", ["127.0.0.1:9000", "ftp://host", "https://host/path", "http://user:hidden-word@host"])
def test_an_unusable_address_is_refused_at_start_without_repeating_it(url):
    with pytest.raises(ValueError, match="has to be http") as refusal:
        S3Settings(s3_url=url)
    assert "hidden-word" not in str(refusal.value)


def test_described_times_are_utc():
    headers = {"Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT", "Content-Length": "0"}
    described = objects._described("k", HTTPResponse(headers=headers))
    assert (described.modified_at, described.etag, described.sha256) == (datetime(2026, 1, 1, tzinfo=UTC), "", None)


def _driver_names(source: str) -> tuple[set[str], set[str]]:
    """Return the names of the driver's methods and the argument names that a source mentions."""
    tree = ast.parse(source)
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    constants = {
        node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    arguments = {node.arg for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg}
    public_methods = {name for name in dir(Minio) if not name.startswith("__")}
    return (attributes | constants) & public_methods, arguments


def test_nothing_that_destroys_data_can_be_asked_for():
    """The embedded server answers a tag, ACL, policy or versioning request by overwriting or deleting data."""
    found = [_driver_names(path.read_text(encoding="utf-8")) for path in Path(objects.__file__).parent.glob("*.py")]
    assert set().union(*(methods for methods, _ in found)) == HARMLESS_CALLS
    assert not set().union(*(arguments for _, arguments in found)) & DESTRUCTIVE_ARGUMENTS


@pytest.mark.parametrize(
    "source", ["client.set_object_tags(b, k, t)", "getattr(client, 'delete_bucket_policy')(b)", "c._execute('PUT')"]
)
def test_the_inspection_would_notice(source):
    assert _driver_names(source)[0] - HARMLESS_CALLS
