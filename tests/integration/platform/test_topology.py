import pytest
from nats.js.api import ConsumerConfig, StreamConfig

from datalab.events.topology import BUCKETS, CONSUMERS, FILE_INGEST, FILES, PROJECTOR, STREAMS, WORK
from datalab.platform.bus.topology import TopologyMismatchError, apply_topology, check_topology
from support.servers import nats_connection


@pytest.fixture
async def jetstream(nats_server, settings_environment):
    async with nats_connection(nats_server.settings) as connection:
        yield connection.jetstream()


async def test_an_empty_server_lacks_everything_and_is_filled(jetstream):
    with pytest.raises(TopologyMismatchError, match="run `datalab topology apply`") as raised:
        await check_topology(jetstream)
    for declared in (*STREAMS, *CONSUMERS, *BUCKETS):
        assert f"{declared.name} is missing" in raised.value.message
    changes = await apply_topology(jetstream)
    assert len(changes) == len(STREAMS) + len(CONSUMERS) + len(BUCKETS)
    await check_topology(jetstream)


async def test_applying_again_changes_nothing(jetstream):
    await apply_topology(jetstream)
    assert await apply_topology(jetstream) == []


async def test_what_differs_is_named_and_mended_in_place(jetstream):
    await apply_topology(jetstream)
    await jetstream.publish(WORK.subjects[0].replace("*", "fast"), b"kept")
    await jetstream.update_stream(
        StreamConfig(name=WORK.name, subjects=list(WORK.subjects), max_age=60.0, max_bytes=10_000_000)
    )
    await jetstream.add_consumer(
        PROJECTOR.stream,
        ConsumerConfig(durable_name=PROJECTOR.name, ack_wait=99, max_deliver=2, filter_subject=">"),
    )
    with pytest.raises(TopologyMismatchError) as raised:
        await check_topology(jetstream)
    assert "stream WORK: max_age is 60.0, should be 1209600.0" in raised.value.message
    assert "consumer projector: ack_wait is 99" in raised.value.message
    changes = await apply_topology(jetstream)
    assert any(line.startswith("stream WORK: max_age") for line in changes)
    assert any(line.startswith("consumer projector: max_deliver") for line in changes)
    await check_topology(jetstream)
    assert (await jetstream.stream_info(WORK.name)).state.messages == 1


async def test_what_the_server_has_beyond_is_left_alone(jetstream):
    await jetstream.add_stream(StreamConfig(name="THEIRS", subjects=["theirs.>"]))
    await apply_topology(jetstream)
    await check_topology(jetstream)
    assert (await jetstream.stream_info("THEIRS")).config.subjects == ["theirs.>"]


async def test_a_stream_of_announcements_from_before_becomes_a_backlog_that_keeps_what_waits(jetstream):
    await jetstream.add_stream(
        StreamConfig(name=FILES.name, subjects=list(FILES.subjects), max_age=FILES.max_age_s, max_bytes=FILES.max_bytes)
    )
    await jetstream.add_consumer(
        FILES.name, ConsumerConfig(durable_name=FILE_INGEST.name, ack_policy="explicit", filter_subjects=FILES.subjects)
    )
    await jetstream.publish("observatory.tst.image.new", b"waits")
    changes = await apply_topology(jetstream)
    assert {"stream FILES: retention is 'limits', should be 'interest', changed"} <= set(changes)
    await check_topology(jetstream)
    assert (await jetstream.get_msg(FILES.name, 1)).data == b"waits"
