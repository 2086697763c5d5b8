"""The guides, done as they are written: their blocks, and a shell to run them in."""

import asyncio
import os
import re
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path

from support.waiting import PATIENCE_S

ROOT = Path(__file__).parents[2]


def blocks(guide, language):
    """Return the fenced blocks of a page under the root whose fence says exactly this."""
    return re.findall(rf"^```{re.escape(language)}\n(.*?)^```", (ROOT / guide).read_text(), re.DOTALL | re.MULTILINE)


def shell_blocks(guide):
    """Return every block for a shell, in order, each with what its fence says besides, such as `until=Ctrl-C`."""
    text = (ROOT / guide).read_text()
    return [
        (said.strip(), block)
        for said, block in re.findall(r"^```bash( [^\n]*)?\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    ]


def shell_environment():
    """Return the variables of a newcomer: our command on the path, nothing of ours set."""
    commands = Path(sys.executable).parent
    own = {name: value for name, value in os.environ.items() if not name.startswith("DATALAB_")}
    return own | {"PATH": f"{commands}:{os.environ['PATH']}", "PYTHONPATH": "", "PYTHONUNBUFFERED": "1"}


async def shell(script, folder, environment, **options):
    return await asyncio.create_subprocess_exec(
        "bash", "-euo", "pipefail", "-c", script, cwd=folder, env=environment, start_new_session=True, **options
    )


async def finished(script, folder, environment):
    """Run a script that has to succeed; return what it printed."""
    process = await shell(script, folder, environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
    output, _ = await asyncio.wait_for(process.communicate(), timeout=PATIENCE_S)
    assert process.returncode == 0, output.decode()
    return output.decode()


@asynccontextmanager
async def running_datalab(command, folder, environment):
    """Run a command that starts a system, here, until the block ends; the block begins when it says where it is."""
    log = folder / "server.log"
    with log.open("wb") as file:
        running = await shell(command, folder, environment, stdout=file, stderr=file)
    try:
        async with asyncio.timeout(PATIENCE_S):
            while "OpenAPI" not in log.read_text():
                assert running.returncode is None, log.read_text()
                await asyncio.sleep(0.1)
        yield
    finally:
        os.killpg(running.pid, signal.SIGINT)
        await asyncio.wait_for(running.wait(), timeout=PATIENCE_S)
