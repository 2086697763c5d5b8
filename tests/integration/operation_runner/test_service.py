import asyncio
import contextlib
import hashlib
import itertools
import json
import re

import nats.js.errors
import numpy as np
import pytest
from astropy.io import fits

from datalab.events.offers import OperationDescribed
from datalab.events.operations import FailureKind, Lane
from datalab.events.topology import OPERATION_OFFERS, RUNNERS, WORK
from support.runner import chosen, pids_in, process_exists, stars
from support.runner_service import runner_here, world
from support.waiting import until


@pytest.fixture(scope="module")
async def lab(module_settings_environment, lean_processes):
    async with world() as made:
        yield made


@pytest.fixture(scope="module")
async def runner(lab, tmp_path_factory):
    async with runner_here(tmp_path_factory.mktemp("runner"), slow_slots=3, operation_time_limit_s=30) as app:
        yield app


async def stored(lab, key):
    return await lab.objects.get_bytes(key, max_bytes=10**8)


async def two_frames(lab, tmp_path, seed, **options):
    files = [
        await lab.store(tmp_path / f"{name}{seed}.fits", stars(40, 50, seed=seed + n).astype("u2"), **options)
        for n, name in enumerate("ab")
    ]
    return files, {"input_files": chosen(files)}


async def test_the_catalogue_offers_every_operation(lab, runner):
    bucket = await lab.bus.key_value(OPERATION_OFFERS)

    async def offered():
        with contextlib.suppress(nats.js.errors.NoKeysError):  # as nats-py says when the server is slow to answer, too
            return sorted(await bucket.keys())

    assert await until(offered) == ["Median", "Misbehave", "Sleep", "Take_Memory"]
    median = OperationDescribed.decode((await bucket.get("Median")).value)
    assert median.lane is Lane.SLOW
    assert median.parameters_schema["required"] == ["input_files"]


async def test_a_request_becomes_a_stored_result(lab, runner, tmp_path):
    files, parameters = await two_frames(lab, tmp_path, 100, compression="RICE_1")
    outcome = await lab.outcome(await lab.request("Median", parameters, files, correlation_id="corr-7"))
    assert outcome.type == "operation.succeeded.v1", outcome
    assert not outcome.reused
    assert outcome.correlation_id == "corr-7"
    (output,) = outcome.result.output_files
    key = outcome.result.result_key
    assert output.basename == f"Median-{key[:10]}"
    folder = f"results/{'/'.join(key[:3])}/{key}/"
    begin = output.files["fits"].key.removesuffix("-1.fits")
    assert re.fullmatch(f"{re.escape(folder)}{key}-[0-9a-f]{{8}}", begin)
    assert {role: file.key for role, file in output.files.items()} == {
        "fits": f"{begin}-1.fits",
        "large": f"{begin}-1-large.jpg",
        "small": f"{begin}-1-small.jpg",
    }
    for file in output.files.values():
        content = await stored(lab, file.key)
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file.size_bytes, file.sha256)
    (tmp_path / "result.fits").write_bytes(await stored(lab, output.files["fits"].key))
    with fits.open(tmp_path / "result.fits", checksum=True) as hdus:
        frames = [stars(40, 50, seed=seed).astype("u2") for seed in (100, 101)]
        np.testing.assert_array_equal(hdus["SCI"].data, np.median(frames, axis=0))
        assert hdus[0].header["DLAB_KEY"] == key
    manifest = json.loads(await stored(lab, f"{folder}manifest.json"))
    assert manifest["result"] == outcome.result.model_dump(mode="json")
    assert manifest["parameters"] == parameters
    assert [file["basename"] for file in manifest["inputs"]] == ["a100", "b100"]


async def test_an_equal_request_is_answered_from_the_store(lab, runner, tmp_path):
    files, parameters = await two_frames(lab, tmp_path, 200)
    first = await lab.outcome(await lab.request("Median", parameters, files))
    parameters["input_files"].reverse()
    again = await lab.outcome(await lab.request("Median", parameters, files[::-1]))
    assert (again.result, again.reused, again.compute_s) == (first.result, True, 0.0)
    assert lab.of(again.operation_id, "started") == []


async def test_equal_requests_at_once_are_computed_once(lab, runner, tmp_path):
    async with runner_here(tmp_path / "second"):
        parameters = {"seconds": 0.5, "pid_file": str(tmp_path / "pids")}
        ids = [await lab.request("Sleep", parameters) for _ in range(4)]
        outcomes = [await lab.outcome(operation_id) for operation_id in ids]
    assert len(pids_in(tmp_path / "pids")) == 1
    assert sorted(outcome.reused for outcome in outcomes) == [False, True, True, True]
    assert len({outcome.result.result_key for outcome in outcomes}) == 1


async def test_progress_is_told(lab, runner):
    operation_id = await lab.request("Sleep", {"seconds": 1.6, "salt": "progress"})
    await lab.outcome(operation_id)
    reports = lab.of(operation_id, "progressed")
    assert len(reports) >= 2  # after 0.25 s, and every second
    told_at = [report.occurred_at.timestamp() for report in reports]
    assert min(later - earlier for earlier, later in itertools.pairwise(told_at)) > 0.5
    assert lab.of(operation_id)[0].type == "operation.started.v1"
    assert 0 < reports[0].fraction < reports[1].fraction < 1
    assert reports[0].message == "sleeping"


