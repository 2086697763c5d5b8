"""Archives of many files, made by runners that are killed: each is right, or is not there."""

import asyncio
import hashlib
import io
import os
import signal
import zipfile

import nats.js.errors
import pytest

from datalab.events.analysis import AnalysisAnswered
from datalab.events.archives import ArchiveList, ArchiveMember, ArchiveRequested
from datalab.events.object_keys import ZIPS, zip_keys
from datalab.events.operations import InputFile
from datalab.events.topology import LEASES
from datalab.platform.bus.requests import NoAnswerError, NobodyThereError
from support.runner_service import RunnerProcess, runner_here, world
from support.waiting import until


@pytest.fixture(scope="module")
async def lab(module_settings_environment):
    async with world() as made:
        yield made


async def listed(lab, prefix, contents):
    """Store files and the list of an archive of them; return the keys of both."""
    members = []
    for number, content in enumerate(contents):
        key = f"data/{prefix}-{number}.fits"
        await lab.objects.put_bytes(key, content, content_type="application/fits")
        file = InputFile(
            source="archive",
            basename=f"{prefix}-{number}",
            key=key,
            sha256=hashlib.sha256(content).hexdigest(),
            size_bytes=len(content),
        )
        members.append(ArchiveMember(name=f"{prefix}-{number}.fits", file=file))
    keys = zip_keys((member.name, member.file.sha256) for member in members)
    await lab.objects.put_bytes(
        keys[1], ArchiveList(members=tuple(members)).model_dump_json().encode(), content_type="application/json"
    )
    return keys


async def ask(lab, keys, *, within_s=30.0):
    request = ArchiveRequested(key=keys[0], list_key=keys[1], answer_within_s=within_s)
    return AnalysisAnswered.decode((await lab.bus.ask(request, within_s=within_s, max_bytes=0)).head)


async def unzipped(lab, key):
    data = await lab.objects.get_bytes(key, max_bytes=10**9)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


async def test_thousands_of_files(lab, tmp_path):
    contents = [f"file {number}".encode() * 20 for number in range(2000)]
    keys = await listed(lab, "many", contents)
    async with runner_here(tmp_path / "runner"):
        while (answer := await ask(lab, keys)).pending:
            pass
    assert answer.failure is None
    assert await unzipped(lab, keys[0]) == {f"many-{number}.fits": each for number, each in enumerate(contents)}


async def test_a_runner_that_is_killed_leaves_nothing_and_another_goes_on(lab, tmp_path):
    contents = [os.urandom(8 * 1024**2) for _ in range(30)]
    keys = await listed(lab, "large", contents)
    runner = RunnerProcess(tmp_path / "first")
    try:
        await runner.ready()
        asking = asyncio.create_task(ask(lab, keys))
        await until(lambda: lease_of(lab, keys[0]))
        runner.send(signal.SIGKILL)
        await runner.ended()
        assert await lab.objects.stat(keys[0]) is None
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    finally:
        runner.close()
    async with runner_here(tmp_path / "second"):

        async def made():
            try:
                return not (await ask(lab, keys, within_s=8.0)).pending
            except (NoAnswerError, NobodyThereError):
                return False

        await until(made)
    found = await unzipped(lab, keys[0])
    assert found == {f"large-{number}.fits": each for number, each in enumerate(contents)}
    assert {stored.key async for stored in lab.objects.list(ZIPS)} >= set(keys)


async def lease_of(lab, key):
    """Tell whether somebody holds the lease of a key."""
    bucket = await lab.bus.key_value(LEASES)
    try:
        return await bucket.get(key)
    except nats.js.errors.KeyNotFoundError:
        return None


async def test_a_list_that_is_none_and_a_file_that_is_gone_are_told(lab, tmp_path):
    keys = await listed(lab, "gone", [b"one", b"two"])
    await lab.objects.delete("data/gone-1.fits")
    await lab.objects.put_bytes(f"{ZIPS}odd.json", b'{"members": []}', content_type="application/json")
    async with runner_here(tmp_path / "runner"):
        answer = await ask(lab, keys)
        assert (answer.failure, answer.message) == ("usage", "The file gone-1.fits is no longer stored.")
        assert await lab.objects.stat(keys[0]) is None
        answer = await ask(lab, (f"{ZIPS}odd.zip", f"{ZIPS}odd.json"))
        assert answer.failure == "usage"
        assert "the list of the archive cannot be read" in answer.message
        answer = await ask(lab, (f"{ZIPS}none.zip", f"{ZIPS}none.json"))
        assert answer.failure == "usage"
