"""Input files of operations and analyses: as clients name them, and as they are found."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from datalab.events.operations import InputFile, InputSource, OutputFile, StoredFile
from session_api.operations.restrictions import Restriction


@dataclass(frozen=True, slots=True)
class NamedFile:
    """One file as a client names it."""

    source: InputSource
    basename: str


class FoundFile(BaseModel):
    """The file a client meant, and what we know of it ourselves."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    file: InputFile
    filter_name: str | None = Field(alias="filter")
    restrictions: tuple[Restriction, ...] = ()

    @property
    def name(self) -> NamedFile:
        return NamedFile(self.file.source, self.file.basename)


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeOutput:
    """An output of a completed operation: where it is, whose the operation is, and who may see it."""

    operation_id: int
    session_id: int
    owner: str
    output: OutputFile
    restrictions: tuple[Restriction, ...]


def data_of(output: OutputFile) -> StoredFile | None:
    """Return the image operations can compute with; None for a picture, even one with its data beside it."""
    return output.files.get("fits") if output.type == "fits" else None
