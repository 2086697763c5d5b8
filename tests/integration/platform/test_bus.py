import asyncio
import contextlib

import pytest

from datalab.errors import UNKNOWN_ERROR_MESSAGE, AwaitedError, OutageError, PostponedError, TransientError, UsageError
from datalab.events.operations import FailureKind, Lane, OperationRequested, OperationStarted
from datalab.events.topology import CANCELLATIONS, DEAD, REPORTS, RUNNERS, WORK
from datalab.platform.bus.connection import Bus
from datalab.platform.bus.consuming import Subscription, UnreadableMessageError
from datalab.platform.bus.topology import apply_topology
from datalab.platform.metrics import BusMetrics, create_registry
from datalab.platform.settings import NatsSettings
from support.waiting import PATIENCE_S, until

#: As declared, but quicker.
CONSUMER = RUNNERS[Lane.FAST].model_copy(update={"retry_base_s": 0.05, "max_tries": 3})


def requested(number=1):
    return OperationRequested(
        operation_id=number, attempt=1, session_id=1, operation="Toy", lane=Lane.FAST, parameters={}, input_files=()
    )


class Handler:
    """Does what each delivery of a message is told to do, and remembers everything."""

    def __init__(self, *script):
        self.script = list(script)
        self.handled = []
        self.failures = []
        self.failure_script = []
        self.entered = asyncio.Event()
        self.running = 0
        self.most_running = 0

    async def handle(self, content):
        self.handled.append(content)
        self.entered.set()
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            action = self.script.pop(0) if self.script else None
            if isinstance(action, Exception):
                raise action
            if action is not None:
                await action
        finally:
            self.running -= 1

    async def fail(self, content, failure):
        self.failures.append((content.operation_id, failure.kind, failure.message))
        if self.failure_script:
            raise self.failure_script.pop(0)


@pytest.fixture
def registry():
    return create_registry()


@contextlib.asynccontextmanager
async def connected(registry=None, **options):
    metrics = BusMetrics(registry or create_registry())
    bus = Bus(settings=NatsSettings(), service="test", metrics=metrics, **options)
    await bus.connect()
    try:
        yield bus
    finally:
        await bus.close()


@pytest.fixture
async def bus(settings_environment, registry):
    async with connected(registry) as bus:
        await apply_topology(bus.jetstream)
        yield bus


async def consume(bus, handler, **changes):
    subscription = Subscription(
        **{
            "consumer": CONSUMER,
            "decode": lambda _, body: OperationRequested.decode(body),
            "handle": handler.handle,
            "on_failure": handler.fail,
        }
        | changes
    )
    bus.subscribe(subscription)
    await bus.start()


async def settled(bus, consumer=CONSUMER):
    """Wait until the server has nothing to deliver and awaits no acknowledgement."""

    async def is_settled():
        info = await bus.jetstream.consumer_info(consumer.stream, consumer.name)
        return not info.num_pending and not info.num_ack_pending and info.delivered.stream_seq

    await until(is_settled)


async def publish_at_last(bus, event):
    """Publish as soon as the server is there again."""

    async def published():
        try:
            await bus.publish(event)
        except TransientError:
            return False
        return True

    await until(published)


async def with_ack_wait(bus, seconds):
    """Have the server wait otherwise for a sign of life; return the consumer."""
    config = (await bus.jetstream.consumer_info(CONSUMER.stream, CONSUMER.name)).config
    config.ack_wait = seconds
    await bus.jetstream.add_consumer(CONSUMER.stream, config)
    return CONSUMER.model_copy(update={"ack_wait_s": seconds})


async def dead_letters(bus):
    return [letter async for letter in bus.replay(DEAD, after=0, filter_subjects=DEAD.subjects)]


async def test_a_handled_message_is_acknowledged(bus):
    handler = Handler()
    await consume(bus, handler)
    event = requested()
    await bus.publish(event)
    await settled(bus)
    assert handler.handled == [event]
    assert handler.failures == []


