"""`datalab send`, against the API and ingest: what a folder becomes, whatever happens meanwhile."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from itertools import count
from pathlib import Path

import pytest

from datalab.cli.exit_codes import ExitCode
from datalab.local.ports import free_port
from session_api.uploads.open_sites import OpenSites
from session_api.uploads.service import UploadService
from support.fits_files import header_text, plain_fits
from support.guides import shell_environment
from support.ingest_service import running, settings_for_tests
from support.session_api import running_world
from support.waiting import PATIENCE_S, until

JPEG = b"\xff\xd8\xff\xe0 picture"
LONG_AGO = 1_700_000_000
_counter = count(1)


@pytest.fixture(scope="module")
async def world(module_settings_environment, tmp_path_factory):
    async with (
        running_world(module_settings_environment, open_upload_sites=["*"]) as world,
        running(settings_for_tests(tmp_path_factory.mktemp("scratch"), http_port=0)),
    ):
        yield world


@pytest.fixture
def night(tmp_path):
    folder = tmp_path / "night"
    folder.mkdir()
    return folder


@pytest.fixture
def start(world, tmp_path):
    """Start the command in a folder of its own, with the address of the API and nothing else."""
    started = []

    async def begin(*words, url=None, **variables):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            "from datalab.cli.main import app; app()",
            "send",
            "--site",
            "tst",
            *map(str, words),
            cwd=tmp_path,
            env=shell_environment() | {"DATALAB_API_URL": url or world.url} | variables,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            process.kill()


@pytest.fixture
def send(start):
    """Run the command to its end; return exit code, what was told of each file, and what was said besides."""

    async def run(*words, **options):
        process = await start(*words, **options)
        output, said = await asyncio.wait_for(process.communicate(), timeout=PATIENCE_S)
        told = dict(line.split("  ", 1) for line in output.decode().splitlines())
        return process.returncode, {Path(path).name: words for path, words in told.items()}, said.decode()

    return run


def base():
    return f"tst-cam01-20261129-{next(_counter):08d}"


def put(folder, name, content, *, at=LONG_AGO):
    """Have a file in a folder, renamed into it when it is complete."""
    draft = folder.parent / f"{name}.draft"
    draft.write_bytes(content)
    os.utime(draft, (at, at))
    draft.rename(folder / name)
    return name


async def stored(world, name):
    """Return how often a file was stored."""
    return await world.database["upload_tickets"].count_documents({"key": f"data/{name}", "state": "stored"})


async def frames(world, *basenames):
    return await world.database["frames"].count_documents({"_id": {"$in": basenames}})


async def test_a_folder_becomes_frames_and_each_file_gets_its_word(world, send, night):
    frame = base()
    picture = put(night, f"{frame}-EX10.jpg", JPEG)
    header = put(night, f"{frame}-EX00.txt", header_text(OBJECT="M 51"))
    bad = put(night, f"{base()}-EX10.jpg", b"no picture")
    odd = put(night, "holiday.png", b"x")
    other = put(night, "mrc-cam01-20261129-00000001-EX10.jpg", JPEG)
    plain = put(night, "m51_by_hand.fits", plain_fits())
    token = put(night, "tst-20261129.token", b"done")
    put(night, "half.jpg.part", JPEG)
    (night / "below").mkdir()
    code, told, said = await send("--watch", night, "--once")
    assert told.pop(picture) == told.pop(header) == f"ingested, frame {frame}"
    assert told.pop(plain) == "ingested, frame m51_by_hand"
    assert told.pop(bad).startswith("refused: ")
    assert told.pop(odd).startswith("refused: the file name 'holiday.png' is neither")
    assert told.pop(other).startswith("refused: object_name says site 'mrc', not 'tst'")
    assert told.pop(token) == "unchanged: a file of this name or folder belongs to no frame"
    assert told == {}
    assert (code, "of 7 files: 3 ingested, 1 unchanged, 3 refused" in said) == (ExitCode.FAILED, True)
    assert await frames(world, frame, "m51_by_hand") == 2


async def test_nothing_is_sent_twice(world, send, night):
    name = put(night, f"{base()}-EX10.jpg", JPEG)
    assert (await send("--watch", night, "--once"))[0] == 0
    code, told, _ = await send("--watch", night, "--once")
    assert (code, told) == (0, {})
    os.utime(night / name, (LONG_AGO + 1, LONG_AGO + 1))
    code, told, _ = await send("--watch", night, "--once")
    assert (code, told) == (0, {name: "unchanged: it was sent before"})
    assert await stored(world, name) == 1
    put(night, name, JPEG + b" retouched")
    assert (await send("--watch", night, "--once"))[1] == {name: f"ingested, frame {name[:-9]}"}
    assert await stored(world, name) == 2


async def test_what_is_sent_by_name_is_told_and_sent_again_is_unchanged(send, tmp_path):
    name = f"{base()}-EX10.jpg"
    (tmp_path / name).write_bytes(JPEG)
    assert await send(name) == (0, {name: f"ingested, frame {name[:-9]}"}, "")
    await asyncio.sleep(1.1)  # of one second are versions of one size the same to the upload log
    assert (await send(name))[:2] == (0, {name: "unchanged: its frame has this file already"})


async def test_a_folder_is_watched_until_ctrl_c(start, night):
    process = await start("--watch", night, "--subfolders", "--json", "--settle", "0.1")
    (night / "a" / "b").mkdir(parents=True)
    async with asyncio.timeout(PATIENCE_S):
        for folder in (night, night / "a" / "b"):
            name = f"{base()}-EX10.jpg"
            (folder / name).write_bytes(JPEG)
            told = json.loads(await process.stdout.readline())
            assert (told["file"], told["verdict"]) == (str(folder / name), "ingested")
        process.send_signal(signal.SIGINT)
        output, said = await process.communicate()
    assert (process.returncode, output) == (130, b"")
    assert b"Traceback" not in said


async def test_killed_again_and_again_it_sends_each_file_once(world, start, send, night):
    names = [put(night, f"{base()}-EX10.jpg", JPEG + bytes([number])) for number in range(40)]
    for _ in range(4):
        process = await start("--watch", night, "--at-once", 2)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.stdout.readline(), timeout=PATIENCE_S)
        process.kill()
        await process.communicate()
    code, _, said = await send("--watch", night, "--once")
    assert code == 0, said
    assert [await stored(world, name) for name in names] == [1] * len(names)
    assert await frames(world, *(name[:-9] for name in names)) == len(names)


async def test_two_do_not_watch_one_folder(start, send, night):
    first = await start("--watch", night)
    state = night.parent / ".night.sent-tst.jsonl"
    await until(state.exists)
    code, told, said = await send("--watch", night)
    assert (code, told, "in use by another" in said) == (ExitCode.FAILED, {}, True)
    first.kill()


class Door:
    """A way to a server that is there or not, always at the same port."""

    def __init__(self, url):
        host, _, port = url.removeprefix("http://").partition(":")
        self._target = (host, int(port))
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._server, self._tasks = None, set()

    async def open(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def close(self):
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._server = None

    async def _serve(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        try:
            await asyncio.gather(_pipe(reader, far_writer), _pipe(far_reader, writer))
        finally:
            for each in (writer, far_writer):
                each.transport.abort()


async def _pipe(reader, writer):
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()


@pytest.fixture
async def door(world):
    door = Door(world.url)
    yield door
    await door.close()


async def test_it_waits_for_a_system_that_is_away_and_goes_on(world, start, night, door):
    """The address in a form is that of whoever was asked, so that it leads through the door, too."""
    names = [put(night, f"{base()}-EX10.jpg", JPEG) for _ in range(3)]
    process = await start("--watch", night, url=door.url)
    async with asyncio.timeout(PATIENCE_S):
        assert b"waiting for the system: " in await process.stderr.readline()
        await door.open()
        for _ in names:
            assert b"ingested" in await process.stdout.readline()
        await door.close()
        late = put(night, f"{base()}-EX10.jpg", JPEG)
        while b"waiting" not in await process.stderr.readline():
            pass
        await door.open()
        assert late.encode() in await process.stdout.readline()
    process.kill()
    assert [await stored(world, name) for name in (*names, late)] == [1] * 4


async def test_a_folder_that_is_not_there_for_a_while_is_waited_for(start, night):
    process = await start("--watch", night)
    await until((night.parent / ".night.sent-tst.jsonl").exists)
    away = night.rename(night.parent / "unmounted")
    async with asyncio.timeout(PATIENCE_S):
        assert b"cannot be read, and is waited for" in await process.stderr.readline()
        name = put(away, f"{base()}-EX10.jpg", JPEG)
        away.rename(night)
        assert name.encode() in await process.stdout.readline()
    process.kill()


async def test_names_that_are_no_text_are_refused_in_words(send, night):
    put(night, os.fsdecode(b"\xff-EX10.jpg"), JPEG)
    code, told, _ = await send("--watch", night, "--once")
    assert code == ExitCode.FAILED
    assert list(told.values()) == ["refused: its name is no UTF-8: rename it"]


async def test_a_site_that_is_not_open_needs_a_token_of_its_own(world, send, night, monkeypatch):
    monkeypatch.setattr(world.service(UploadService), "_open_sites", OpenSites([]))
    name = put(night, f"{base()}-EX10.jpg", JPEG)
    code, told, said = await send("--watch", night)
    assert (code, told) == (ExitCode.NOT_ALLOWED, {})
    assert "Files of site 'tst' are taken from its own software only, with a token." in said
    assert said.count("\n") == 1
    await world.add_user("sender", ingests=["tst"])
    code, told, said = await send("--watch", night, "--once", DATALAB_TOKEN=world.tokens["sender"])
    assert (code, told) == (0, {name: f"ingested, frame {name[:-9]}"}), said
    put(night, f"{base()}-EX10.jpg", JPEG)
    code, _, said = await send("--watch", night, DATALAB_TOKEN="0" * 40)
    assert (code, "DATALAB_TOKEN has to be a valid one" in said) == (ExitCode.NOT_ALLOWED, True)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], ExitCode.USAGE, "name either files, or a folder with --watch"),
        (["x.jpg", "--watch", "."], ExitCode.USAGE, "name either files, or a folder with --watch"),
        (["nothing.jpg"], ExitCode.USAGE, "no such file: nothing.jpg"),
        (["--watch", "nowhere"], ExitCode.USAGE, "no such folder: nowhere"),
        (["."], ExitCode.USAGE, "is a folder"),
    ],
)
async def test_what_cannot_be_is_told_in_a_line(send, words, code, said):
    ended, told, words = await send(*words)
    assert (ended, told) == (code, {})
    assert said in words


async def test_without_a_system_a_file_is_not_waited_for_long(send, tmp_path):
    (tmp_path / "a.fits").write_bytes(b"x")
    code, told, said = await send("a.fits", url=f"http://127.0.0.1:{free_port()}")
    assert (code, told, "does not answer" in said) == (ExitCode.UNREACHABLE, {}, True)
