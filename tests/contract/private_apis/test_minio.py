"""What we read of minio's errors that its documentation does not promise, in `datalab.platform.objects.errors`."""

import pytest
from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from urllib3 import HTTPResponse

from datalab.platform.objects.errors import reply_of

REPLY = "<Error><Code>SlowDown</Code><Message>m</Message></Error>"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (InvalidResponseError(503, "text/xml", REPLY), 503, "SlowDown"),
        (InvalidResponseError(502, "text/html", "<html>Bad Gateway</html>"), 502, None),
        (InvalidResponseError(502, None, None), 502, None),
        (ServerError("gone", 500), 500, None),
        (S3Error(HTTPResponse(status=404), "NoSuchKey", "m", "r", "i", "h"), 404, "NoSuchKey"),
    ],
)
def test_status_and_code_are_read_from_every_error(error, status, code):
    assert reply_of(error) == (status, code)


def test_the_driver_has_no_further_errors_for_replies():
    assert set(MinioException.__subclasses__()) >= {InvalidResponseError, S3Error, ServerError}
    replies = {kind for kind in MinioException.__subclasses__() if kind.__module__ == "minio.error"}
    assert replies == {InvalidResponseError, S3Error, ServerError}
