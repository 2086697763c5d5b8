"""What cannot be written ends a command in a line, and without one where nobody reads."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from datalab.cli.exit_codes import ExitCode

#: Each writes at another place: before the command is known, after that, and by itself.
COMMANDS = [["--version"], ["sites", "list", "--help"], ["ops", "available", "--json"]]
#: Answers every question with an empty object, in place of the system.
ANSWERING = """
import datalab.client.rest as rest
async def call(*_, **__): return {}
rest.Datalab.call = call
from datalab.cli.main import app; app()
"""


def ended(words, output):
    environment = {**os.environ, "DATALAB_API_URL": "http://127.0.0.1:0", "DATALAB_TOKEN": "t"}
    done = subprocess.run(
        [sys.executable, "-c", ANSWERING, *words],
        stdout=output,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        env=environment,
    )
    return done.returncode, done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("words", COMMANDS)
def test_a_full_disk(words):
    with Path("/dev/full").open("w") as full:
        code, said = ended(words, full)
    assert (code, said) == (ExitCode.FAILED, "datalab: standard output cannot be written: No space left on device\n")


@pytest.mark.parametrize("words", COMMANDS)
def test_a_pipe_nobody_reads(words):
    read, write = os.pipe()
    os.close(read)
    try:
        code, said = ended(words, write)
    finally:
        os.close(write)
    assert said == ""
    assert code in {ExitCode.NOBODY_READS, ExitCode.FAILED}
