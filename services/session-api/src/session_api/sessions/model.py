"""Data sessions: a user's named set of input data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import Field, JsonValue, SkipValidation

from datalab.documents.document import StoredDocument
from datalab.events.envelope import UtcDatetime
from session_api.web.failures import FieldError

InputItem = dict[str, JsonValue]

MAX_NAME_CHARACTERS = 256

#: Keys of an input item that only say where to fetch it at present: two items that differ in nothing else are one.
LINK_KEYS = frozenset({"url", "largeCachedUrl", "large_url", "small_url", "fits_url", "tif_url", "thumbnails"})

#: As much as a request may have: clients send the list back to add to it. 2,000 items of the user interface.
MAX_INPUT_DATA_BYTES = 2 * 1024**2
#: Ten times what the user interface keeps of an image; most of that is a signed link.
MAX_ITEM_BYTES = 16 * 1024
MAX_TEXT_CHARACTERS = 4096


class Session(StoredDocument):
    """`revision` grows with every change of name or input data."""

    id: int = Field(alias="_id")
    owner: str
    name: str
    input_data: tuple[Annotated[InputItem, SkipValidation], ...]  # checked when they came in
    created: UtcDatetime
    accessed: UtcDatetime
    modified: UtcDatetime
    revision: int
    deleted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFilter:
    """Which sessions to list; what is None does not matter. `name` and `user` ignore case."""

    created_after: datetime | None = None
    created_before: datetime | None = None
    modified_after: datetime | None = None
    modified_before: datetime | None = None
    name_contains: str | None = None
    name_exact: str | None = None
    user_contains: str | None = None
    user_exact: str | None = None


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
