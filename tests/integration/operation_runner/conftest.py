"""Computing processes as the service has them."""

import pytest

from operation_runner.computing.computer import ProcessComputer
from support.runner import PACKAGES, NoStars


@pytest.fixture(scope="session")
async def make_computer(lean_processes):
    """Return a function that starts a `ProcessComputer`; arguments as given, else ample."""
    made = []

    async def make(**changes):
        usual = {
            "packages": PACKAGES.operations,
            "stars": NoStars(),
            "slots": 4,
            "processes": 2,
            "time_limit_s": 30.0,
            "memory_bytes": 1024**3,
        }
        computer = ProcessComputer(**(usual | changes))
        await computer.start()
        made.append(computer)
        return computer

    yield make
    for computer in made:
        await computer.stop()


@pytest.fixture(scope="session")
async def computer(make_computer):
    return await make_computer()
