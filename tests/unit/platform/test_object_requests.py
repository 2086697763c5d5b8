"""Requests for objects: sent where the driver sends them, and signed as it signs."""

import hashlib
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
from minio.credentials import Credentials
from minio.signer import sign_v4_s3
from urllib3 import HTTPResponse, PoolManager

from datalab.platform.objects.errors import ReplyError
from datalab.platform.objects.requests import ObjectRequests
from datalab.platform.settings import S3Settings

SIGNED = ("Host", "x-amz-content-sha256", "x-amz-date")


class Connections:
    """Answers every request, and remembers the last."""

    def __init__(self, status=200, body=b""):
        self.reply = HTTPResponse(body, status=status, preload_content=False)

    def urlopen(self, method, path, **options):
        self.method, self.path, self.options = method, path, options
        return self.reply


class Pool(PoolManager):
    def __init__(self, connections):
        super().__init__()
        self.connections = connections

    def connection_from_host(self, *address, **_):
        self.address = address
        return self.connections


@pytest.mark.parametrize("url", ["http://127.0.0.1:9000", "https://s3.eu-west-1.amazonaws.com", "https://s3.example"])
@pytest.mark.parametrize("key", ["data/a-EX00.fits.fz", "data/a (1)+ä~&=%.fits"])
@pytest.mark.parametrize(("method", "body"), [("GET", b""), ("HEAD", b""), ("PUT", b"content")])
def test_requests_are_signed_as_the_driver_signs_them(url, key, method, body):
    settings = S3Settings(s3_url=url)
    pool = Pool(Connections())
    ObjectRequests(settings, pool).send(method, key, body=body, headers={"Content-Type": "text/plain"})
    sent = pool.connections
    headers = sent.options["headers"]
    assert headers["x-amz-content-sha256"] == hashlib.sha256(body).hexdigest()
    host, port, scheme = pool.address
    assert headers["Host"] == (f"{host}:{port}" if port else host)
    expected = sign_v4_s3(
        method=method,
        url=urlsplit(f"{scheme}://{headers['Host']}{sent.path}"),
        region=settings.s3_region,
        headers={name: headers[name] for name in SIGNED},
        credentials=Credentials(settings.s3_access_key, settings.s3_secret_key.get_secret_value()),
        content_sha256=headers["x-amz-content-sha256"],
        date=datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC),
    )
    assert headers["Authorization"] == expected["Authorization"]


@pytest.mark.parametrize("status", [301, 307, 403, 404, 503])
def test_what_is_no_success_is_told_with_its_code(status):
    pool = Pool(Connections(status, b"<Error><Code>SomeCode</Code></Error>"))
    with pytest.raises(ReplyError) as caught:
        ObjectRequests(S3Settings(), pool).send("GET", "data/a", whole=False)
    assert (caught.value.status, caught.value.code) == (status, "SomeCode")
    assert pool.connections.options["redirect"] is False
