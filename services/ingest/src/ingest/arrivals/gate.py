"""What observatories announce themselves: read, limited and put under their own name before anybody stores it.

The bus hands a site's announcement over on a subject that names the site, which nobody else can send. Nothing a site
says reaches a stream as it is: not its size, its headers or its ids, with which it could have the announcements of
others dropped.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import ValidationError

from datalab.documents.file_names import frame_file_name, parse_file_name
from datalab.errors import TransientError, UsageError, explain_validation
from datalab.events.envelope import Event, derived_id, new_id
from datalab.events.frames import FileStored
from datalab.events.operations import FailureKind
from datalab.events.topology import ANNOUNCERS, FILES
from datalab.platform.allowance import Allowance
from datalab.platform.bus.consuming import UnreadableMessageError
from datalab.platform.bus.requests import Answer, Responder
from datalab.platform.logging import get_logger
from ingest.arrivals.announcements import arrival_of, read_announcement
from ingest.arrivals.model import site_of
from ingest.arrivals.refusals import Refusals

_log = get_logger(__name__)

#: Announcements in hand at once; each is a write of the bus, which takes a millisecond. Many, so that a crowd of one
#: site, which is refused at once beyond its allowance, leaves room for the others.
_CONCURRENCY = 1024
_HTTP_STATUS = {FailureKind.USAGE: 400, FailureKind.TRANSIENT: 503, FailureKind.FATAL: 500}


class Acknowledgement(Protocol):
    """Where the bus has stored a message."""

    @property
    def seq(self) -> int: ...

    @property
    def duplicate(self) -> bool | None: ...


class AnnouncementStore(Protocol):
    """The bus."""

    async def publish_acknowledged(self, event: Event) -> Acknowledgement:
        """Store an announcement. Raises `TransientError`."""


@dataclass(frozen=True, slots=True)
class Said:
    """What came under the name of a site."""

    site: str
    body: bytes
    correlation_id: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """An answer in the form in which JetStream acknowledges: any client that publishes to a stream understands it."""

    content: dict[str, Any]

    def encode(self) -> bytes:
        return json.dumps({"stream": FILES.name, **self.content}).encode()


class AnnouncementGate:
    """Takes announcements of observatories."""

    def __init__(self, *, store: AnnouncementStore, refusals: Refusals, allowance: Allowance) -> None:
        self._store = store
        self._refusals = refusals
        self._allowance = allowance
        self._limited: set[str] = set()

    async def take(self, said: Said) -> Receipt:
        """Store an announcement. Raises `UsageError` for what is none, `TransientError` for what may come again."""
        self._limit(said.site)
        event = await self._read(said)
        # The id is the site's own: no other site can have used it.
        own = event.model_copy(update={"event_id": derived_id("announcement", said.site, event.event_id)})
        acknowledged = await self._store.publish_acknowledged(own)
        return Receipt({"seq": acknowledged.seq, **({"duplicate": True} if acknowledged.duplicate else {})})

    def _limit(self, site: str) -> None:
        """Raise `TransientError` for a site that sends too much. The log is told once, until it is heard again."""
        if self._allowance.take(site):
            self._limited.discard(site)
            return
        if site not in self._limited:
            self._limited.add(site)
            _log.warning("ingest.site_limited", site=site)
        raise TransientError(f"site {site} announces too much at once; send it again later")

    async def _read(self, said: Said) -> FileStored:
        """Return what a site says, about a file that may be one of its own. Raises `UsageError` once that was told."""
        try:
            event = read_announcement(f"observatory.{said.site}.image.new", said.body)
            _check_name(event)
        except (ValidationError, UnreadableMessageError) as error:
            reason = explain_validation(error) if isinstance(error, ValidationError) else str(error)
            refusal = UsageError(f"not an announcement: {reason}")
        except UsageError as error:
            refusal = error
        else:
            return event
        await self._refusals.tell(said.site, said.body, refusal.message)
        raise refusal


def _check_name(event: FileStored) -> None:
    """Raise `UsageError` for a key that no file of the site can have, before it costs anybody anything."""
    file_name = frame_file_name(event.key)
    if file_name is not None:
        site_of(parse_file_name(file_name), arrival_of(event))


def announcement_responder(gate: AnnouncementGate) -> Responder[Said]:
    """Return how announcements of observatories are answered."""

    def decode(subject: str, body: bytes) -> Said:
        return Said(site=subject.rpartition(".")[2], body=body, correlation_id=new_id())

    async def answer(said: Said) -> Answer:
        return Answer(await gate.take(said))

    def refuse(kind: FailureKind, message: str) -> Receipt:
        return Receipt({"seq": 0, "error": {"code": _HTTP_STATUS[kind], "description": message}})

    (subject,) = ANNOUNCERS.subjects
    return Responder(
        group=ANNOUNCERS, subject=subject, decode=decode, answer=answer, refuse=refuse, concurrency=_CONCURRENCY
    )