async def test_a_mistake_of_the_user_is_reported_once_and_not_tried_again(bus):
    handler = Handler(UsageError("That cannot work."))
    await consume(bus, handler)
    await bus.publish(requested())
    await settled(bus)
    assert len(handler.handled) == 1
    assert handler.failures == [(1, FailureKind.USAGE, "That cannot work.")]
    assert await dead_letters(bus) == []


async def test_what_the_world_broke_is_tried_again_later(bus):
    loop = asyncio.get_running_loop()
    times = []

    class Timed(Handler):
        async def handle(self, content):
            times.append(loop.time())
            await super().handle(content)

    handler = Timed(TransientError("away"), TransientError("away"))
    await consume(bus, handler)
    await bus.publish(requested())
    await until(lambda: len(times) == 3)
    await settled(bus)
    assert handler.failures == []
    assert times[1] - times[0] >= 0.05
    assert times[2] - times[1] >= 0.1


async def test_after_the_last_delivery_the_failure_is_reported(bus):
    handler = Handler(*[TransientError("away")] * 5)
    await consume(bus, handler)
    await bus.publish(requested())
    await until(lambda: handler.failures)
    await settled(bus)
    assert len(handler.handled) == CONSUMER.max_tries
    assert handler.failures == [(1, FailureKind.TRANSIENT, "away")]


async def test_what_its_sender_promised_is_awaited_a_few_times_then_refused_and_calls_no_operator(bus, registry):
    handler = Handler(*[AwaitedError("there is no such file")] * 20)
    consumer = CONSUMER.model_copy(update={"max_tries": 20, "retry_base_s": 0.001})
    await consume(bus, handler, consumer=consumer, keep_failed=True)
    await bus.publish(requested())
    await until(lambda: handler.failures)
    await settled(bus)
    assert len(handler.handled) == 6
    assert handler.failures == [(1, FailureKind.TRANSIENT, "there is no such file")]
    counted = {
        name: registry.get_sample_value(f"datalab_bus_{name}_total", {"consumer": consumer.name})
        for name in ("refusals", "dead_letters")
    }
    assert counted == {"refusals": 1, "dead_letters": 0}


async def test_an_outage_lasts_longer_than_the_tries_there_are_and_is_told(bus):
    outage = OutageError("the object store does not answer")
    handler = Handler(*[outage] * (CONSUMER.max_tries + 3))
    told = []

    async def tell(content, reason):
        told.append((content.operation_id, reason))

    await consume(bus, handler, consumer=CONSUMER.model_copy(update={"retry_base_s": 0.001}), on_outage=tell)
    await bus.publish(requested())
    await settled(bus)
    assert len(handler.handled) == CONSUMER.max_tries + 4
    assert handler.failures == []
    assert told == [(1, outage.message)] * (CONSUMER.max_tries + 3)


async def test_an_outage_that_cannot_be_told_is_one_all_the_same(bus):
    handler = Handler(OutageError("the bus does not answer"))

    async def tell(content, reason):
        raise OutageError(reason)

    await consume(bus, handler, on_outage=tell)
    await bus.publish(requested())
    await settled(bus)
    assert (len(handler.handled), handler.failures) == (2, [])


async def test_what_was_put_off_was_not_tried(bus):
    later = PostponedError("somebody else is at it")
    handler = Handler(later, TransientError("1"), later, TransientError("2"), later, TransientError("3"))
    await consume(bus, handler)
    await bus.publish(requested())
    await settled(bus)
    assert len(handler.handled) == 6
    assert handler.failures == [(1, FailureKind.TRANSIENT, "3")]


