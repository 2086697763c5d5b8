"""Telling a VOTable with an answer from everything else a server may send, without astropy."""

from __future__ import annotations

from collections.abc import Collection
from xml.parsers import expat


class BadTableError(ValueError):
    """Not a table with an answer; the text says why, in words that follow "it sent"."""


def check_table(content: bytes, *, columns: Collection[str]) -> None:
    """Check that a document is a complete VOTable whose query succeeded and whose table has the columns.

    Raises:
        BadTableError: it is not.
    """
    fields: set[str] = set()
    failed = False
    depth = 0

    def begin(element: str, attributes: dict[str, str]) -> None:
        nonlocal depth, failed
        kind = element.rpartition(":")[2]
        if depth == 0 and kind != "VOTABLE":
            raise BadTableError("a document that is no VOTable")
        depth += 1
        if kind == "FIELD":
            fields.add(attributes.get("name", ""))
        elif kind == "INFO" and attributes.get("name") == "QUERY_STATUS":
            failed = failed or attributes.get("value") == "ERROR"

    def refuse_doctype(*_: object) -> None:
        raise BadTableError("a document with entities of its own")  # which may unfold to any size

    parser = expat.ParserCreate()
    parser.StartElementHandler = begin
    parser.StartDoctypeDeclHandler = refuse_doctype
    try:
        parser.Parse(content, True)  # noqa: FBT003 - positional in expat: this is all of it
    except expat.ExpatError as error:
        raise BadTableError("no complete XML document") from error
    if failed:
        raise BadTableError("an error instead of stars")
    if not fields.issuperset(columns):
        raise BadTableError("a table without the columns asked for")
