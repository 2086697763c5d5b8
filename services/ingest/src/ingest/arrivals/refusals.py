"""Tells a site that something it sent is no announcement of a file of its own."""

from __future__ import annotations

import json
from hashlib import sha256

from pydantic import TypeAdapter, ValidationError

from datalab.events.envelope import SubjectToken, derived_id
from datalab.events.frames import FileRejected
from datalab.platform.allowance import Allowance
from datalab.platform.logging import get_logger
from ingest import SERVICE
from ingest.arrivals.ports import Publisher

_log = get_logger(__name__)

#: In place of the object key, when the message has none.
NO_KEY = "(an announcement without a key)"
_site_name: TypeAdapter[str] = TypeAdapter(SubjectToken)


class Refusals:
    """Tells what was wrong with an announcement on the feed of its site, up to what a site is allowed.

    The same message refused again within the time the bus remembers ids is told once.
    """

    def __init__(self, *, publisher: Publisher, allowance: Allowance) -> None:
        self._publisher = publisher
        self._allowance = allowance

    async def tell(self, site: str, body: bytes, reason: str) -> None:
        """Tell it. Raises `TransientError`."""
        try:
            _site_name.validate_python(site)
        except ValidationError:
            return  # no site has this name, so nobody listens
        _log.warning("ingest.announcement_refused", site=site, reason=reason)
        if not self._allowance.take(site):
            return
        await self._publisher.publish(
            FileRejected(
                event_id=derived_id("announcement.refused", site, sha256(body).hexdigest(), reason),
                producer=SERVICE,
                site=site,
                key=_key_in(body),
                reason=reason,
            )
        )


def _key_in(body: bytes) -> str:
    try:
        key = json.loads(body)["key"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return NO_KEY
    return key if isinstance(key, str) and key else NO_KEY
