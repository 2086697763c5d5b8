"""Who may see what was made from frames that are not everybody's.

That is whoever may read every one of the frames; and, in a session that is shared, everybody who may look at it, as
long as those may read the frames who put them to use there: they decided to show what came of it, not the frames.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from datalab.events.envelope import UtcDatetime
from session_api.web.user import User


class Restriction(BaseModel):
    """Frames of one proposal that become public on a date; None is a proposal nobody knows, and a day never.

    `shown_by` is who put the frames to use, if that is not the operation's owner, who has used outputs of theirs.
    """

    model_config = ConfigDict(frozen=True)

    proposal_id: str | None
    public_date: UtcDatetime | None
    shown_by: str | None = None

    def allows(self, user: User, *, now: datetime) -> bool:
        """Tell whether the user may read the frames."""
        return user.may_read(public_date=self.public_date, proposal_id=self.proposal_id, now=now)


def restriction(*, proposal_id: str | None, public_date: datetime | None, now: datetime) -> tuple[Restriction, ...]:
    """Return what limits the use of a frame; nothing if it is public."""
    if public_date is not None and public_date <= now:
        return ()
    return (Restriction(proposal_id=proposal_id, public_date=public_date),)


def inherited(restrictions: Iterable[Restriction], *, shown_by: str) -> tuple[Restriction, ...]:
    """Return the restrictions on what somebody else makes of outputs of this user's."""
    return tuple(each if each.shown_by else each.model_copy(update={"shown_by": shown_by}) for each in restrictions)


def united(restrictions: Iterable[Restriction]) -> tuple[Restriction, ...]:
    """Return as few restrictions that say the same: one for each proposal and who shows it, with the latest date."""
    latest: dict[tuple[str | None, str | None], datetime | None] = {}
    for each in restrictions:
        key = each.proposal_id, each.shown_by
        known = latest.setdefault(key, each.public_date)
        if known is not None and (each.public_date is None or each.public_date > known):
            latest[key] = each.public_date
    ordered = sorted(latest.items(), key=lambda item: (item[0][0] or "", item[0][1] or ""))
    return tuple(
        Restriction(proposal_id=proposal_id, public_date=date, shown_by=shown_by)
        for (proposal_id, shown_by), date in ordered
    )


def may_see(user: User, restrictions: Iterable[Restriction], *, now: datetime) -> bool:
    """Tell whether the user may read the frames that these restrictions are on."""
    return all(each.allows(user, now=now) for each in restrictions)
