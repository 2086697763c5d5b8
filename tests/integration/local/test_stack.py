"""The servers as one stack, in a program of its own that is stopped politely or killed."""

import asyncio
import contextlib
import json
import signal
import sys

import psutil
import pytest
from pymongo import WriteConcern

from datalab.local.data_folder import DataFolder
from datalab.local.embedded import start_servers
from datalab.local.supervisor import Supervisor
from datalab.local.unit_supervisor import State
from datalab.platform.settings import MongoSettings, NatsSettings
from support import local_stack
from support.servers import mongo_client, nats_connection, read_settings
from support.stand_in import alive, stand_in
from support.waiting import PATIENCE_S, until


@contextlib.asynccontextmanager
async def stack_program(root):
    """Run `support.local_stack`; yield the process and the line it says when it is ready."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        local_stack.__file__,
        str(root),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            line = await process.stdout.readline()
            assert line, (await process.stderr.read()).decode()
        yield process, json.loads(line)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def children_of(process):
    return [child.pid for child in psutil.Process(process.pid).children(recursive=True)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signalled_stack_stops_cleanly(tmp_path, number):
    async with stack_program(tmp_path) as (process, ready):
        children = children_of(process)
        assert set(ready["pids"].values()) <= set(children)
        process.send_signal(number)
        async with asyncio.timeout(PATIENCE_S):
            said, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()
        assert json.loads(said) == {"signals": [number.name]}
        assert not [pid for pid in children if alive(pid)]
    assert "mongod.lock" in {path.name for path in (tmp_path / "mongo").iterdir()}
    assert (tmp_path / "mongo" / "mongod.lock").read_text() == ""  # how mongod says that it stopped cleanly


async def test_a_second_stack_on_the_folder_is_refused(tmp_path):
    async with stack_program(tmp_path) as (process, _):
        second = await asyncio.create_subprocess_exec(
            sys.executable, local_stack.__file__, str(tmp_path), stderr=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(PATIENCE_S):
            _, errors = await second.communicate()
        assert f"is in use by process {process.pid}" in errors.decode()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the next start ends the children of a killed stack")
async def test_the_children_of_a_killed_stack_die_and_its_data_live(tmp_path):
    async with stack_program(tmp_path) as (process, ready):
        nats_settings = read_settings(NatsSettings, ready["environment"])
        async with nats_connection(nats_settings) as connection:
            await connection.jetstream().add_stream(name="KEPT", subjects=["kept.>"])
            await connection.jetstream().publish("kept.frame", b"still here", stream="KEPT")
        async with mongo_client(read_settings(MongoSettings, ready["environment"])) as client:
            frames = client.kept.get_collection("frames", write_concern=WriteConcern("majority", j=True))
            await frames.insert_one({"_id": "still here"})
        children = children_of(process)
        process.kill()
        await until(lambda: not any(alive(pid) for pid in children))
    assert (tmp_path / "mongo" / "mongod.lock").read_text() != ""

    async with stack_program(tmp_path) as (process, ready):
        async with nats_connection(read_settings(NatsSettings, ready["environment"])) as connection:
            assert (await connection.jetstream().get_last_msg("KEPT", "kept.frame")).data == b"still here"
        async with mongo_client(read_settings(MongoSettings, ready["environment"])) as client:
            assert await client.kept.frames.find_one() == {"_id": "still here"}


async def test_servers_named_by_url_are_not_started(tmp_path):
    given = {
        "DATALAB_NATS_URL": "nats://bus.example.org:4222",
        "DATALAB_MONGO_URL": "mongodb://documents.example.org",
    }
    with DataFolder(tmp_path) as folder:
        async with Supervisor(folder=folder) as supervisor:
            addresses = await start_servers(supervisor=supervisor, folder=folder, environ=given)
            assert [status.name for status in supervisor.statuses] == ["s3"]
    assert given.items() <= addresses.environment().items()
    assert addresses.s3_url.startswith("http://127.0.0.1:")


async def test_services_stop_before_the_servers_they_use(tmp_path):
    stopped = []

    def note(status):
        if status.state is State.STOPPED:
            stopped.append(status.name)

    with DataFolder(tmp_path) as folder:
        async with Supervisor(folder=folder, on_change=note) as supervisor:
            await start_servers(supervisor=supervisor, folder=folder, environ={})
            await supervisor.start(stand_in("one"), stand_in("two"))
    assert set(stopped[:2]) == {"one", "two"}
    assert stopped[2:] == ["mongo", "s3", "nats"]
