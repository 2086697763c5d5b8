"""Writes that hold only if nobody else was faster: `If-Match` and `If-None-Match` (RFC 9110, section 13.1).

A client sends the `ETag` of what it has read; who sends neither header writes whatever there is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Header

from session_api.web.failures import PreconditionError

_ANY: Final = "*"


@dataclass(frozen=True, slots=True)
class Preconditions:
    """What a request says of the state it is meant for; None where it says nothing."""

    match: frozenset[str] | None = None
    none_match: frozenset[str] | None = None

    def require(self, tag: str | None) -> None:
        """Compare with the tag of what there is, None for nothing. Raises `PreconditionError`."""
        if self.match is not None and not _names(self.match, tag):
            there = "there is none" if tag is None else f"it has the ETag {quoted(tag)} now"
            raise PreconditionError(f"This is not what you have read (If-Match): {there}. Read it anew.")
        if self.none_match is not None and _names(self.none_match, tag):
            raise PreconditionError("There is one already (If-None-Match).")


def quoted(tag: str) -> str:
    """Return a tag as it stands in a header."""
    return f'"{tag}"'


def _names(tags: frozenset[str], tag: str | None) -> bool:
    return tag is not None and (_ANY in tags or tag in tags)


def _tags(header: str | None) -> frozenset[str] | None:
    """Return the tags in a header. Proxies that compress what passes call them weak; they name a state, not bytes."""
    if header is None:
        return None
    return frozenset(each.strip().removeprefix("W/").strip('"') for each in header.split(","))


async def _preconditions(
    if_match: Annotated[str | None, Header(description="ETag of what is to be replaced; `*` for anything")] = None,
    if_none_match: Annotated[str | None, Header(description="`*`: there is to be none yet")] = None,
) -> Preconditions:
    return Preconditions(_tags(if_match), _tags(if_none_match))


#: What the request says of the state it is meant for.
WritePreconditions = Annotated[Preconditions, Depends(_preconditions)]
