"""Children are started, restarted, paused and stopped; none is left behind."""

import asyncio
import contextlib
import signal
import socket

import httpx
import pytest

from datalab.local.data_folder import DataFolder
from datalab.local.process import ChildFailedError
from datalab.local.servers import MongoServer, S3Server
from datalab.local.supervisor import Supervisor
from datalab.local.unit_supervisor import State
from datalab.platform.settings import S3Settings
from support.servers import read_settings, s3_client
from support.stand_in import IGNORE_SIGTERM, alive, stand_in
from support.waiting import until

FAIL_ONCE_TOLD = """
import os, sys
if os.path.exists(os.environ["FLAG"]):
    sys.exit("told to fail")
"""

LEAVE_A_GRANDCHILD = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(60)"])
with open(os.environ["PID_FILE"], "w") as file:
    file.write(str(child.pid))
"""


@pytest.fixture
def folder(tmp_path):
    with DataFolder(tmp_path / "lab") as folder:
        yield folder


@pytest.fixture
def history():
    """Every status shown, in order."""
    return []


@pytest.fixture
async def supervisor(folder, history):
    async with Supervisor(folder=folder, on_change=history.append) as supervisor:
        yield supervisor


@contextlib.contextmanager
def occupied(port):
    with socket.socket() as occupant:
        occupant.bind(("127.0.0.1", port))
        yield


async def test_a_child_is_ready_when_start_returns_and_gone_when_the_supervisor_is_left(folder, history):
    service = stand_in()
    async with Supervisor(folder=folder, on_change=history.append) as supervisor:
        await supervisor.start(service)
        async with httpx.AsyncClient() as client:
            assert (await client.get(service.readiness_url)).status_code == 200
        pid = supervisor.status("stand-in").pid
        assert alive(pid)
    assert not alive(pid)
    assert [status.state for status in history] == [State.STARTING, State.READY, State.STOPPING, State.STOPPED]
    assert [status.pid for status in history] == [pid, pid, pid, None]


async def test_a_child_is_not_ready_by_what_another_program_answers(supervisor, folder, history):
    """It is slow to find out that its port is taken; whoever took it answers in its place."""
    service, other = stand_in(before="import time; time.sleep(1)\n", any_port=True), stand_in("other")
    other.env = {**other.env, "DATALAB_HTTP_PORT": service.env["DATALAB_HTTP_PORT"]}
    other.readiness_url = service.readiness_url
    await supervisor.start(other)
    taken = service.address

    await supervisor.start(service)

    assert service.address != taken
    assert await service.why_not_ready() is None
    ready = [status for status in history if status.name == "stand-in" and status.state is State.READY]
    assert [status.address for status in ready] == [service.address]


async def test_a_killed_child_comes_back_on_the_same_address(supervisor, history):
    await supervisor.start(stand_in())
    address = supervisor.status("stand-in").address

    pid = supervisor.kill("stand-in")
    back = await supervisor.wait_ready("stand-in", other_than_pid=pid, timeout_s=10)

    assert (back.address, back.restarts) == (address, 1)
    assert "was killed by SIGKILL; again in 0.2 s" in [status.detail for status in history]


async def test_a_child_that_keeps_failing_is_given_more_and_more_time(supervisor, history, tmp_path):
    flag = tmp_path / "flag"
    await supervisor.start(stand_in(before=FAIL_ONCE_TOLD, FLAG=str(flag)))
    flag.touch()
    pid = supervisor.kill("stand-in")
    await until(lambda: supervisor.status("stand-in").restarts == 3)
    flag.unlink()
    await supervisor.wait_ready("stand-in", other_than_pid=pid, timeout_s=10)
    assert [status.detail for status in history if status.detail] == [
        "was killed by SIGKILL; again in 0.2 s",
        "ended with exit status 1; again in 0.4 s",
        "ended with exit status 1; again in 0.8 s",
    ]


async def test_a_child_that_fails_at_once_shows_its_last_words(supervisor, history, tmp_path):
    (tmp_path / "flag").touch()
    with pytest.raises(ChildFailedError) as caught:
        await supervisor.start(stand_in(before=FAIL_ONCE_TOLD, FLAG=str(tmp_path / "flag")))
    assert "stand-in ended with exit status 1" in caught.value.message
    assert "told to fail" in caught.value.message
    await supervisor.stop_all()
    assert history[-1].state is State.FAILED


async def test_a_child_taken_down_stays_down(supervisor):
    service = stand_in()
    await supervisor.start(service)
    first_pid = supervisor.status("stand-in").pid

    await supervisor.take_down("stand-in")
    assert not alive(first_pid)
    with pytest.raises(ProcessLookupError):
        supervisor.kill("stand-in")
    assert await service.why_not_ready() is not None

    await supervisor.bring_up("stand-in")
    assert await service.why_not_ready() is None
    with pytest.raises(RuntimeError, match="is not down"):
        await supervisor.bring_up("stand-in")


async def test_what_a_killed_child_started_goes_with_it(supervisor, tmp_path):
    pid_file = tmp_path / "pid"
    await supervisor.start(stand_in(before=LEAVE_A_GRANDCHILD, PID_FILE=str(pid_file)))
    grandchild = int(pid_file.read_text())
    assert alive(grandchild)
    supervisor.kill("stand-in")
    await until(lambda: not alive(grandchild))


async def test_a_child_that_ignores_sigterm_is_killed_after_the_grace(supervisor):
    await supervisor.start(stand_in(before=IGNORE_SIGTERM))
    pid = supervisor.status("stand-in").pid
    await supervisor.stop_all(grace_s=0.2)
    assert not alive(pid)


async def test_a_paused_child_stops_within_the_grace(supervisor):
    await supervisor.start(stand_in())
    pid = supervisor.kill("stand-in", signal.SIGSTOP)
    async with asyncio.timeout(50):
        await supervisor.stop_all(grace_s=60)
    assert not alive(pid)


@pytest.mark.parametrize("sigterm_heard", [True, False])
async def test_cancelling_the_stop_kills_at_once(supervisor, history, folder, sigterm_heard):
    await supervisor.start(stand_in(before=IGNORE_SIGTERM))
    pid = supervisor.status("stand-in").pid
    stopping = asyncio.create_task(supervisor.stop_all(grace_s=60))
    await until(lambda: history[-1].state is State.STOPPING)
    if sigterm_heard:
        await until(lambda: "SIGTERM" in (folder.logs / "stand-in.log").read_text())
    stopping.cancel()
    async with asyncio.timeout(50):
        with pytest.raises(asyncio.CancelledError):
            await stopping
    assert not alive(pid)


async def test_waiting_for_a_child_that_does_not_come_back_ends(supervisor):
    await supervisor.start(stand_in())
    pid = supervisor.status("stand-in").pid
    with pytest.raises(TimeoutError):
        await supervisor.wait_ready("stand-in", other_than_pid=pid, timeout_s=0.1)


@pytest.mark.parametrize("server_type", [S3Server, MongoServer])
async def test_a_port_taken_by_somebody_else_is_left_to_them(supervisor, folder, server_type):
    server = server_type(folder)
    taken = server.address
    with occupied(int(taken.rsplit(":", 1)[1])):
        await supervisor.start(server)
        assert server.address != taken
        assert await server.why_not_ready() is None


async def test_unfinished_uploads_of_a_killed_s3_server_are_deleted(supervisor, folder):
    bucket = folder.s3 / "archive" / "data"
    bucket.mkdir(parents=True)
    (bucket / ".rclone_temp_put_36c4757e").write_bytes(b"half a frame")
    (bucket / "whole.fits").write_bytes(b"a frame")
    server = S3Server(folder)
    await supervisor.start(server)
    with s3_client(read_settings(S3Settings, server.environment())) as client:
        names = [item.object_name for item in client.list_objects(bucket_name="archive", recursive=True)]
    assert names == ["data/whole.fits"]


async def test_logs_of_earlier_runs_are_kept_and_not_shown_as_this_one(folder, tmp_path):
    async with Supervisor(folder=folder) as supervisor:
        await supervisor.start(stand_in(before="print('first run', flush=True)\n"))
    (tmp_path / "flag").touch()
    async with Supervisor(folder=folder) as supervisor:
        with pytest.raises(ChildFailedError) as caught:
            await supervisor.start(stand_in(before=FAIL_ONCE_TOLD, FLAG=str(tmp_path / "flag")))
    assert "first run" in (folder.logs / "stand-in.log.1").read_text()
    assert "first run" not in caught.value.message


async def test_a_service_whose_port_was_taken_meanwhile_listens_on_another_one(supervisor):
    service = stand_in(any_port=True)
    taken = service.address
    with occupied(int(taken.rsplit(":", 1)[1])):
        await supervisor.start(service)
    assert supervisor.status("stand-in").address == service.address != taken


async def test_a_port_that_others_were_told_is_not_given_up(supervisor):
    service = stand_in()
    with occupied(int(service.address.rsplit(":", 1)[1])), pytest.raises(ChildFailedError, match="ended with"):
        await supervisor.start(service)
