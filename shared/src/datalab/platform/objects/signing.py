"""Signatures of what the store is asked for, computed here: the driver takes ten times as long for each.

Reference: Authenticating Requests (AWS Signature Version 4), Amazon S3 API Reference.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import urlsplit

from datalab.platform.objects.driver import s3_client
from datalab.platform.objects.keys import quoted_key
from datalab.platform.settings import S3Settings

ALGORITHM: Final = "AWS4-HMAC-SHA256"
#: Stands for the key in a link of the driver's, which tells how this server is addressed.
_PROBE = "probe"


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketAddress:
    """Where the objects of the bucket are: `https://host`, `host`, and what comes before a key in a path."""

    origin: str
    host: str
    folder: str

    @classmethod
    def at(cls, url: str, settings: S3Settings) -> Self:
        """Return the address on the server at `url`: some servers have the bucket in the path, some in the host."""
        link = urlsplit(s3_client(settings, url).get_presigned_url("GET", settings.s3_bucket, _PROBE))
        return cls(origin=f"{link.scheme}://{link.netloc}", host=link.netloc, folder=link.path.removesuffix(_PROBE))

    def path(self, key: str) -> str:
        """Return the path of an object, as it is sent and signed. Raises `UsageError` for a key no server takes."""
        return self.folder + quoted_key(key)


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """What signs the requests of one day, given as `YYYYMMDD`."""

    day: str
    scope: str
    key: bytes

    @classmethod
    def of(cls, day: str, settings: S3Settings) -> Self:
        scope = f"{day}/{settings.s3_region}/s3/aws4_request"
        key = b"AWS4" + settings.s3_secret_key.get_secret_value().encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        return cls(day=day, scope=scope, key=key)

    def signature(self, moment: str, request: str) -> str:
        """Return the signature of a canonical request, dated `YYYYMMDDTHHMMSSZ`."""
        digest = hashlib.sha256(request.encode()).hexdigest()
        text = f"{ALGORITHM}\n{moment}\n{self.scope}\n{digest}"
        return hmac.digest(self.key, text.encode(), "sha256").hex()
