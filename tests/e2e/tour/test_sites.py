"""An observatory that comes to a running system, by what the documents say and the command prints."""

import asyncio
import contextlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from datalab.cli.exit_codes import ExitCode
from datalab.client.rest import Datalab
from datalab.local.data_folder import MARK_VARIABLE
from support.waiting import PATIENCE_S

ROOT = Path(__file__).parents[3]
BASE = "tst-cam01-20260504-00000042"
JPEG = b"\xff\xd8\xff\xe0 picture"


@pytest.fixture(scope="module")
def system(tour):
    return tour.system


@pytest.fixture(scope="module")
async def credentials(system):
    """What `datalab sites add tst` prints beside the running system."""
    printed = await program(system.folder.root.parent, DATALAB, "sites", "add", "tst", data_dir=system.folder.root)
    assert printed.returncode == 0, printed.stderr
    assert printed.stderr == ""
    return dict(line.split("=", 1) for line in printed.stdout.splitlines())


DATALAB = str(Path(sys.executable).with_name("datalab"))


async def program(folder, *command, data_dir=None, env=None):
    """Run a command in a folder, with nothing of ours in its environment but `env`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DATALAB_")}
    if data_dir is not None and not (folder / ".datalab").exists():
        (folder / ".datalab").symlink_to(data_dir)
    return await asyncio.to_thread(
        subprocess.run,
        command,
        cwd=folder,
        env={**inherited, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )


async def seen(system, act, wanted):
    """Do something while the feed of the site is heard; return the first event of it that is wanted."""
    async with Datalab(system.api_url, system.admin_token).feed() as feed:
        await feed.subscribe(sites=["tst"])
        await act
        async with asyncio.timeout(PATIENCE_S):
            return await anext(heard.event async for heard in feed if wanted(heard.event))


async def test_the_program_of_the_observatory_guide_sends_a_frame(system, credentials, tmp_path):
    guide = (ROOT / "docs/observatory-guide.md").read_text()
    (sample,) = re.findall(r"^```python\n(.*?)^```", guide, re.DOTALL | re.MULTILINE)
    (tmp_path / "send.py").write_text(sample)
    (tmp_path / f"{BASE}-EX10.jpg").write_bytes(JPEG)

    async def send():
        ended = await program(tmp_path, sys.executable, "send.py", "tst", f"{BASE}-EX10.jpg", env=credentials)
        assert (ended.returncode, ended.stdout) == (0, f"{BASE}-EX10.jpg\n"), ended.stderr

    await seen(system, send(), lambda event: getattr(event, "basename", None) == BASE)
    foreign = tmp_path / f"mrc{BASE[3:]}-EX10.jpg"
    foreign.write_bytes(JPEG)
    refused = await program(tmp_path, sys.executable, "send.py", "tst", foreign.name, env=credentials)
    assert refused.returncode == 1
    assert "says site 'mrc', it was announced by 'tst'" in refused.stderr


async def test_a_night_is_announced_with_no_more_than_the_site_has(system, credentials, tmp_path):
    night = ("--site", "tst", "--night", "2026-05-04", "--exposures", "1", "--pixels", "128", "--via", "nats")
    ended = await program(tmp_path, DATALAB, "observatory", "simulate", *night, env=credentials)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("ingested, frame tst-sq001ms-20260504-00000001\n") == 3
    other = [word.replace("tst", "mrc") for word in night]
    ended = await program(tmp_path, DATALAB, "observatory", "simulate", *other, env=credentials)
    assert (ended.returncode, ended.stdout.count("ingested")) == (ExitCode.UNREACHABLE, 0), ended.stdout


async def test_an_observatory_needs_nothing_but_the_address(system, tmp_path):
    name = f"{BASE.replace('42', '43')}-EX10.jpg"
    (tmp_path / name).write_bytes(JPEG)
    (tmp_path / "notes.txt").write_text("no image")
    address = {"DATALAB_API_URL": system.api_url}
    ended = await program(tmp_path, DATALAB, "send", "--site", "tst", name, "notes.txt", env=address)
    assert ended.returncode == ExitCode.FAILED, ended.stderr
    verdicts = dict(line.split("  ", 1) for line in ended.stdout.splitlines())
    assert verdicts[name] == f"ingested, frame {name[:-9]}"
    assert verdicts["notes.txt"].startswith("refused: the file name 'notes.txt' is neither")


async def test_who_has_read_a_sites_credentials_cannot_make_the_services_that_site(system, credentials, tmp_path):
    for command in (("sites", "add", "mrc"), ("sites", "apply")):
        ended = await program(tmp_path, DATALAB, *command, data_dir=system.folder.root, env=credentials)
        assert (ended.returncode, "the services' own user is needed" in ended.stderr) == (1, True)
    listed = await program(tmp_path, DATALAB, "sites", "list", data_dir=system.folder.root)
    assert "mrc" not in listed.stdout


async def test_a_site_that_was_removed_can_neither_store_nor_announce(system, credentials, tmp_path):
    removed = await program(tmp_path, DATALAB, "sites", "remove", "tst", data_dir=system.folder.root)
    assert removed.returncode == 0, removed.stderr
    night = ("--site", "tst", "--exposures", "1", "--pixels", "128", "--via", "nats")
    ended = await program(tmp_path, DATALAB, "observatory", "simulate", *night, env=credentials)
    assert ended.returncode == ExitCode.UNREACHABLE
    again = await program(tmp_path, DATALAB, "sites", "remove", "tst", data_dir=system.folder.root)
    assert (again.returncode, "site tst has no credentials" in again.stderr) == (ExitCode.NOT_FOUND, True)


async def test_no_process_has_secrets_in_its_environment_that_are_not_its_own(system):
    """Neither servers nor services, nor what inspects, describes, analyses and computes."""
    stored = json.loads((system.folder.root / "credentials.json").read_text())
    secrets = {name: value for name, value in stored.items() if name.endswith(("_password", "_secret_key"))}
    secrets["admin_token"] = system.admin_token
    names = {status.pid: status.name for status in system.supervisor.statuses}
    found = {}
    seen = 0
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            environment = process.environ()
            if environment.get(MARK_VARIABLE) != str(system.folder.root):
                continue  # of another system of these tests
            seen += 1
            text = "\n".join(environment.values())
            held = {name for name, value in secrets.items() if value in text}
            if held:
                found[names.get(process.pid, f"child {process.pid}: {process.cmdline()}")] = held
    assert found == {"session-api": {"admin_token"}, "s3": {"s3_secret_key"}}
    assert seen > len(names)
