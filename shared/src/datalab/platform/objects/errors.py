"""What can go wrong with an object, in our words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from xml.etree.ElementTree import ParseError

from minio.error import InvalidResponseError, S3Error, ServerError
from urllib3.exceptions import HTTPError, MaxRetryError

from datalab.errors import DISK_FULL_ERRNOS, DatalabError, NotFoundError, OutageError, UsageError

_KEY_REFUSED = frozenset(
    {
        "InvalidObjectName",
        "InvalidURI",
        "KeyTooLongError",
        "XMinioInvalidObjectName",
        "XMinioInvalidResourceName",
        "XMinioObjectExistsAsDirectory",
        "XMinioParentIsObject",
    }
)

#: Replies in the 400s that blame the request for what happened to it on the way.
_TRANSIENT_CODES = frozenset(
    {"BadDigest", "IncompleteBody", "OperationAborted", "RequestTimeout", "SlowDown", "XAmzContentSHA256Mismatch"}
)


class ReplyError(Exception):
    """A reply to a request of ours that is no success: HTTP status and S3 error code."""

    def __init__(self, status: int, body: str) -> None:
        self.status = status
        self.code = _code_in(body)
        super().__init__(self.code or f"HTTP {status}")


class ObjectNotFoundError(NotFoundError):
    """No object has this key."""


class ObjectTooLargeError(UsageError):
    """The object is larger than the caller allows."""


class ChecksumMismatchError(UsageError):
    """The bytes are not those that were recorded: the object was replaced or damaged, and stays so."""


@contextmanager
def known_failures(subject: str) -> Iterator[None]:
    """Turn what the driver, the network and the local disk raise into our errors, in this one place."""
    try:
        yield
    except (ReplyError, S3Error, InvalidResponseError, ServerError) as error:
        failure = _failure(*reply_of(error), subject)
        if failure is None:
            raise
        raise failure from error
    except HTTPError as error:
        reason = error.reason if isinstance(error, MaxRetryError) else error
        raise OutageError(f"the object store could not be reached: {type(reason).__name__}") from error
    except (ParseError, UnicodeDecodeError) as error:
        raise OutageError("the object store sent an unreadable reply") from error
    except OSError as error:
        if error.errno not in DISK_FULL_ERRNOS:
            raise
        raise OutageError(f"no space left for object {subject!r}") from error


def reply_of(error: ReplyError | S3Error | InvalidResponseError | ServerError) -> tuple[int, str | None]:
    """Return HTTP status and S3 error code.

    rclone labels its errors `text/xml`, where the driver knows `application/xml` only; they arrive unparsed.
    """
    if isinstance(error, ReplyError):
        return error.status, error.code
    if isinstance(error, S3Error):
        return error.response.status, error.code
    if isinstance(error, ServerError):
        return error.status_code, None
    status, body = error._code, error._body  # noqa: SLF001 the driver offers them as text only
    return status, _code_in(body or "")


def _code_in(body: str) -> str | None:
    code = re.search(r"<Code>(\w+)</Code>", body)
    return code and code[1]


def _failure(status: int, code: str | None, subject: str) -> DatalabError | None:
    """Return our error for a reply, or None for one that only a bug of ours explains."""
    named = code or f"HTTP {status}"
    if status == 404 and code in {None, "NoSuchKey"}:
        return ObjectNotFoundError(f"no object {subject!r}")
    if code in _KEY_REFUSED:
        return UsageError(f"the object store refuses the key {subject!r}: {named}")
    # 404: a bucket or a multipart upload is gone. 401 and 403: a setting or a clock an operator mends, not the caller.
    if status >= 500 or status in {401, 403, 404, 408, 429} or code in _TRANSIENT_CODES:
        return OutageError(f"the object store failed on {subject!r}: {named}")
    return None
