import asyncio
import contextlib
from itertools import count

import pytest
from nats.js.api import KeyValueConfig

from datalab.errors import PostponedError, TransientError
from datalab.platform.bus.leases import LeaseKeeper
from datalab.platform.tasks import end_tasks
from operation_runner.execution.leases import ResultLeases
from support.servers import nats_connection
from support.waiting import until

KEY = "ab" * 32
#: A lease that ends within the test, and one that does not end however busy the machine is.
SHORT_S, LONG_S = 2.0, 600.0


@pytest.fixture
async def make_bucket(nats_server, settings_environment):
    async with nats_connection(nats_server.settings) as connection:
        yield lambda ttl_s: connection.jetstream().create_key_value(KeyValueConfig(bucket="leases", ttl=ttl_s))


@pytest.fixture
async def keeper(make_bucket):
    """Keeps leases that end if they are renewed or given up, but not because time passes."""
    return await keeper_of(await make_bucket(LONG_S), ttl_s=LONG_S)


@pytest.fixture
async def short_bucket(make_bucket):
    return await make_bucket(SHORT_S)


@pytest.fixture
async def short_keeper(short_bucket):
    return await keeper_of(short_bucket, ttl_s=SHORT_S)


async def keeper_of(bucket, *, ttl_s, **settings):
    async def opened():
        return bucket

    keeper = LeaseKeeper(opened, ttl_s=ttl_s, **settings)
    await keeper.start()
    return ResultLeases(keeper)


@contextlib.asynccontextmanager
async def held_at_last(keeper):
    """Hold the key as soon as it can be had: the bus brings such work back until then."""
    async with contextlib.AsyncExitStack() as stack:
        while True:
            try:
                lease = await stack.enter_async_context(keeper.hold(KEY))
                break
            except PostponedError:
                await asyncio.sleep(0.05)
        yield lease


async def test_nobody_waits_for_a_key_in_other_hands_and_who_comes_later_learns_that_it_is_done(keeper):
    async with keeper.hold(KEY) as lease:
        assert lease is not None
        for _ in range(2):
            with pytest.raises(PostponedError, match="is being computed for another operation"):
                await keeper.hold(KEY).__aenter__()
    async with keeper.hold(KEY) as nothing_left:
        assert nothing_left is None


async def test_different_keys_do_not_wait_for_each_other(keeper):
    async with keeper.hold(KEY) as one, keeper.hold("cd" * 32) as other:
        assert one is not None
        assert other is not None


async def test_a_failure_lets_the_next_one_try_at_once(keeper):
    with pytest.raises(ZeroDivisionError):
        async with keeper.hold(KEY):
            raise ZeroDivisionError
    async with keeper.hold(KEY) as lease:
        assert lease is not None


async def test_being_cancelled_lets_the_next_one_try_at_once(keeper):
    held = asyncio.Event()

    async def work():
        async with keeper.hold(KEY):
            held.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await held.wait()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    async with keeper.hold(KEY) as lease:
        assert lease is not None


async def test_a_living_holder_keeps_its_lease_beyond_the_time_to_live(short_bucket, short_keeper):
    async with short_keeper.hold(KEY) as lease:
        waiting = asyncio.create_task(held_at_last(short_keeper).__aenter__())
        first = (await short_bucket.get(KEY)).revision
        seen = {first}

        async def renewed_for_longer_than_it_lives():  # it is renewed four times in that time
            seen.add((await short_bucket.get(KEY)).revision)
            return len(seen) > 5

        await until(renewed_for_longer_than_it_lives)
        assert not waiting.done()
        await lease.confirm()
        await end_tasks(waiting)


async def test_the_key_of_a_holder_that_vanished_is_free_after_its_time_to_live(short_bucket, short_keeper):
    await short_bucket.create(KEY, b"computing")  # by a runner that was killed
    with pytest.raises(PostponedError):
        await short_keeper.hold(KEY).__aenter__()
    async with held_at_last(short_keeper) as lease:
        assert lease is not None
        await lease.confirm()


async def test_a_holder_that_lost_its_lease_cannot_confirm_it(short_bucket, short_keeper):
    stalled = await keeper_of(short_bucket, ttl_s=LONG_S, clock=count(step=300).__next__)  # its renewals come too late
    async with stalled.hold(KEY) as lost, held_at_last(short_keeper) as lease:
        assert lease is not None
        with pytest.raises(TransientError, match="somebody else has taken over"):
            await lost.confirm()
        await lease.confirm()


async def test_a_lease_taken_a_moment_ago_is_confirmed_without_asking(make_bucket):
    seconds = [0.0]
    bucket = await make_bucket(LONG_S)
    keeper = await keeper_of(bucket, ttl_s=LONG_S, clock=lambda: seconds[0])
    async with keeper.hold(KEY) as lease:
        taken = await bucket.get(KEY)
        seconds[0] = LONG_S / 4 - 1
        await lease.confirm()
        assert (await bucket.get(KEY)).revision == taken.revision
        seconds[0] = LONG_S / 4 + 1  # it may have been paused, and somebody else have the key
        await lease.confirm()
        assert (await bucket.get(KEY)).revision > taken.revision


async def test_word_that_a_key_is_done_is_not_left_by_who_lost_it(short_bucket, short_keeper):
    stalled = await keeper_of(short_bucket, ttl_s=LONG_S)
    async with contextlib.AsyncExitStack() as late:
        async with stalled.hold(KEY):
            lease = await late.enter_async_context(held_at_last(short_keeper))
        assert (await short_bucket.get(KEY)).value == b"held"
        await lease.confirm()


async def test_a_bucket_that_is_gone_is_the_worlds_fault(nats_server, keeper):
    async with nats_connection(nats_server.settings) as connection:
        await connection.jetstream().delete_key_value("leases")
    with pytest.raises(TransientError):
        async with keeper.hold(KEY):
            pytest.fail("a lease was granted")