async def test_what_ends_its_process_every_time_ends_with_the_tries(bus):
    """Each delivery that nobody settles is a try; those handed back by a process that was stopped are none."""
    puller = await bus.jetstream.pull_subscribe_bind(consumer=CONSUMER.name, stream=CONSUMER.stream)
    await bus.publish(requested())
    for _ in range(CONSUMER.max_tries):
        (message,) = await puller.fetch(1, timeout=PATIENCE_S)
        await message.nak()  # as the server has it when a consumer was killed
    await puller.unsubscribe()
    handler = Handler()
    await consume(bus, handler)
    await settled(bus)
    assert handler.handled == []
    ((number, kind, message),) = handler.failures
    assert (number, kind) == (1, FailureKind.TRANSIENT)
    assert "was ended every time" in message
    (letter,) = await dead_letters(bus)
    assert letter.subject == "datalab.dead.runner-fast"


async def test_a_bug_is_reported_without_internals(bus):
    handler = Handler(ZeroDivisionError("secret internals"))
    await consume(bus, handler)
    await bus.publish(requested())
    await settled(bus)
    assert handler.failures == [(1, FailureKind.FATAL, UNKNOWN_ERROR_MESSAGE)]


async def test_a_failure_that_cannot_be_reported_is_tried_again(bus):
    handler = Handler(UsageError("no"), UsageError("no"))
    handler.failure_script = [TransientError("away")]
    await consume(bus, handler)
    await bus.publish(requested())
    await until(lambda: len(handler.failures) == 2)
    await settled(bus)
    assert len(handler.handled) == 2


async def test_a_failure_nobody_is_told_becomes_a_dead_letter(bus):
    handler = Handler(UsageError("That cannot work\nat all: é"))
    await consume(bus, handler, on_failure=None)
    event = requested()
    await bus.publish(event)
    await settled(bus)
    (letter,) = await dead_letters(bus)
    assert letter.body == event.encode()
    raw = await bus.jetstream.get_msg(DEAD.name, letter.sequence)
    assert raw.headers["Datalab-Reason"] == "usage: That cannot work at all: ?"
    assert raw.headers["Datalab-Subject"] == event.subject
    assert (raw.headers["Datalab-Stream"], raw.headers["Datalab-Sequence"]) == (WORK.name, "1")


@pytest.mark.parametrize(
    ("error", "counted"), [(UsageError("No FITS file."), "refusals"), (RuntimeError("a bug"), "dead_letters")]
)
async def test_what_the_sender_did_wrong_is_counted_apart_from_what_an_operator_has_to_look_at(
    bus, registry, error, counted
):
    def counts():
        labels = {"consumer": CONSUMER.name}
        return {
            name: registry.get_sample_value(f"datalab_bus_{name}_total", labels)
            for name in ("refusals", "dead_letters")
        }

    handler = Handler(error)
    await consume(bus, handler, keep_failed=True)
    assert counts() == {"refusals": 0.0, "dead_letters": 0.0}
    await bus.publish(requested())
    await settled(bus)
    assert len(await dead_letters(bus)) == 1  # both are kept
    assert counts() == {"refusals": 0.0, "dead_letters": 0.0} | {counted: 1.0}


@pytest.mark.parametrize("decode", [None, UnreadableMessageError("none of ours"), OverflowError("nobody foresaw")])
async def test_an_unreadable_message_is_kept_and_ends_there(bus, decode):
    handler = Handler()

    def refuse(subject, body):
        raise decode

    await consume(bus, handler, **({} if decode is None else {"decode": refuse}))
    await bus.publish_encoded(subject=requested().subject, body=b"no JSON", event_id="x")
    await settled(bus)
    assert handler.handled == []
    (letter,) = await dead_letters(bus)
    assert letter.body == b"no JSON"


async def test_a_validation_error_of_the_handlers_own_is_a_bug_not_an_unreadable_message(bus):
    async def handle(_):
        OperationRequested.decode(b"{}")

    handler = Handler()
    await consume(bus, handler, handle=handle)
    await bus.publish(requested())
    await settled(bus)
    assert handler.failures == [(1, FailureKind.FATAL, UNKNOWN_ERROR_MESSAGE)]
    assert await dead_letters(bus) == []


