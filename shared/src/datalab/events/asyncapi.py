"""The AsyncAPI document of everything said on the bus and on the feed, generated from the event models."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

import datalab
from datalab.events.analysis import AnalysisAnswered, AnalysisDescribed, AnalysisRequested
from datalab.events.archives import ArchiveRequested
from datalab.events.envelope import Event
from datalab.events.ephemeris import MoonPassagesRequested, SiteNightRequested
from datalab.events.feed import (
    FileRefused,
    FrameChanged,
    FrameDeleted,
    InfoImageChanged,
    ItemEnqueued,
    JobChanged,
    NightLogChanged,
    OperationChanged,
    OperationDeleted,
    SessionAccessChanged,
    SessionChanged,
    SessionDeleted,
    SiteConfigured,
    SiteLogAdded,
    SitePhaseChanged,
)
from datalab.events.frames import (
    FileRecordAnswered,
    FileRecordRequested,
    FileRejected,
    FileStored,
    FileUnchanged,
    FileUploaded,
    FrameIngested,
    FrameRemovalRequested,
    FrameRemoved,
)
from datalab.events.offers import OperationDescribed
from datalab.events.operations import (
    Lane,
    OperationCancelled,
    OperationCancelRequested,
    OperationDelayed,
    OperationFailed,
    OperationProgressed,
    OperationRequested,
    OperationStarted,
    OperationSucceeded,
)
from datalab.events.previews import PreviewFailed, PreviewMade, PreviewRequested
from datalab.events.processes import ProcessDescribed
from datalab.events.site_images import AllskyImageIngested, InfoImageIngested
from datalab.events.site_status import SiteStatusChanged
from datalab.events.topology import (
    ALMANAC,
    ANALYSIS_OFFERS,
    ANALYSTS,
    ARCHIVERS,
    BUCKETS,
    CONSUMERS,
    OPERATION_OFFERS,
    PROCESSES,
    RECORDERS,
    SITE_STATUSES,
    stream_for,
    subject_matches,
)

#: Where answers go: an inbox of whoever asked, below the prefix of its user, named by the request.
INBOX = "{inbox_prefix}.{request}"
#: Who answers questions.
_ANSWERING = (ANALYSTS, ARCHIVERS, ALMANAC, RECORDERS)

#: Every event and the subjects it is published on, with the parts that vary in braces.
EVENTS: tuple[tuple[type[Event], str], ...] = (
    (OperationRequested, "datalab.operation.requested.v1.{lane}"),
    (OperationCancelRequested, "datalab.operation.cancel_requested.v1"),
    (OperationStarted, "datalab.operation.started.v1"),
    (OperationProgressed, "datalab.operation.progressed.v1"),
    (OperationDelayed, "datalab.operation.delayed.v1"),
    (OperationSucceeded, "datalab.operation.succeeded.v1"),
    (OperationFailed, "datalab.operation.failed.v1"),
    (OperationCancelled, "datalab.operation.cancelled.v1"),
    (FileStored, "observatory.{site}.image.new"),
    (FileUploaded, "datalab.file.uploaded.v1.{site}"),
    (FrameIngested, "datalab.frame.ingested.v1.{site}"),
    (FileRejected, "datalab.file.rejected.v1.{site}"),
    (FileUnchanged, "datalab.file.unchanged.v1.{site}"),
    (FileRecordRequested, "datalab.file.record_requested.v1"),
    (FileRecordAnswered, INBOX),
    (InfoImageIngested, "datalab.info-image.ingested.v1.{site}"),
    (AllskyImageIngested, "datalab.allsky-image.ingested.v1.{site}"),
    (FrameRemovalRequested, "datalab.frame.removal-requested.v1"),
    (FrameRemoved, "datalab.frame.removed.v1.{site}"),
    (PreviewRequested, "datalab.preview.requested.v1.{lane}"),
    (PreviewMade, "datalab.preview.made.v1"),
    (PreviewFailed, "datalab.preview.failed.v1"),
    (OperationDescribed, f"$KV.{OPERATION_OFFERS.name}.{{operation}}"),
    (AnalysisDescribed, f"$KV.{ANALYSIS_OFFERS.name}.{{action}}"),
    (ProcessDescribed, f"$KV.{PROCESSES.name}.{{process}}"),
    (AnalysisRequested, "datalab.analysis.requested.v1.{action}"),
    (ArchiveRequested, "datalab.archive.requested.v1"),
    (SiteNightRequested, "datalab.site-night.requested.v1"),
    (MoonPassagesRequested, "datalab.moon-passages.requested.v1"),
    (AnalysisAnswered, INBOX),
    (OperationChanged, "datalab.feed.v1.session.{session}"),
    (OperationDeleted, "datalab.feed.v1.session.{session}"),
    (SessionChanged, "datalab.feed.v1.session.{session}"),
    (SessionAccessChanged, "datalab.feed.v1.session.{session}"),
    (SessionDeleted, "datalab.feed.v1.session.{session}"),
    (FrameChanged, "datalab.feed.v1.site.{site}"),
    (FrameDeleted, "datalab.feed.v1.site.{site}"),
    (FileRefused, "datalab.feed.v1.site.{site}"),
    (InfoImageChanged, "datalab.feed.v1.site.{site}"),
    (SiteConfigured, "datalab.feed.v1.site.{site}"),
    (NightLogChanged, "datalab.feed.v1.site.{site}"),
    (SiteLogAdded, "datalab.feed.v1.site.{site}"),
    (SitePhaseChanged, "datalab.feed.v1.site.{site}"),
    (SiteStatusChanged, "datalab.site-status.changed.v1.{site}"),
    (ItemEnqueued, "datalab.feed.v1.site.{site}"),
    (JobChanged, "datalab.feed.v1.site.{site}"),
)


def document() -> dict[str, Any]:
    """Return the AsyncAPI 3.0 document, as JSON-able data."""
    _, definitions = TypeAdapter.json_schemas(
        [(event, "serialization", TypeAdapter(event)) for event, _ in EVENTS],
        ref_template="#/components/schemas/{model}",
    )
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Datalab events",
            "version": datalab.__version__,
            "description": "What the parts of Datalab say to each other over NATS JetStream. Every message carries "
            "`event_id` as `Nats-Msg-Id`; readers ignore fields they do not know.",
            "license": {"name": "BSD-3-Clause"},
        },
        "defaultContentType": "application/json",
        "channels": _channels(),
        "operations": _operations(),
        "components": {
            "messages": {event.__name__: _message(event) for event, _ in EVENTS},
            "schemas": definitions["$defs"],
        },
    }


def _channels() -> dict[str, Any]:
    channels: dict[str, Any] = {}
    for event, address in EVENTS:
        channel = channels.setdefault(
            _channel_name(address), {"address": address, "description": _stored_in(address), "messages": {}}
        )
        channel["messages"][event.__name__] = {"$ref": f"#/components/messages/{event.__name__}"}
        parameters = [part[1:-1] for part in address.split(".") if part.startswith("{")]
        if parameters:
            channel["parameters"] = {name: {"description": f"the {name}"} for name in parameters}
    return channels


def _operations() -> dict[str, Any]:
    """Return who receives what: each durable consumer and queue group with the channels its subjects cover."""
    operations: dict[str, Any] = {}
    receivers = [(consumer, consumer.filter_subjects) for consumer in CONSUMERS] + [
        (group, group.subjects) for group in (*_ANSWERING, SITE_STATUSES)
    ]
    for receiver, patterns in receivers:
        for _, address in EVENTS:
            subjects = _example_subjects(address)
            if any(subject_matches(pattern, subject) for pattern in patterns for subject in subjects):
                operations[f"{receiver.name}.{_channel_name(address)}"] = {
                    "action": "receive",
                    "channel": {"$ref": f"#/channels/{_channel_name(address)}"},
                    "description": receiver.description,
                }
                if receiver in _ANSWERING:
                    operations[f"{receiver.name}.{_channel_name(address)}"]["reply"] = {
                        "address": {"location": "$message.header#/replyTo"},
                        "channel": {"$ref": f"#/channels/{_channel_name(INBOX)}"},
                    }
    return operations


def _message(event: type[Event]) -> dict[str, Any]:
    return {
        "name": event.type_name(),
        "title": event.__name__,
        "summary": (event.__doc__ or "").partition("\n")[0],
        "payload": {"$ref": f"#/components/schemas/{event.__name__}"},
    }


def _channel_name(address: str) -> str:
    return address.replace("$", "").replace("{", "").replace("}", "").replace(".", "-")


def _example_subjects(address: str) -> list[str]:
    """Return subjects the address stands for; the lanes are the one part that a filter tells apart."""
    lanes = [lane.value for lane in Lane] if "{lane}" in address else [""]
    filled = [address.replace("{lane}", lane) for lane in lanes]
    return [".".join("x" if part.startswith("{") else part for part in text.split(".")) for text in filled]


def _stored_in(address: str) -> str:
    subject = _example_subjects(address)[0]
    for bucket in BUCKETS:
        if subject.startswith(f"$KV.{bucket.name}."):
            return f"key-value bucket {bucket.name}"
    if address == INBOX:
        return "an inbox of whoever asked; the head of an answer is followed by its body in parts, each acknowledged"
    for group in _ANSWERING:
        if any(subject_matches(pattern, subject) for pattern in group.subjects):
            return f"queue group {group.name}: {group.description}; not stored"
    if any(subject_matches(pattern, subject) for pattern in SITE_STATUSES.subjects):
        return f"broadcast {SITE_STATUSES.name}: {SITE_STATUSES.description}; not stored"
    stream = stream_for(subject)
    return f"stream {stream.name}: {stream.description}"
