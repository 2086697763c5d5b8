"""The walk-through `docs/writing-an-operation.md`, done exactly as written."""

import asyncio
import json
import os
import re
import signal
import sys
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
import pytest
from astropy.io import fits

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/writing-an-operation.md").read_text()
#: One more terminal command after those of the guide, for this test to see what `ops show` last said.
DONE = "\ndatalab ops show $SESSION $OPERATION > shown.json\n"


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def environment():
    commands = Path(sys.executable).parent
    own = {name: value for name, value in os.environ.items() if not name.startswith("DATALAB_")}
    return own | {"PATH": f"{commands}:{os.environ['PATH']}", "PYTHONPATH": ""}


async def shell(script, folder, environment, **options):
    return await asyncio.create_subprocess_exec(
        "bash", "-e", "-c", script, cwd=folder, env=environment, start_new_session=True, **options
    )


async def finished(script, folder, environment):
    process = await shell(script, folder, environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
    output, _ = await asyncio.wait_for(process.communicate(), timeout=120)
    assert process.returncode == 0, output.decode()
    return output.decode()


async def test_the_guide_leads_to_a_result(tmp_path, environment):
    make_package, *terminal = blocks("bash")
    (server,) = blocks("bash terminal=server")
    operation, *_ = blocks("python")
    await finished(make_package, tmp_path, environment)
    (tmp_path / "my_operations/increase_brightness.py").write_text(operation)
    with (tmp_path / "server.log").open("wb") as log:
        running = await shell(server, tmp_path, environment, stdout=log, stderr=log)
    try:
        async with asyncio.timeout(60):
            while "OpenAPI" not in (tmp_path / "server.log").read_text():
                assert running.returncode is None, (tmp_path / "server.log").read_text()
                await asyncio.sleep(0.1)
        output = await finished("\n".join(terminal) + patient(DONE), tmp_path, environment)
        assert "Increase Brightness: Increases the brightness of images by a value." in output
        shown = json.loads((tmp_path / "shown.json").read_text())
        assert shown["status"] == "COMPLETED", shown
        (made,) = shown["output"]["output_files"]
        async with httpx.AsyncClient() as client:
            content = (await client.get(made["fits_url"])).content
        (frame,) = tmp_path.glob("*-EX00.fits.fz")
        with fits.open(frame) as source, fits.open(BytesIO(content)) as result:
            (science,) = (hdu for hdu in source if hdu.data is not None and hdu.data.ndim == 2)
            np.testing.assert_array_equal(result["SCI"].data, science.data.astype("f4") + 100)
            assert result["CAT"].data.size > 10
    finally:
        os.killpg(running.pid, signal.SIGINT)
        await asyncio.wait_for(running.wait(), timeout=60)


def patient(command):
    """Repeat the last command until the operation has ended."""
    return f"""
for _ in $(seq 200); do
{command}
    grep -Eq '"status": "(COMPLETED|FAILED)"' shown.json && break
    sleep 1
done
"""


async def test_the_test_of_the_guide_passes(tmp_path, environment):
    make_package, *_ = blocks("bash")
    operation, *_ = blocks("python")
    (test,) = blocks("python test")
    await finished(make_package, tmp_path, environment)
    (tmp_path / "my_operations/increase_brightness.py").write_text(operation)
    (tmp_path / "test_brightness.py").write_text(test)
    environment["PYTHONPATH"] = f"{tmp_path}:{ROOT / 'tests'}"
    output = await finished("python -m pytest -q test_brightness.py", tmp_path, environment)
    assert "1 passed" in output
