"""Who calls."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from datalab.documents.frame import FrameDocument, may_read_frame, own_proposal


@dataclass(frozen=True, slots=True)
class User:
    """Whoever sent a valid token; `NOBODY` sent none."""

    username: str
    superuser: bool = False
    proposals: frozenset[str] = frozenset()

    @property
    def readable_proposals(self) -> frozenset[str] | None:
        """The proposals whose frames the user may see before they are public; None stands for all."""
        if self.superuser:
            return None
        return self.proposals | {own_proposal(self.username)} if self.username else self.proposals

    def may_read(self, *, public_date: datetime | None, proposal_id: str | None, now: datetime) -> bool:
        """Tell whether a frame may be shown to the user."""
        return may_read_frame(self.readable_proposals, public_date=public_date, proposal_id=proposal_id, now=now)

    def may_read_frame(self, frame: FrameDocument, *, now: datetime) -> bool:
        """Tell whether a frame, as it is stored, may be shown to the user."""
        return self.may_read(public_date=frame.public_date, proposal_id=frame.proposal_id, now=now)


NOBODY = User("")
