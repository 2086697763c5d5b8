"""The operations the runners offer, kept in memory and followed as they change."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from pydantic import ValidationError

from datalab.events.offers import OperationDescribed, offer_key
from datalab.events.topology import OPERATION_OFFERS, stream_of
from datalab.platform.bus.connection import Bus
from datalab.platform.bus.streams import StoredMessage, StreamFollower
from datalab.platform.logging import get_logger
from session_api.offers.model import Offer

_log = get_logger(__name__)

_SUBJECTS = f"$KV.{OPERATION_OFFERS.name}."
CATALOGUE_STREAM = stream_of(OPERATION_OFFERS)
#: All descriptions together are some hundred kilobytes; a server that needs longer to send it is in trouble.
_FIRST_READING_S = 5.0


class OperationOffers:
    """What the bucket says, a few milliseconds later."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._offers: dict[str, Offer] = {}
        self._follower: StreamFollower | None = None
        self._complete_at = 0
        self._complete = asyncio.Event()

    async def start(self) -> None:
        """Read the bucket, and go on following it. Raises `TransientError`."""
        position = await self._bus.stream_position(CATALOGUE_STREAM)
        self._complete_at = position.last
        self._follower = self._bus.follow(CATALOGUE_STREAM, after=0, on_message=self._receive)
        await self._follower.start()
        if 0 < position.first <= position.last:  # a new stream counts from 0, a purged one starts after its end
            # A bucket whose last entry was purged never sends it: what has come until then is everything.
            with suppress(TimeoutError):
                await asyncio.wait_for(self._complete.wait(), _FIRST_READING_S)

    async def stop(self) -> None:
        """Stop following."""
        if self._follower is not None:
            await self._follower.stop()

    def find(self, name: str) -> Offer | None:
        offer = self._offers.get(offer_key(name))
        return offer if offer is not None and offer.name == name else None

    def in_order(self) -> list[Offer]:
        """Return every operation, in the order clients show them."""
        return sorted(self._offers.values(), key=lambda offer: offer.order_shown)

    async def _receive(self, message: StoredMessage) -> None:
        key = message.subject.removeprefix(_SUBJECTS)
        if not message.body:  # how a deleted key looks
            self._offers.pop(key, None)
        else:
            self._read(key, message.body)
        if message.sequence >= self._complete_at:
            self._complete.set()

    def _read(self, key: str, body: bytes) -> None:
        try:
            described = OperationDescribed.decode(body)
            Draft202012Validator.check_schema(described.parameters_schema)
            self._offers[key] = Offer.from_description(described)
        except (ValidationError, SchemaError) as error:
            _log.error("offers.unreadable", key=key, reason=str(error).splitlines()[0])
