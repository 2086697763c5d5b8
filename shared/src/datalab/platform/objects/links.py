"""Signed links. The same object has the same link for hours, whichever process signs it, before and after restarts.

Clients compare what they were given with what they are given, links included, and an answer that is the same need not
be sent again. So links are dated back to the beginning of a slot of time that is the same for all. Browsers gain too:
the same image keeps its address, and so its place in their cache.

Signed here, as the driver would: it takes 0.15 ms of the event loop for a link, ten times as much, and a list of frames
holds hundreds.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from time import time
from urllib.parse import quote

from datalab.platform.objects.signing import ALGORITHM, BucketAddress, SigningKey
from datalab.platform.settings import S3Settings

#: How long a slot is, as a part of a link's life: a link handed out is good for nine tenths of it or longer.
_SLOT_PART = 0.1
#: 20,000 links of about 500 bytes are 10 MB.
_CAPACITY = 20_000

_Wanted = tuple[str, str | None, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Slot:
    """What all links of one date have in common: the moment, the parameters, and the key that signs them."""

    dated_at: int
    moment: str
    query: str
    key: SigningKey


class Links:
    """Signed links that download an object of the bucket without credentials. Computed here: no request is made."""

    def __init__(self, settings: S3Settings, *, capacity: int = _CAPACITY, clock: Callable[[], float] = time) -> None:
        self._life = timedelta(seconds=settings.s3_link_ttl_s)
        #: Whole seconds, as signatures are dated.
        self._slot_s = max(1, int(settings.s3_link_ttl_s * _SLOT_PART))
        self._address = BucketAddress.at(settings.s3_public_url or settings.s3_url, settings)
        self._settings = settings
        self._capacity = capacity
        self._clock = clock
        self._slot = self._slot_of(0)
        #: Of this slot, those asked for last at the end.
        self._signed: OrderedDict[_Wanted, str] = OrderedDict()

    def sign_get(self, key: str, *, content_type: str | None = None, filename: str | None = None) -> str:
        """Return a link to the object, which need not exist. Raises `UsageError` for a key no server takes.

        `content_type` is the type the reply shall carry (the store does not remember it reliably), `filename` what a
        browser shall save the reply as.
        """
        dated_at = int(self._clock()) // self._slot_s * self._slot_s
        if self._slot.dated_at != dated_at:
            self._slot = self._slot_of(dated_at)
            self._signed.clear()
        wanted = (key, content_type, filename)
        link = self._signed.get(wanted)
        if link is not None:
            self._signed.move_to_end(wanted)
            return link
        link = self._signed[wanted] = self._sign(key, content_type, filename)
        if len(self._signed) > self._capacity:
            self._signed.popitem(last=False)
        return link

    def _sign(self, key: str, content_type: str | None, filename: str | None) -> str:
        path = self._address.path(key)
        query = self._slot.query
        if filename is not None:
            query += f"&response-content-disposition={quote(_attachment(filename), safe='~')}"
        if content_type is not None:
            query += f"&response-content-type={_quoted(content_type)}"
        request = f"GET\n{path}\n{query}\nhost:{self._address.host}\n\nhost\nUNSIGNED-PAYLOAD"
        signature = self._slot.key.signature(self._slot.moment, request)
        return f"{self._address.origin}{path}?{query}&X-Amz-Signature={signature}"

    def _slot_of(self, dated_at: int) -> _Slot:
        dated = datetime.fromtimestamp(dated_at, UTC)
        moment = f"{dated:%Y%m%dT%H%M%SZ}"
        key = SigningKey.of(f"{dated:%Y%m%d}", self._settings)
        parameters = {
            "X-Amz-Algorithm": ALGORITHM,
            "X-Amz-Credential": f"{self._settings.s3_access_key}/{key.scope}",
            "X-Amz-Date": moment,
            "X-Amz-Expires": str(int(self._life.total_seconds())),
            "X-Amz-SignedHeaders": "host",
        }
        query = "&".join(f"{name}={quote(value, safe='~')}" for name, value in parameters.items())
        return _Slot(dated_at=dated_at, moment=moment, query=query, key=key)


@lru_cache(maxsize=256)
def _quoted(content_type: str) -> str:
    return quote(content_type, safe="~")


def _attachment(filename: str) -> str:
    """Return a Content-Disposition for any file name (RFC 6266, with the extended form of RFC 8187)."""
    plain = re.sub(r'[^\x20-\x7e]|["\\%]', "_", filename)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"
