"""Who signed an S3 request, and whether that is true.

Each token has a pair of S3 keys of its own, which follow from it: the access key is the token's hash, by which we know
it, and the secret key is signed by us. So nothing is stored, and a token that is taken away takes its keys along.

Reference: Authenticating Requests: Using the Authorization Header (AWS Signature Version 4), Amazon S3 API Reference.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from datalab.errors import UsageError

UNSIGNED_IN_CHUNKS: Final = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
UNSIGNED: Final = "UNSIGNED-PAYLOAD"

_AUTHORIZATION: Final = re.compile(
    r"AWS4-HMAC-SHA256 +Credential=(?P<key>[0-9a-f]{64})/(?P<scope>(?P<day>\d{8})/[a-z0-9-]{1,64}/s3/aws4_request)"
    r", *SignedHeaders=(?P<headers>[a-z0-9;-]{1,1000}), *Signature=(?P<signature>[0-9a-f]{64})",
    re.ASCII,
)
#: What every request must have signed: where it goes, when it was made, and what is in it.
_REQUIRED: Final = frozenset({"host", "x-amz-date", "x-amz-content-sha256"})
_MOST_CLOCK_ERROR: Final = timedelta(minutes=15)  # as S3
_BLANKS: Final = re.compile(r" +")


class SignatureRefusedError(UsageError):
    """The request is not signed by whom it says; `code` is what S3 calls that."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRequest:
    """A request as it was signed. `path` and `query` as they were sent; header names in small letters."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]

    @property
    def payload(self) -> str:
        """The SHA-256 of the body in hexadecimal, or one of the words that S3 has instead."""
        return self.headers.get("x-amz-content-sha256", "")


def access_key_of(request: SignedRequest) -> str:
    """Return the access key a request was signed with, if its form is right. Raises `SignatureRefusedError`."""
    return _authorization(request)["key"]


def secret_key(access_key: str, *, our_secret: str) -> str:
    """Return the secret key that belongs to an access key."""
    return hmac.digest(our_secret.encode(), f"datalab OCS store {access_key}".encode(), "sha256").hex()


def check_signature(request: SignedRequest, *, secret: str, now: datetime) -> None:
    """Raise `SignatureRefusedError` unless a request was signed with this secret key, a few minutes ago at most."""
    said = _authorization(request)
    names = said["headers"].split(";")
    if not _REQUIRED.issubset(names) or any(name not in request.headers for name in names):
        raise SignatureRefusedError("AccessDenied", f"The headers {', '.join(sorted(_REQUIRED))} have to be signed.")
    date = request.headers["x-amz-date"]
    if abs(now - _moment(date)) > _MOST_CLOCK_ERROR or not date.startswith(said["day"]):
        raise SignatureRefusedError("RequestTimeTooSkewed", "The clocks differ by more than 15 minutes.")
    canonical = "\n".join(
        (
            request.method,
            request.path,
            "&".join(sorted(part if "=" in part else f"{part}=" for part in request.query.split("&") if part)),
            *(f"{name}:{_BLANKS.sub(' ', request.headers[name].strip())}" for name in names),
            "",
            said["headers"],
            request.payload,
        )
    )
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = b"AWS4" + secret.encode()
    for part in said["scope"].split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    expected = hmac.digest(key, f"AWS4-HMAC-SHA256\n{date}\n{said['scope']}\n{digest}".encode(), "sha256").hex()
    if not hmac.compare_digest(expected, said["signature"]):
        raise SignatureRefusedError(
            "SignatureDoesNotMatch",
            "The signature is another than ours: the secret key is wrong, or a proxy changed host or path on the way.",
        )


def _authorization(request: SignedRequest) -> re.Match[str]:
    match = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
    if match is None:
        raise SignatureRefusedError(
            "AccessDenied", "Sign the request (AWS4-HMAC-SHA256) with the keys from GET /api/ocs-store/."
        )
    return match


def _moment(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise SignatureRefusedError("AccessDenied", "x-amz-date is no date.") from None