async def test_exactly_so_many_messages_are_in_hand_at_once(bus):
    release = asyncio.Event()
    handler = Handler(*(release.wait() for _ in range(3)))
    await consume(bus, handler, concurrency=3)
    for number in range(1, 8):
        await bus.publish(requested(number))
    await until(lambda: handler.running == 3)
    info = await bus.jetstream.consumer_info(CONSUMER.stream, CONSUMER.name)
    assert (info.num_ack_pending, info.num_pending) == (3, 4)  # nothing is fetched ahead
    release.set()
    await settled(bus)
    assert sorted(event.operation_id for event in handler.handled) == list(range(1, 8))
    assert handler.most_running == 3


async def test_a_message_in_hand_longer_than_the_ack_wait_is_not_delivered_again(bus):
    """A heartbeat every third of the 1.5 s the server waits for a sign of life."""
    quick = await with_ack_wait(bus, 1.5)
    handler = Handler(asyncio.sleep(4.0))
    await consume(bus, handler, consumer=quick, concurrency=2)
    await bus.publish(requested())
    await handler.entered.wait()
    await settled(bus)
    assert len(handler.handled) == 1


async def test_stopping_hands_a_message_back_at_once(settings_environment):
    async with connected() as other:
        await apply_topology(other.jetstream)
        handler = Handler(asyncio.sleep(60))
        async with connected(graceful_timeout_s=0.2) as bus:
            await consume(bus, handler, consumer=await with_ack_wait(other, 600.0))  # or it would come by itself
            await other.publish(requested())
            await handler.entered.wait()
        assert handler.running == 0
        successor = Handler()
        await consume(other, successor)
        await until(lambda: successor.handled)
        assert handler.failures == []


async def test_a_handler_told_to_stop_may_still_use_the_bus(settings_environment):
    async with connected() as other:
        await apply_topology(other.jetstream)
        entered, cleaned_up = asyncio.Event(), asyncio.Event()

        async def handle(_):
            entered.set()
            try:
                await asyncio.sleep(60)
            finally:
                for number in (1, 2):
                    await bus.publish(started(number))
                cleaned_up.set()

        handler = Handler()
        async with connected(graceful_timeout_s=0.2) as bus:
            await consume(bus, handler, handle=handle)
            await other.publish(requested())
            await entered.wait()
        assert cleaned_up.is_set()
        assert (await other.stream_position(REPORTS)).last == 2


async def test_who_has_stopped_consuming_still_publishes(settings_environment):
    async with connected() as other, connected(graceful_timeout_s=10) as bus:
        await apply_topology(other.jetstream)
        handler = Handler(asyncio.sleep(0.5))
        await consume(bus, handler)
        await other.publish(requested(1))
        await handler.entered.wait()
        await bus.stop_consuming()
        assert handler.running == 0
        await settled(other)
        await other.publish(requested(2))
        await bus.publish(started(1))
        assert [event.operation_id for event in handler.handled] == [1]
        assert (await other.stream_position(REPORTS)).last == 1


async def test_nobody_outside_can_have_a_reply_sent(bus):
    handler = Handler()
    await consume(bus, handler)
    message = requested()
    await bus.jetstream.publish(message.subject, message.encode(), headers={"reply_to": started(1).subject})
    await settled(bus)
    assert (await bus.stream_position(REPORTS)).last == 0


async def test_stopping_lets_a_message_in_hand_finish(settings_environment):
    async with connected() as other:
        await apply_topology(other.jetstream)
        handler = Handler(asyncio.sleep(0.5))
        async with connected(graceful_timeout_s=10) as bus:
            await consume(bus, handler)
            await other.publish(requested())
            await handler.entered.wait()
        await settled(other)
        assert len(handler.handled) == 1


