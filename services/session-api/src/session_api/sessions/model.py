"""Data sessions: a user's named set of input data."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, SkipValidation

from datalab.documents.document import StoredDocument
from datalab.events.envelope import UtcDatetime
from datalab.events.operations import InputSource
from session_api.operations.session_rights import Role
from session_api.web.failures import FieldError
from session_api.web.user import User

InputItem = dict[str, JsonValue]

MAX_NAME_CHARACTERS = 256

#: Keys of an input item that only say where to fetch it at present: two items that differ in nothing else are one.
LINK_KEYS = frozenset({"url", "largeCachedUrl", "large_url", "small_url", "fits_url", "tif_url", "thumbnails"})

#: As much as a request may have: clients send the list back to add to it. 2,000 items of the user interface.
MAX_INPUT_DATA_BYTES = 2 * 1024**2
#: Ten times what the user interface keeps of an image; most of that is a signed link.
MAX_ITEM_BYTES = 16 * 1024
MAX_TEXT_CHARACTERS = 4096
#: Users and groups that one session is shared with.
MAX_SHARES: Final = 100
#: How clients say that an item is of the archive.
_ARCHIVE: Final = (None, "", InputSource.ARCHIVE.value)


class Share(BaseModel):
    """With whom a session is shared, a user or a group, and what they are in it."""

    model_config = ConfigDict(frozen=True)

    user: str | None = None
    group: int | None = None
    role: Literal[Role.VIEWER, Role.EDITOR]
    since: UtcDatetime

    @property
    def who(self) -> tuple[str | None, int | None]:
        return self.user, self.group


class SessionLink(BaseModel):
    """That whoever has a link may look at a session: the link itself is known to them only."""

    model_config = ConfigDict(frozen=True)

    hash: str
    since: UtcDatetime


class Session(StoredDocument):
    """`revision` grows with every change of name, input data, owner or of who may look at it.

    `joint`: others than its owner may have started operations in it, now or once.
    """

    id: int = Field(alias="_id")
    owner: str
    name: str
    input_data: tuple[Annotated[InputItem, SkipValidation], ...]  # checked when they came in
    created: UtcDatetime
    accessed: UtcDatetime
    modified: UtcDatetime
    revision: int
    shares: tuple[Share, ...] = ()
    link: SessionLink | None = None
    joint: bool = False
    deleted: bool = False


class SessionStanding(BaseModel):
    """As much of a session as says who may do what in it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    owner: str
    shares: tuple[Share, ...] = ()
    link: SessionLink | None = None

    @property
    def groups(self) -> set[int]:
        """The groups it is shared with."""
        return {each.group for each in self.shares if each.group is not None}


#: Which sessions a list has: the caller's own, also those that are shared with the caller, or only these.
Belonging = Literal["own", "include", "only"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFilter:
    """Which sessions to list; what is None does not matter. `name` and `user` ignore case."""

    belonging: Belonging = "own"

    created_after: datetime | None = None
    created_before: datetime | None = None
    modified_after: datetime | None = None
    modified_before: datetime | None = None
    name_contains: str | None = None
    name_exact: str | None = None
    user_contains: str | None = None
    user_exact: str | None = None


def role_in(session: Session | SessionStanding, caller: User, groups: Collection[int]) -> Role | None:
    """Return what a member of these groups is in a session, None for who may not look at it."""
    is_known = bool(caller.username) and caller.reads
    if is_known and caller.username == session.owner:
        return Role.OWNER
    roles = [
        each.role
        for each in session.shares
        if is_known and ((each.user is not None and each.user == caller.username) or each.group in groups)
    ]
    if Role.EDITOR in roles:
        return Role.EDITOR
    opened = session.link is not None and caller.link_hash == session.link.hash
    return Role.VIEWER if roles or opened else None


def shown_to_others(item: InputItem) -> InputItem:
    """Return an item of input data as others than the session's owner see it: without anything that leads to files."""
    return {
        key: value
        for key, value in item.items()
        if key not in LINK_KEYS
        and not isinstance(value, dict | list)
        and not (isinstance(value, str) and "://" in value)
    }


def frame_in(item: InputItem) -> str | None:
    """Return the name of the frame that an item of input data means, None if it means something else."""
    name = item.get("basename")
    return name if isinstance(name, str) and item.get("source") in _ARCHIVE else None


def seen_by_others(items: Sequence[InputItem], readable: AbstractSet[str]) -> tuple[InputItem, ...]:
    """Return input data as others than the session's owner see it, who may read these frames.

    Of other frames nothing is seen, nor of what nobody knows what it is.
    """
    return tuple(
        shown_to_others(item)
        for item in items
        if frame_in(item) in readable or item.get("source") == InputSource.DATALAB
    )


def added_by_others(existing: Sequence[InputItem], submitted: Sequence[InputItem]) -> list[InputItem]:
    """Return what of the items that an editor sent is new, without links: those would open frames of the editor's.

    Editors send back what they were shown.
    """
    known = {_identity(shown_to_others(item)) for item in existing}
    return [
        {key: value for key, value in item.items() if key not in LINK_KEYS}
        for item in submitted
        if _identity(shown_to_others(item)) not in known
    ]


def merged_input_data(existing: Sequence[InputItem], submitted: Sequence[InputItem]) -> tuple[InputItem, ...]:
    """Return the existing items and the submitted ones that are new, in order.

    An item that is known already brings its links up to date. Items are never removed. Raises `FieldError` when the
    list becomes too large to keep.
    """
    check_items(submitted)
    merged = list(existing)
    positions = {_identity(item): position for position, item in reversed(list(enumerate(merged)))}
    for item in submitted:
        position = positions.setdefault(_identity(item), len(merged))
        if position == len(merged):
            merged.append(item)
        else:
            merged[position] = {**merged[position], **{key: item[key] for key in item if key in LINK_KEYS}}
    size = len(json.dumps(merged, ensure_ascii=False).encode())
    if size > MAX_INPUT_DATA_BYTES:
        raise FieldError(
            {"input_data": [f"The session's input data would have {size} bytes; {MAX_INPUT_DATA_BYTES} are allowed."]}
        )
    return tuple(merged)


def check_items(items: Sequence[InputItem]) -> None:
    """Raise `FieldError` for an item that is too large to be kept and listed again and again."""
    for number, item in enumerate(items):
        for key, value in item.items():
            if isinstance(value, str) and len(value) > MAX_TEXT_CHARACTERS:
                text = f"has {len(value)} characters; {MAX_TEXT_CHARACTERS} are allowed."
                raise FieldError({"input_data": [f"{number}.{key[:100]}: The text {text}"]})
        size = len(json.dumps(item, ensure_ascii=False).encode())
        if size > MAX_ITEM_BYTES:
            raise FieldError({"input_data": [f"{number}: The item has {size} bytes; {MAX_ITEM_BYTES} are allowed."]})


def _identity(item: InputItem) -> str:
    return json.dumps({key: value for key, value in item.items() if key not in LINK_KEYS}, sort_keys=True)