async def test_a_running_operation_is_cancelled(lab, runner, tmp_path):
    parameters = {"seconds": 60, "pid_file": str(tmp_path / "pids")}
    operation_id = await lab.request("Sleep", parameters)
    await until(lambda: pids_in(tmp_path / "pids"))
    await lab.cancel(operation_id)
    outcome = await lab.outcome(operation_id)
    assert outcome.type == "operation.cancelled.v1"
    assert not process_exists(pids_in(tmp_path / "pids")[0])
    # Its slot works on, and nobody waits for the key it held.
    again = await lab.request("Sleep", parameters)
    await until(lambda: len(pids_in(tmp_path / "pids")) == 2)
    await lab.cancel(again)
    await lab.outcome(again)


async def test_every_slot_survives_cancellations(lab, runner, tmp_path):
    for turn in range(4):
        ids = [await lab.request("Sleep", {"seconds": 60, "salt": f"{turn}-{n}"}) for n in range(3)]
        for operation_id in ids:
            await lab.started(operation_id)
            await lab.cancel(operation_id)
        for operation_id in ids:
            assert (await lab.outcome(operation_id)).type == "operation.cancelled.v1"


async def test_an_operation_cancelled_before_it_begins_never_begins(lab, runner, tmp_path):
    operation_id = 900_001
    await lab.cancel(operation_id)
    parameters = {"seconds": 60, "pid_file": str(tmp_path / "pids")}
    await asyncio.sleep(0.2)  # the cancellation travels by another stream
    await lab.request("Sleep", parameters, operation_id=operation_id)
    assert (await lab.outcome(operation_id)).type == "operation.cancelled.v1"
    assert pids_in(tmp_path / "pids") == []


async def test_a_runner_started_later_knows_earlier_cancellations(lab, tmp_path):
    operation_id = 900_002
    await lab.cancel(operation_id)
    await lab.request("Sleep", {"seconds": 60, "salt": "late"}, operation_id=operation_id, lane=Lane.FAST)
    async with runner_here(tmp_path / "late"):
        assert (await lab.outcome(operation_id)).type == "operation.cancelled.v1"


@pytest.mark.parametrize("poison", ["damaged", "missing", "changed", "no image"])
async def test_inputs_that_cannot_work_are_named_to_the_user(lab, runner, tmp_path, poison):
    files, parameters = await two_frames(lab, tmp_path, 400 + len(poison))
    bad = files[1]
    match poison:
        case "damaged" | "no image":
            content = (await stored(lab, bad.key))[:4000] if poison == "damaged" else b"no image at all" * 1000
            bad = bad.model_copy(update={"sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content)})
            await lab.objects.put_bytes(bad.key, content, content_type="application/fits")
        case "missing":
            await lab.objects.delete(bad.key)
        case "changed":
            await lab.objects.put_bytes(bad.key, bytes(bad.size_bytes), content_type="application/fits")
    outcome = await lab.outcome(await lab.request("Median", parameters, [files[0], bad]))
    assert (outcome.type, outcome.kind) == ("operation.failed.v1", FailureKind.USAGE)
    assert bad.basename in outcome.message
    assert "/" not in outcome.message  # neither keys nor paths


async def test_a_bug_is_reported_without_internals(lab, runner):
    outcome = await lab.outcome(await lab.request("Misbehave", {"how": "bug"}, lane=Lane.FAST))
    assert outcome.kind is FailureKind.FATAL
    assert outcome.message == "An unknown error occurred, contact the developers if this persists."


async def test_an_operation_is_cancelled_between_two_tries(lab, runner, tmp_path):
    parameters = {"how": "kill", "pid_file": str(tmp_path / "pids")}
    operation_id = await lab.request("Misbehave", parameters, lane=Lane.FAST)
    await until(lambda: pids_in(tmp_path / "pids"))
    await lab.cancel(operation_id)
    assert (await lab.outcome(operation_id)).type == "operation.cancelled.v1"


async def test_an_operation_nobody_offers_waits_for_a_runner_that_does(lab, runner):
    operation_id = await lab.request("Of The Future", {}, lane=Lane.FAST)
    consumer = RUNNERS[Lane.FAST]

    async def redeliveries():
        info = await lab.bus.jetstream.consumer_info(WORK.name, consumer.name)
        return info.num_redelivered

    await until(redeliveries)
    await lab.cancel(operation_id)
    assert (await lab.outcome(operation_id)).type == "operation.cancelled.v1"


async def test_a_message_that_is_no_request_becomes_a_dead_letter(lab, runner):
    await lab.bus.publish_encoded(
        subject="datalab.operation.requested.v1.slow", body=b'{"operation": 1}', event_id="unreadable-1"
    )

    letters = await until(lab.dead_letters)
    assert [letter.body for letter in letters] == [b'{"operation": 1}']
    outcome = await lab.outcome(await lab.request("Sleep", {"seconds": 0, "salt": "after"}))
    assert outcome.type == "operation.succeeded.v1"
