"""Signed links. The same object has the same link for hours, whichever process signs it, before and after restarts.

Clients compare what they were given with what they are given, links included, and an answer that is the same need not
be sent again. So links are dated back to the beginning of a slot of time that is the same for all. Browsers gain too:
the same image keeps its address, and so its place in their cache. Links of the present slot are kept: signing takes
0.15 ms of the event loop (measured), and a list of sessions holds thousands of links.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import time
from urllib.parse import quote

from datalab.platform.objects.bucket import s3_client
from datalab.platform.objects.keys import valid_key
from datalab.platform.settings import S3Settings

#: How long a slot is, as a part of a link's life: a link handed out is good for nine tenths of it or longer.
_SLOT_PART = 0.1
#: 20,000 links of about 500 bytes are 10 MB.
_CAPACITY = 20_000

_Wanted = tuple[str, str | None, str | None]


class Links:
    """Signed links that download an object of the bucket without credentials. Computed here: no request is made."""

    def __init__(self, settings: S3Settings, *, capacity: int = _CAPACITY, clock: Callable[[], float] = time) -> None:
        self._bucket = settings.s3_bucket
        self._life = timedelta(seconds=settings.s3_link_ttl_s)
        #: Whole seconds, as signatures are dated.
        self._slot_s = max(1, int(settings.s3_link_ttl_s * _SLOT_PART))
        self._signer = s3_client(settings, settings.s3_public_url or settings.s3_url)
        self._capacity = capacity
        self._clock = clock
        self._signed: OrderedDict[_Wanted, tuple[int, str]] = OrderedDict()

    def sign_get(self, key: str, *, content_type: str | None = None, filename: str | None = None) -> str:
        """Return a link to the object, which need not exist. Raises `UsageError` for a key no server takes.

        `content_type` is the type the reply shall carry (the store does not remember it reliably), `filename` what a
        browser shall save the reply as.
        """
        wanted = (key, content_type, filename)
        dated_at = int(self._clock()) // self._slot_s * self._slot_s
        kept_at, link = self._signed.get(wanted, (-1, ""))
        if kept_at != dated_at:
            link = self._sign(*wanted, dated=datetime.fromtimestamp(dated_at, UTC))
            self._signed[wanted] = (dated_at, link)
            if len(self._signed) > self._capacity:
                self._signed.popitem(last=False)
        self._signed.move_to_end(wanted)
        return link

    def _sign(self, key: str, content_type: str | None, filename: str | None, *, dated: datetime) -> str:
        headers = {
            "response-content-type": content_type,
            "response-content-disposition": None if filename is None else _attachment(filename),
        }
        return self._signer.get_presigned_url(
            "GET",
            self._bucket,
            valid_key(key),
            expires=self._life,
            response_headers={name: value for name, value in headers.items() if value is not None},
            request_date=dated,
        )


def _attachment(filename: str) -> str:
    """Return a Content-Disposition for any file name (RFC 6266, with the extended form of RFC 8187)."""
    plain = re.sub(r'[^\x20-\x7e]|["\\%]', "_", filename)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"
