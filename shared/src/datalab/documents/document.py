"""What every stored document is, and how its collection is indexed. Needs nothing but pydantic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict

ASCENDING, DESCENDING = 1, -1

#: The direction of an index over shapes on the sphere.
ON_SPHERE = "2dsphere"

#: A document, a query or a change, as the document store takes it.
Document = dict[str, Any]


def storable_names(fields: Mapping[str, Any]) -> Document:
    """Return the fields under names that a document can have: it holds no NUL."""
    return {name.replace("\0", ""): value for name, value in fields.items()}


class StoredDocument(BaseModel):
    """A document as it is stored. A reader ignores fields it does not know: a later version wrote them."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    def stored(self) -> Document:
        """Return what is written."""
        return self.model_dump(by_alias=True)

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """Return the model of a document that was read."""
        return cls.model_validate(document)


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """An index: its fields, each with a direction or `ON_SPHERE`; only of documents that fit `where`.

    Documents whose one field, a date, is `expires_after_s` seconds old are removed by the store.
    """

    fields: tuple[tuple[str, int | str], ...]
    name: str | None = None
    unique: bool = False
    where: Mapping[str, Any] | None = None
    expires_after_s: int | None = None
