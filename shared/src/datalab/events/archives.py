"""Archives of many files, made by runners while somebody waits, and to their end when nobody does."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from datalab.events.analysis import MAX_ANSWER_TIME_S
from datalab.events.envelope import Event, WireModel
from datalab.events.operations import InputFile


class ArchiveMember(WireModel):
    """A file of an archive, and what it is called there."""

    name: str = Field(min_length=1, max_length=512)
    file: InputFile


class ArchiveList(WireModel):
    """What goes into an archive, in order: stored as an object, since thousands of files fit no message."""

    members: tuple[ArchiveMember, ...] = Field(min_length=1)


class ArchiveRequested(Event):
    """Please have this archive stored. It is answered as analyses are: done, failed, or still being made."""

    type: Literal["archive.requested.v1"] = "archive.requested.v1"
    key: str = Field(min_length=1, description="object key of the archive")
    list_key: str = Field(min_length=1, description="object key of its `ArchiveList`")
    answer_within_s: float = Field(gt=0, le=MAX_ANSWER_TIME_S, description="an answer that comes later is not read")
