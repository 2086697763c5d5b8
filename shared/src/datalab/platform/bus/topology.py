"""Makes the NATS server match `datalab.events.topology`, or tells how it differs."""

from __future__ import annotations

from typing import Any

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


class TopologyMismatchError(UsageError):
    """The server's streams and consumers are not the declared ones."""


async def apply_topology(jetstream: JetStreamContext, *, replicas: int = 1) -> list[str]:
    """Create or update every stream, consumer and bucket; return one line for each change made.

    Nothing is deleted: what the server has beyond the declaration is left alone.
    """
    changes = [line for stream in STREAMS for line in await _apply_stream(jetstream, stream, replicas)]
    changes += [line for consumer in CONSUMERS for line in await _apply_consumer(jetstream, consumer)]
    changes += [line for bucket in BUCKETS for line in await _apply_bucket(jetstream, bucket, replicas)]
    return changes


async def check_topology(jetstream: JetStreamContext) -> None:
    """Raise `TopologyMismatchError` naming every difference between the server and the declaration."""
    problems: list[str] = []
    for stream in STREAMS:
        try:
            present = (await jetstream.stream_info(stream.name)).config
        except nats.js.errors.NotFoundError:
            problems.append(f"stream {stream.name} is missing")
        else:
            problems += [f"stream {stream.name}: {difference}" for difference in _stream_differences(stream, present)]
    for consumer in CONSUMERS:
        try:
            info = await jetstream.consumer_info(consumer.stream, consumer.name)
        except nats.js.errors.NotFoundError:
            problems.append(f"consumer {consumer.name} is missing")
        else:
            problems += [f"consumer {consumer.name}: {text}" for text in _consumer_differences(consumer, info.config)]
    for bucket in BUCKETS:
        try:
            await jetstream.key_value(bucket.name)
        except nats.js.errors.NotFoundError:
            problems.append(f"bucket {bucket.name} is missing")
    if problems:
        raise TopologyMismatchError(
            "the NATS server does not have the topology this version needs; run `datalab topology apply`. "
            + "; ".join(problems)
        )


async def _apply_stream(jetstream: JetStreamContext, stream: Stream, replicas: int) -> list[str]:
    wanted = _stream_config(stream, replicas)
    try:
        present = (await jetstream.stream_info(stream.name)).config
    except nats.js.errors.NotFoundError:
        await jetstream.add_stream(wanted)
        return [f"stream {stream.name}: created"]
    differences = _stream_differences(stream, present)
    if differences:
        await jetstream.update_stream(wanted)
    return [f"stream {stream.name}: {difference}, changed" for difference in differences]


async def _apply_consumer(jetstream: JetStreamContext, consumer: Consumer) -> list[str]:
    try:
        present = (await jetstream.consumer_info(consumer.stream, consumer.name)).config
    except nats.js.errors.NotFoundError:
        await jetstream.add_consumer(consumer.stream, _consumer_config(consumer))
        return [f"consumer {consumer.name}: created"]
    differences = _consumer_differences(consumer, present)
    if differences:
        await jetstream.add_consumer(consumer.stream, _consumer_config(consumer))
    return [f"consumer {consumer.name}: {difference}, changed" for difference in differences]


async def _apply_bucket(jetstream: JetStreamContext, bucket: Bucket, replicas: int) -> list[str]:
    try:
        await jetstream.key_value(bucket.name)
    except nats.js.errors.NotFoundError:
        await jetstream.create_key_value(_bucket_config(bucket, replicas))
        return [f"bucket {bucket.name}: created"]
    return []


def _stream_config(stream: Stream, replicas: int) -> StreamConfig:
    return StreamConfig(
        name=stream.name,
        description=stream.description,
        subjects=list(stream.subjects),
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        discard=DiscardPolicy.OLD,
        max_age=stream.max_age_s,
        max_bytes=stream.max_bytes,
        duplicate_window=stream.dedupe_window_s,
        num_replicas=replicas,
        allow_direct=True,
    )


def _consumer_config(consumer: Consumer) -> ConsumerConfig:
    single = len(consumer.filter_subjects) == 1
    return ConsumerConfig(
        durable_name=consumer.name,
        description=consumer.description,
        deliver_policy=DeliverPolicy.ALL,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=consumer.ack_wait_s,
        max_deliver=consumer.max_deliver,
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
    )


def _consumer_differences(consumer: Consumer, present: ConsumerConfig) -> list[str]:
    present_filter = present.filter_subjects or ([present.filter_subject] if present.filter_subject else [])
    return _differences(
        ("filter", sorted(consumer.filter_subjects), sorted(present_filter)),
        ("ack_wait", consumer.ack_wait_s, present.ack_wait),
        ("max_deliver", consumer.max_deliver, present.max_deliver),
        ("max_ack_pending", consumer.max_ack_pending, present.max_ack_pending),
    )


def _differences(*rows: tuple[str, Any, Any]) -> list[str]:
    return [f"{name} is {present!r}, should be {wanted!r}" for name, wanted, present in rows if wanted != present]
