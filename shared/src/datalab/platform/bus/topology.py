"""Makes the NATS server match `datalab.events.topology`, or tells how it differs."""

from __future__ import annotations

from typing import Any, TypeAlias

import nats.js.errors
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    KeyValueConfig,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)

from datalab.errors import UsageError
from datalab.events.topology import BUCKETS, CONSUMERS, STREAMS, Bucket, Consumer, Stream

_UNLIMITED = -1
_Declared: TypeAlias = Stream | Consumer | Bucket
#: Streams first: consumers are made in them.
_DECLARED: tuple[_Declared, ...] = (*STREAMS, *CONSUMERS, *BUCKETS)


class TopologyMismatchError(UsageError):
    """The server's streams and consumers are not the declared ones."""


async def apply_topology(jetstream: JetStreamContext, *, replicas: int = 1) -> list[str]:
    """Create or update every stream, consumer and bucket; return one line for each change made.

    Nothing is deleted: what the server has beyond the declaration is left alone.
    """
    changes: list[str] = []
    for declared in _DECLARED:
        differences = await _compared(jetstream, declared)
        if differences is None:
            await _create(jetstream, declared, replicas)
            changes.append(f"{_named(declared)}: created")
        elif differences and isinstance(declared, Stream):
            await jetstream.update_stream(_stream_config(declared, replicas))
        elif differences:
            await _create(jetstream, declared, replicas)  # the server changes a consumer that is there
        changes += [f"{_named(declared)}: {difference}, changed" for difference in differences or ()]
    return changes


async def check_topology(jetstream: JetStreamContext) -> None:
    """Raise `TopologyMismatchError` naming every difference between the server and the declaration."""
    problems: list[str] = []
    for declared in _DECLARED:
        differences = await _compared(jetstream, declared)
        if differences is None:
            problems.append(f"{_named(declared)} is missing")
        problems += [f"{_named(declared)}: {difference}" for difference in differences or ()]
    if problems:
        raise TopologyMismatchError(
            "the NATS server does not have the topology this version needs; run `datalab topology apply`. "
            + "; ".join(problems)
        )


async def _compared(jetstream: JetStreamContext, declared: _Declared) -> list[str] | None:
    """Return what differs on the server, None if it is missing there."""
    try:
        match declared:
            case Stream():
                return _stream_differences(declared, (await jetstream.stream_info(declared.name)).config)
            case Consumer():
                info = await jetstream.consumer_info(declared.stream, declared.name)
                return _consumer_differences(declared, info.config)
            case Bucket():
                await jetstream.key_value(declared.name)
                return []
    except nats.js.errors.NotFoundError:
        return None


async def _create(jetstream: JetStreamContext, declared: _Declared, replicas: int) -> None:
    match declared:
        case Stream():
            await jetstream.add_stream(_stream_config(declared, replicas))
        case Consumer():
            await jetstream.add_consumer(declared.stream, _consumer_config(declared))
        case Bucket():
            await jetstream.create_key_value(_bucket_config(declared, replicas))


def _named(declared: _Declared) -> str:
    return f"{type(declared).__name__.lower()} {declared.name}"


def _stream_config(stream: Stream, replicas: int) -> StreamConfig:
    return StreamConfig(
        name=stream.name,
        description=stream.description,
        subjects=list(stream.subjects),
        retention=_retention(stream),
        storage=StorageType.FILE,
        discard=_discard(stream),
        discard_new_per_subject=stream.backlog and stream.max_messages_per_subject is not None,
        max_msgs_per_subject=_most_per_subject(stream),
        max_age=stream.max_age_s,
        max_bytes=stream.max_bytes,
        duplicate_window=stream.dedupe_window_s,
        num_replicas=replicas,
        allow_direct=True,
    )


def _retention(stream: Stream) -> RetentionPolicy:
    return RetentionPolicy.INTEREST if stream.backlog else RetentionPolicy.LIMITS


def _discard(stream: Stream) -> DiscardPolicy:
    return DiscardPolicy.NEW if stream.backlog else DiscardPolicy.OLD


def _most_per_subject(stream: Stream) -> int:
    return -1 if stream.max_messages_per_subject is None else stream.max_messages_per_subject


def _consumer_config(consumer: Consumer) -> ConsumerConfig:
    single = len(consumer.filter_subjects) == 1
    return ConsumerConfig(
        durable_name=consumer.name,
        description=consumer.description,
        deliver_policy=DeliverPolicy.ALL,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=consumer.ack_wait_s,
        max_deliver=_UNLIMITED,  # who consumes counts the tries: the server would count an outage's deliveries, too
        max_ack_pending=consumer.max_ack_pending,
        filter_subject=consumer.filter_subjects[0] if single else None,
        filter_subjects=None if single else list(consumer.filter_subjects),
    )


def _bucket_config(bucket: Bucket, replicas: int) -> KeyValueConfig:
    return KeyValueConfig(
        bucket=bucket.name,
        description=bucket.description,
        ttl=bucket.ttl_s,
        history=bucket.history,
        replicas=replicas,
    )


def _stream_differences(stream: Stream, present: StreamConfig) -> list[str]:
    return _differences(
        ("subjects", sorted(stream.subjects), sorted(present.subjects or [])),
        ("max_age", stream.max_age_s, present.max_age),
        ("max_bytes", stream.max_bytes, present.max_bytes),
        ("duplicate_window", stream.dedupe_window_s, present.duplicate_window),
        ("retention", _retention(stream).value, present.retention),
        ("discard", _discard(stream).value, present.discard),
        ("max_msgs_per_subject", _most_per_subject(stream), present.max_msgs_per_subject),
    )


def _consumer_differences(consumer: Consumer, present: ConsumerConfig) -> list[str]:
    present_filter = present.filter_subjects or ([present.filter_subject] if present.filter_subject else [])
    return _differences(
        ("filter", sorted(consumer.filter_subjects), sorted(present_filter)),
        ("ack_wait", consumer.ack_wait_s, present.ack_wait),
        ("max_deliver", _UNLIMITED, present.max_deliver),
        ("max_ack_pending", consumer.max_ack_pending, present.max_ack_pending),
    )


def _differences(*rows: tuple[str, Any, Any]) -> list[str]:
    return [f"{name} is {present!r}, should be {wanted!r}" for name, wanted, present in rows if wanted != present]
