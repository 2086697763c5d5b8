"""Commands that need servers of the system, and do not find them or find them otherwise."""

import asyncio

import pytest
from typer.testing import CliRunner

from datalab.cli.exit_codes import ExitCode
from datalab.cli.main import app
from datalab.local.ports import free_port


def datalab(*words):
    result = CliRunner().invoke(app, words)
    return result.exit_code, result.stderr


@pytest.mark.parametrize("words", ["dead-letters list", "topology check", "observatory simulate --site dem --via nats"])
def test_a_bus_that_does_not_answer_is_said(monkeypatch, tmp_path, words):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATALAB_NATS_URL", f"nats://127.0.0.1:{free_port()}")
    monkeypatch.setenv("DATALAB_S3_URL", f"http://127.0.0.1:{free_port()}")
    code, said = datalab(*words.split())
    assert code == ExitCode.UNREACHABLE
    assert "the bus does not answer: " in said
    assert not said.endswith(": \n")


async def test_a_bus_that_is_otherwise_than_declared_is_no_outage(settings_environment, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name, value in settings_environment.items():
        monkeypatch.setenv(name, value)
    code, said = await asyncio.to_thread(datalab, "topology", "check")
    assert code == ExitCode.FAILED
    assert "datalab topology apply" in said
