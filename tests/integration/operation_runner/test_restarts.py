"""Runners as processes of their own, told to stop, killed, and replaced."""

import signal

import pytest
from nats.js.api import ConsumerConfig

from datalab.events.object_keys import manifest_key
from datalab.events.topology import LEASES, RUNNERS, WORK
from support.runner import chosen, pids_in, process_exists, stars
from support.runner_service import RunnerProcess, world
from support.waiting import until

SLOW = RUNNERS["slow"]


@pytest.fixture
async def lab(settings_environment):
    async with world() as made:
        yield made


@pytest.fixture
async def start_runner(lab, tmp_path):
    """Return a function that starts a runner and waits until it is ready."""
    started = []

    async def start(**environment):
        runner = RunnerProcess(tmp_path / f"runner-{len(started)}", **environment)
        started.append(runner)
        await runner.ready()
        return runner

    yield start
    for runner in started:
        runner.close()


async def set_ack_wait(lab, seconds):
    await lab.bus.jetstream.add_consumer(
        WORK.name,
        ConsumerConfig(
            durable_name=SLOW.name,
            ack_wait=seconds,
            max_ack_pending=SLOW.max_ack_pending,
            filter_subject=SLOW.filter_subjects[0],
        ),
    )


async def test_told_to_stop_a_runner_hands_its_work_back_and_another_one_finishes(lab, start_runner, tmp_path):
    pid_file = tmp_path / "pids"
    first = await start_runner(DATALAB_SHUTDOWN_GRACE_S="0.3")
    operation_id = await lab.request("Sleep", {"seconds": 2.5, "pid_file": str(pid_file)})
    await until(lambda: pids_in(pid_file))
    first.send(signal.SIGTERM)
    assert await first.ended() == -signal.SIGTERM, first.log  # what uvicorn does once all is shut down
    assert not process_exists(pids_in(pid_file)[0])
    second = await start_runner()
    # Sooner than the 15 s after which the message, or the 20 s after which the lease would have come free by itself.
    await until(lambda: len(pids_in(pid_file)) == 2, within_s=12)
    outcome = await lab.outcome(operation_id)
    assert outcome.type == "operation.succeeded.v1", second.log
    assert len(lab.of(operation_id, "started")) == 1  # the second one's was the same event
    assert "Traceback" not in first.log


async def test_told_to_stop_a_runner_finishes_what_it_can(lab, start_runner, tmp_path):
    runner = await start_runner()
    operation_id = await lab.request("Sleep", {"seconds": 1.0, "pid_file": str(tmp_path / "pids")})
    await until(lambda: pids_in(tmp_path / "pids"))
    runner.send(signal.SIGTERM)
    assert await runner.ended() == -signal.SIGTERM, runner.log
    assert (await lab.outcome(operation_id)).type == "operation.succeeded.v1"
    info = await lab.bus.jetstream.consumer_info(WORK.name, SLOW.name)
    assert (info.num_ack_pending, info.num_pending) == (0, 0)


async def test_the_work_of_a_killed_runner_is_done_once_by_another_one(lab, start_runner, tmp_path):
    pid_file = tmp_path / "pids"
    first = await start_runner()
    operation_id = await lab.request("Sleep", {"seconds": 1.5, "pid_file": str(pid_file)})
    await until(lambda: pids_in(pid_file))
    first.send(signal.SIGKILL)
    await first.ended()
    await until(lambda: not process_exists(pids_in(pid_file)[0]))
    second = await start_runner()
    # What takes 15 and 20 s by itself: the message is given up, and the lease expires.
    leases = await lab.bus.key_value(LEASES)
    for key in await leases.keys():
        await leases.purge(key)
    await set_ack_wait(lab, 1)
    await until(lambda: len(pids_in(pid_file)) == 2)
    await set_ack_wait(lab, SLOW.ack_wait_s)
    outcome = await lab.outcome(operation_id)
    assert outcome.type == "operation.succeeded.v1", second.log
    assert not outcome.reused
    assert len(lab.of(operation_id, "succeeded")) == 1


async def test_a_result_whose_manifest_is_missing_is_made_again_byte_for_byte(lab, start_runner, tmp_path):
    files = [await lab.store(tmp_path / f"{n}.fits", stars(40, 50, seed=n).astype("u2")) for n in range(2)]
    results, contents = [], []
    for _ in range(2):
        runner = await start_runner()
        outcome = await lab.outcome(await lab.request("Median", {"input_files": chosen(files)}, files))
        assert not outcome.reused
        results.append(outcome.result)
        contents.append(
            [{role: file.sha256 for role, file in output.files.items()} for output in outcome.result.output_files]
        )
        await lab.objects.delete(manifest_key(outcome.result.result_key))
        runner.send(signal.SIGTERM)
        await runner.ended()
        leases = await lab.bus.key_value(LEASES)
        await leases.purge(outcome.result.result_key)  # the word that it is done
    assert contents[0] == contents[1]
    assert results[0] != results[1]  # each has files of its own


async def test_a_runner_that_cannot_start_says_why(settings_environment, tmp_path):
    runner = RunnerProcess(tmp_path / "runner", DATALAB_OPERATION_PACKAGES='["no_such_package"]')
    try:
        assert await runner.ended() != 0
        assert "no_such_package cannot be imported" in runner.log
    finally:
        runner.close()
