"""Numbers that clients send as texts: forms of browsers know nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pydantic import JsonValue

#: As JSON writes numbers, and as people do: with a sign, without a digit before or after the point.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_LONGEST = 40
_NUMBERS = {"number", "integer"}


def with_numbers(value: JsonValue, schema: dict[str, Any], root: dict[str, Any]) -> JsonValue:
    """Return a value with numbers in the place of texts, where its schema wants numbers; None for a blank text there.

    Args:
        value: what a client sent.
        schema: JSON schema of it.
        root: the schema that holds what `schema` refers to.
    """
    choices = list(_choices(schema, root))
    if isinstance(value, str):
        return _number(value, choices)
    if isinstance(value, list):
        items = next((choice["items"] for choice in choices if "items" in choice), None)
        return value if items is None else [with_numbers(item, items, root) for item in value]
    if isinstance(value, dict):
        properties: dict[str, Any] = next((choice["properties"] for choice in choices if "properties" in choice), {})
        return {
            key: with_numbers(item, properties[key], root) if key in properties else item for key, item in value.items()
        }
    return value


def _choices(schema: dict[str, Any], root: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a schema, what it refers to, and its alternatives."""
    yield schema
    reference = schema.get("$ref")
    if isinstance(reference, str):
        yield root.get("$defs", {}).get(reference.rpartition("/")[2], {})
    for each in schema.get("anyOf", ()):
        yield from _choices(each, root)


def _number(text: str, choices: list[dict[str, Any]]) -> JsonValue:
    types: set[str] = set()
    for choice in choices:
        given = choice.get("type", ())
        types |= {given} if isinstance(given, str) else set(given)
    if not types & _NUMBERS:
        return text
    bare = text.strip()
    if not bare:
        return None
    if len(bare) > _LONGEST or not _NUMBER.fullmatch(bare):
        return text
    number = float(bare)
    return int(number) if number.is_integer() and abs(number) < 2**53 else number