async def test_a_repeated_event_is_stored_once(bus, registry):
    event = requested()
    for _ in range(3):
        await bus.publish(event)
    assert (await bus.stream_position(WORK)).last == 1
    published = registry.get_sample_value("datalab_bus_publishes_total", {"stream": WORK.name, "duplicate": "true"})
    assert published == 2


async def test_publishing_without_its_stream_is_an_error(settings_environment):
    async with connected() as bus:
        with pytest.raises(TransientError, match=r"publishing on datalab.operation.requested.v1.fast failed"):
            await bus.publish(requested())


async def test_a_bus_that_does_not_answer_is_said_to(settings_environment, monkeypatch):
    monkeypatch.setenv("DATALAB_NATS_URL", "nats://127.0.0.1:1")
    bus = Bus(settings=NatsSettings(), service="test", metrics=BusMetrics(create_registry()))
    with pytest.raises(TransientError, match="the bus does not answer"):
        await bus.connect()
    await bus.close()


async def test_the_check_misses_a_consumer_that_was_deleted(bus):
    await consume(bus, Handler())
    await bus.check()
    await bus.jetstream.delete_consumer(CONSUMER.stream, CONSUMER.name)
    with pytest.raises(TransientError, match="consumer runner-fast is missing"):
        await bus.check()


# --- reading streams --------------------------------------------------------------------------------------------------


def started(number):
    return OperationStarted(operation_id=number, attempt=1)


async def test_a_replay_gives_what_is_stored_in_order_and_ends(bus):
    assert [m async for m in bus.replay(REPORTS, after=0, filter_subjects=REPORTS.subjects)] == []
    events = [started(number) for number in range(1, 301)]
    for event in events:
        await bus.publish(event)
    replayed = [m async for m in bus.replay(REPORTS, after=0, filter_subjects=REPORTS.subjects)]
    assert [message.sequence for message in replayed] == list(range(1, 301))
    assert [message.body for message in replayed] == [event.encode() for event in events]
    late = [m.sequence async for m in bus.replay(REPORTS, after=297, filter_subjects=REPORTS.subjects)]
    assert late == [298, 299, 300]
    info = await bus.jetstream.stream_info(REPORTS.name)
    assert info.state.consumer_count == 1  # the projector; none is left by the replays


async def test_a_follower_goes_on_across_a_restart_of_the_server(bus, nats_server):
    seen = []

    async def take(message):
        seen.append(message.sequence)

    follower = bus.follow(REPORTS, after=0, on_message=take)
    await follower.start()
    await bus.publish(started(1))
    await until(lambda: seen == [1])
    await nats_server.restart()
    for number in range(2, 6):
        await publish_at_last(bus, started(number))
    await until(lambda: seen == [1, 2, 3, 4, 5], within_s=15)  # left alone the library takes up to 20 s
    await follower.stop()
    await bus.publish(started(6))
    await asyncio.sleep(0.1)
    assert seen == [1, 2, 3, 4, 5]


async def test_a_handler_that_was_waiting_for_the_server_goes_on_after_its_restart(bus, nats_server):
    handler = Handler()
    await consume(bus, handler)
    await nats_server.restart()
    await publish_at_last(bus, requested())
    await until(lambda: handler.handled)


async def test_a_stored_message_is_found_until_it_is_gone(bus):
    await bus.publish(started(1))
    message = await bus.stored_message(REPORTS.name, 1)
    assert message.subject == "datalab.operation.started.v1"
    assert await bus.stored_message(REPORTS.name, 2) is None


async def test_another_epoch_is_another_stream(bus):
    before = await bus.stream_position(CANCELLATIONS)
    assert (before.first, before.last) == (0, 0)
    await bus.jetstream.delete_stream(CANCELLATIONS.name)
    await asyncio.sleep(0.01)
    await apply_topology(bus.jetstream)
    assert (await bus.stream_position(CANCELLATIONS)).epoch != before.epoch
