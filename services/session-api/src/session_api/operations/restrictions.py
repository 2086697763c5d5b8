"""Who may see what was made from frames that are not everybody's: whoever may read every one of the frames."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from datalab.events.envelope import UtcDatetime
from session_api.web.user import User


class Restriction(BaseModel):
    """Frames of one proposal that become public on a date; None is a proposal nobody knows, and a day never."""

    model_config = ConfigDict(frozen=True)

    proposal_id: str | None
    public_date: UtcDatetime | None


def restriction(*, proposal_id: str | None, public_date: datetime | None, now: datetime) -> tuple[Restriction, ...]:
    """Return what limits the use of a frame; nothing if it is public."""
    if public_date is not None and public_date <= now:
        return ()
    return (Restriction(proposal_id=proposal_id, public_date=public_date),)


def united(restrictions: Iterable[Restriction]) -> tuple[Restriction, ...]:
    """Return as few restrictions that say the same: one for each proposal, with the latest date."""
    latest: dict[str | None, datetime | None] = {}
    for each in restrictions:
        known = latest.setdefault(each.proposal_id, each.public_date)
        if known is not None and (each.public_date is None or each.public_date > known):
            latest[each.proposal_id] = each.public_date
    ordered = sorted(latest.items(), key=lambda item: item[0] or "")
    return tuple(Restriction(proposal_id=proposal_id, public_date=date) for proposal_id, date in ordered)


def may_see(user: User, restrictions: Iterable[Restriction], *, now: datetime) -> bool:
    """Tell whether the user may see what these restrictions are on."""
    return all(
        user.may_read(public_date=each.public_date, proposal_id=each.proposal_id, now=now) for each in restrictions
    )
