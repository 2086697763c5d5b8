"""What is known of an operation or an action without loading it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pydantic import JsonValue

from datalab.events.analysis import AnalysisDescribed
from datalab.events.offers import OperationDescribed
from datalab.events.operations import InputSource


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderingKind:
    """What an action makes whose result is a file: see `operation_runner.sdk.analysis.Rendering`."""

    version: int
    link: str
    extension: str
    media_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedAction:
    """An analysis action; `rendering` if its result is a file that is kept, `in_parts` if it needs a part of the image.

    One that is `glimpsed` needs some rows of it.
    """

    name: str
    rendering: RenderingKind | None = None
    in_parts: bool = False
    glimpsed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalisedParameters:
    """Parameters as they decide the result, and the files they name, in the order of the fields."""

    values: dict[str, JsonValue]
    files: tuple[tuple[InputSource, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a runner offers."""

    operations: list[OperationDescribed]
    analyses: list[AnalysisDescribed]
    actions: dict[str, OfferedAction]


@dataclass(frozen=True, slots=True)
class Question:
    """What there is, or what an operation or an action makes of parameters."""

    kind: Literal["offer", "operation", "action"]
    name: str = ""
    parameters: dict[str, JsonValue] = field(default_factory=dict)
