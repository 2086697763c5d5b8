"""A computation before and after it is done, as it passes between processes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import JsonValue

from datalab.events.operations import InputFile, InputSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One computation, ready for a process of its own. Everything in it can be pickled."""

    operation: str
    parameters: dict[str, JsonValue]
    result_key: str
    inputs: tuple[InputFile, ...]
    paths: dict[tuple[InputSource, str], Path]
    work_dir: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalFile:
    """A file a computation left in its work folder."""

    path: Path
    media_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalProduct:
    """One product before it is stored, its renderings by role (fits, large, small, tif).

    `inputs` are the basenames of the input files it was made of, None for all there are. `notes` are those of the
    product, then those of its inputs.
    """

    type: Literal["fits", "image"]
    files: dict[str, LocalFile]
    inputs: tuple[str, ...] | None = None
    filter_name: str | None
    observation_date: str | None
    target_name: str | None
    is_exposure: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalPicture:
    """A picture before it is stored, to be linked as `name` in a field of the data it belongs to."""

    field: str
    name: str
    file: LocalFile


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalData:
    """One data product, and the pictures that belong to it."""

    content: JsonValue
    pictures: tuple[LocalPicture, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Computed:
    """What a computation made, besides the products it delivered on the way."""

    data: tuple[LocalData, ...]
    compute_s: float
