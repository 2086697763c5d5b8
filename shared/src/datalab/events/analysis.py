"""Analyses: quick looks at one file, asked for and answered while somebody waits. Nothing of it is stored."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue, StringConstraints

from datalab.events.envelope import Event, WireModel
from datalab.events.operations import FailureKind, InputFile

#: What an action is called in paths, subjects and keys.
ActionName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]

#: Longest wait for an answer that may be asked for, in seconds.
MAX_ANSWER_TIME_S = 60.0


class AnalysisDescribed(Event):
    """One action, as a runner offers it; kept in a key-value bucket under its name."""

    type: Literal["analysis.described.v1"] = "analysis.described.v1"
    action: ActionName
    description: str
    parameters_schema: dict[str, JsonValue] = Field(description="JSON schema (2020-12) of the parameters")


class AnalysisRequested(Event):
    """Please look at this file, now or never."""

    type: Literal["analysis.requested.v1"] = "analysis.requested.v1"
    action: ActionName
    parameters: dict[str, JsonValue]
    file: InputFile
    etag: str = Field("", description="of the stored file as it was recorded; empty if it is not known")
    answer_within_s: float = Field(gt=0, le=MAX_ANSWER_TIME_S, description="an answer that comes later is not read")

    @property
    def subject(self) -> str:
        return analysis_subject(self.action)


class LinkedObject(WireModel):
    """A stored object that the answer links to. The link is signed by whoever shows it."""

    key: str = Field(min_length=1)
    media_type: str
    filename: str = Field(description="what the file is called when it is saved")


class AnalysisAnswered(Event):
    """The head of an answer, sent to the inbox named by the request; a JSON text follows it if nothing failed.

    `failure` and `message` say what went wrong and for whom; with `pending` nothing did: the work goes on, and whoever
    asks again finds it. `links` are further keys of the JSON object. The text may come compressed, as `encoding` says;
    what follows may also be a file, as `media_type` says.
    """

    type: Literal["analysis.answered.v1"] = "analysis.answered.v1"
    failure: FailureKind | None = None
    message: str = ""
    pending: bool = False
    media_type: str = "application/json"
    links: dict[str, LinkedObject] = Field(default_factory=dict)
    encoding: Literal["gzip"] | None = None


def analysis_subject(action: str) -> str:
    """Return where requests for an action are sent: runners listen to the actions they offer."""
    return f"datalab.{AnalysisRequested.type_name()}.{action}"
