"""What processes there are and what they do, as each of them says."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from datalab.events.envelope import Event, SubjectToken, UtcDatetime, WireModel


class WorkInHand(WireModel):
    """A message that is being handled."""

    consumer: str
    what: str = Field(description="in words, empty where the consumer's name says enough")
    since: UtcDatetime


class ProcessDescribed(Event):
    """One process of a service, said again every few seconds; who says nothing any more is gone, or cut off."""

    type: Literal["process.described.v1"] = "process.described.v1"
    process_id: SubjectToken
    service: str
    host: str
    version: str
    started_at: UtcDatetime
    dependencies: dict[str, str] = Field(description="`ok`, or what is wrong, by the server that is needed")
    slots: dict[str, int] = Field(description="messages it takes at once, by consumer")
    in_hand: tuple[WorkInHand, ...] = ()
