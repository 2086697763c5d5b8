"""Signed links, each used again for a part of its life.

Signing takes 0.15 ms of the event loop (measured), and a list of sessions holds thousands of links. Browsers gain too:
the same image keeps its address, and so its place in their cache.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta
from time import monotonic
from urllib.parse import quote

from datalab.platform.objects.bucket import s3_client
from datalab.platform.objects.keys import valid_key
from datalab.platform.settings import S3Settings

#: A link handed out is good for nine tenths of its life or longer.
_REUSED_PART = 0.1
#: 20,000 links of about 500 bytes are 10 MB.
_CAPACITY = 20_000

_Wanted = tuple[str, str | None, str | None]


class Links:
    """Signed links that download an object of the bucket without credentials. Computed here: no request is made."""

    def __init__(
        self, settings: S3Settings, *, capacity: int = _CAPACITY, clock: Callable[[], float] = monotonic
    ) -> None:
        self._bucket = settings.s3_bucket
        self._life = timedelta(seconds=settings.s3_link_ttl_s)
        self._reuse_s = settings.s3_link_ttl_s * _REUSED_PART
        self._signer = s3_client(settings, settings.s3_public_url or settings.s3_url)
        self._capacity = capacity
        self._clock = clock
        self._signed: OrderedDict[_Wanted, tuple[float, str]] = OrderedDict()

    def sign_get(self, key: str, *, content_type: str | None = None, filename: str | None = None) -> str:
        """Return a link to the object, which need not exist. Raises `UsageError` for a key no server takes.

        `content_type` is the type the reply shall carry (the store does not remember it reliably), `filename` what a
        browser shall save the reply as.
        """
        wanted = (key, content_type, filename)
        now = self._clock()
        signed_at, link = self._signed.get(wanted, (0.0, ""))
        if not link or now - signed_at > self._reuse_s:
            link = self._sign(*wanted)
            self._signed[wanted] = (now, link)
            if len(self._signed) > self._capacity:
                self._signed.popitem(last=False)
        self._signed.move_to_end(wanted)
        return link

    def _sign(self, key: str, content_type: str | None, filename: str | None) -> str:
        headers = {
            "response-content-type": content_type,
            "response-content-disposition": None if filename is None else _attachment(filename),
        }
        return self._signer.presigned_get_object(
            self._bucket,
            valid_key(key),
            expires=self._life,
            response_headers={name: value for name, value in headers.items() if value is not None},
        )


def _attachment(filename: str) -> str:
    """Return a Content-Disposition for any file name (RFC 6266, with the extended form of RFC 8187)."""
    plain = re.sub(r'[^\x20-\x7e]|["\\%]', "_", filename)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"
