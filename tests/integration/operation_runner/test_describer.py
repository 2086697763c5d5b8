"""The describer: what it knows, and that it is replaced when it was killed."""

import os
import signal
import sys

import pytest

from datalab.errors import UsageError
from operation_runner.offers.describer import Describer
from operation_runner.offers.packages import Packages
from operation_runner.offers.registry import RegistryError
from support.runner import PACKAGES, process_exists
from support.waiting import until

MEDIAN = {"input_files": [{"source": "archive", "basename": name} for name in "ba"]}

#: Has the fork server load the operations once.
pytestmark = pytest.mark.usefixtures("computer")


@pytest.fixture
async def describer():
    describer = Describer(packages=PACKAGES)
    await describer.start()
    yield describer
    await describer.stop()


async def test_it_knows_operations_and_actions(describer):
    assert describer.find("Median").parameters_schema["required"] == ["input_files"]
    assert describer.find("No such") is None
    assert describer.find_action("get-tif").rendering.extension == ".tif"
    assert describer.find_action("wcs").rendering is None
    assert {described.action for described in describer.offer.analyses} == set(describer.actions)


async def test_parameters_are_brought_into_the_form_that_decides_the_result(describer):
    normalised = await describer.normalise("Median", MEDIAN)
    assert [name for _, name in normalised.files] == ["a", "b"]
    assert normalised.values == {"input_files": [{"source": "archive", "basename": name} for name in "ab"]}
    assert await describer.check("raw-data", {}) == {"max_size": 500}


async def test_wrong_parameters_are_explained(describer):
    with pytest.raises(UsageError, match=r"Operation Median received invalid input: .*input_files"):
        await describer.normalise("Median", {"input_files": 7})
    with pytest.raises(UsageError, match="'max_size' is wrong"):
        await describer.check("raw-data", {"max_size": 0})


async def test_a_killed_one_is_replaced(describer):
    pid = describer.pid
    os.kill(pid, signal.SIGKILL)
    await until(lambda: not process_exists(pid))
    assert (await describer.normalise("Median", MEDIAN)).files
    assert describer.pid != pid


async def test_what_was_asked_before_is_answered_without_the_process(describer):
    known = await describer.normalise("Median", MEDIAN)
    pid = describer.pid
    os.kill(pid, signal.SIGKILL)
    await until(lambda: not process_exists(pid))
    assert await describer.normalise("Median", MEDIAN) == known
    assert describer.pid == pid


async def test_none_is_left_behind():
    describer = Describer(packages=PACKAGES)
    await describer.start()
    pid = describer.pid
    await describer.stop()
    await until(lambda: not process_exists(pid))


@pytest.mark.parametrize(
    ("code", "said"),
    [("1 / 0", "ZeroDivisionError"), ("import os; os._exit(3)", "ended before it had loaded"), ("(", "SyntaxError")],
)
async def test_a_broken_file_is_named(tmp_path, monkeypatch, code, said):
    package = tmp_path / f"broken_{abs(hash(code))}"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "bad.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    assert str(tmp_path) in sys.path
    describer = Describer(packages=Packages(operations=(package.name,), analyses=()))
    with pytest.raises(RegistryError, match=said):
        await describer.start()
    await describer.stop()
