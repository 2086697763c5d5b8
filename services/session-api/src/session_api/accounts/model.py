"""Who calls, and what they may see."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from session_api.web.user import User


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What is kept about a user."""

    username: str
    active: bool
    superuser: bool
    proposals: tuple[str, ...]
    created: datetime

    def user(self) -> User:
        """Return the account as a caller."""
        return User(self.username, self.superuser, frozenset(self.proposals))


def may_read_frame(user: User | None, *, public_date: datetime | None, proposal_id: str | None, now: datetime) -> bool:
    """Tell whether a frame may be shown to `user`; None is somebody without a token.

    A frame is public without a public date or after it; until then only its proposal's members see it.
    """
    if public_date is None or public_date <= now:
        return True
    return user is not None and (user.superuser or (proposal_id is not None and proposal_id in user.proposals))
