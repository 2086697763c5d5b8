"""Who calls."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from datalab.documents.frame import FrameDocument, may_read_frame, own_proposal

#: Among the sites whose files somebody may add it means all of them; no site can have this name.
EVERY_SITE: Final = "*"


@dataclass(frozen=True, slots=True)
class User:
    """Whoever sent a valid token; `NOBODY` sent none.

    `ingested_sites` are those whose files the user may add, `observatories` those the user speaks for: their
    configuration, status, queues, whatever their own software says. An operator sees how the system does, and nothing
    that is anybody's own. `scopes` are those of the token, None for one that is good for all its user may. `link_hash`
    is that of a link to a session, which came with the request: whoever has one may look at the session.
    """

    username: str
    superuser: bool = False
    proposals: frozenset[str] = frozenset()
    ingested_sites: frozenset[str] = frozenset()
    observatories: frozenset[str] = frozenset()
    operator: bool = False
    scopes: frozenset[str] | None = None
    link_hash: str | None = None

    @property
    def reads(self) -> bool:
        """Whether the token may be used to see what is the user's own, or closed and shown to them."""
        return self.scopes is None or not self.scopes.isdisjoint({"read", "write"})

    @property
    def ingests(self) -> bool:
        """Whether the user may add files of any site."""
        return self.superuser or bool(self.ingested_sites)

    def may_ingest(self, site: str) -> bool:
        """Tell whether the user may add files of a site."""
        return self.superuser or not self.ingested_sites.isdisjoint({site, EVERY_SITE})

    def may_speak_for(self, site: str) -> bool:
        """Tell whether the user may say what a site's own software says."""
        return self.superuser or not self.observatories.isdisjoint({site, EVERY_SITE})

    @property
    def operates(self) -> bool:
        """Whether the user may see how the system does."""
        return self.superuser or self.operator

    @property
    def readable_proposals(self) -> frozenset[str] | None:
        """The proposals whose frames the user may see before they are public; None stands for all."""
        if self.superuser:
            return None
        if not self.reads:
            return frozenset()
        return self.proposals | {own_proposal(self.username)} if self.username else self.proposals

    def may_read(self, *, public_date: datetime | None, proposal_id: str | None, now: datetime) -> bool:
        """Tell whether a frame may be shown to the user."""
        return may_read_frame(self.readable_proposals, public_date=public_date, proposal_id=proposal_id, now=now)

    def may_read_frame(self, frame: FrameDocument, *, now: datetime) -> bool:
        """Tell whether a frame, as it is stored, may be shown to the user."""
        return self.may_read(public_date=frame.public_date, proposal_id=frame.proposal_id, now=now)


NOBODY = User("")
