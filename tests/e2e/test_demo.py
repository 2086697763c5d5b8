"""The demonstration is what a newcomer sees first: it must work, from an empty folder, and say so in JSON."""

import asyncio
import contextlib
import json
import signal
import sys

import numpy as np
from astropy.io import fits

from datalab.client.rest import Datalab
from datalab.local.connection import read_connection
from datalab.local.ports import free_port
from support.waiting import PATIENCE_S

PROGRAM = (sys.executable, "-c", "from datalab.cli.main import app; app()")


async def run_demo(*arguments):
    process = await asyncio.create_subprocess_exec(
        *PROGRAM,
        "demo",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await asyncio.wait_for(process.communicate(), timeout=PATIENCE_S)
    return process.returncode, output.decode(), errors.decode()


async def test_simulated_night():
    code, output, errors = await run_demo()
    assert code == 0, errors
    figures = json.loads(output.strip().splitlines()[-1])
    assert figures["result"] == "ok"
    assert figures["frames"] == 12
    assert figures["upload_to_visible_ms_p50"] > 0
    assert figures["operation_s"] > 0
    assert figures["largest_difference"] == 0  # integers: exact


@contextlib.asynccontextmanager
async def up(data_dir, *arguments):
    """Run `datalab up`; yield what it had said when all was ready."""
    process = await asyncio.create_subprocess_exec(
        *PROGRAM,
        "up",
        "--data-dir",
        str(data_dir),
        "--port",
        str(free_port()),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
    )
    said = []
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not said or not said[-1].startswith("stop "):
                line = (await process.stdout.readline()).decode()
                assert line, "".join(said)
                said.append(line)
        yield "".join(said)
        assert process.returncode is None
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        await process.communicate()


async def present_state(data_dir):
    """Return the names of users, and of all sessions of the demonstration's user with their operations."""
    connection = read_connection(data_dir)
    async with Datalab(connection["api_url"], connection["admin_token"]) as admin:
        users = [user["username"] for user in await admin.users()]
        async with admin.as_user(await admin.add_token("demo")) as demo:
            sessions = {session["name"]: len(session["operations"]) for session in await demo.sessions()}
    return users, sessions


async def test_a_folder_of_files_may_be_brought_in_again(tmp_path):
    """What is known counts as there, and nothing is doubled; what does not get in is named and costs nothing else.

    Two frames belong together, one of them packed; one belongs to none.
    """
    folder = tmp_path / "night"
    folder.mkdir()
    generator = np.random.default_rng(5)
    for name in ("pair_1.FIT", "pair_2.fits.gz", "alone.fits"):
        image = fits.ImageHDU(generator.normal(1000, 10, (40, 50)).astype(np.float32), name="SCI")
        fits.HDUList([fits.PrimaryHDU(), image]).writeto(folder / name)
    (folder / "far-too-short.fits").write_bytes(b"SIMPLE  =                    T")
    (folder / "m31.FITZ").write_bytes(b"")
    (folder / "older").mkdir()
    for turn in (1, 2):
        async with up(tmp_path / "kept", "--data", str(folder)) as said:
            assert "ATTENTION" not in said
            assert said.count("equal to numpy's to 0") == 1
            assert said.count("visible after") == (3 if turn == 1 else 0)
            assert ("3 frames were in the archive before" in said) == (turn == 2)
            assert "skipped m31.FITZ: no FITS file by its name (.fits, .fit or .fts" in said
            assert "skipped older: a folder" in said
            assert "refused data/far-too-short.fits: " in said
            users, sessions = await present_state(tmp_path / "kept")
        assert users == ["demo"]
        assert list(sessions.values()) == [turn]


async def test_folder_without_fits_files_is_refused_in_words(tmp_path):
    (tmp_path / "readme.txt").write_text("nothing here")
    code, _, errors = await run_demo("--data", str(tmp_path))
    assert code == 1
    assert "no FITS files" in errors
