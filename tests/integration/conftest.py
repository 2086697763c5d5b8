"""Processes as the services have them."""

import pytest

from datalab.processes.forkserver import preload
from operation_runner.offers.packages import prepare_processes
from support.runner import PACKAGES, no_main_module


@pytest.fixture(scope="session", autouse=True)
def lean_processes():
    """Have the one fork server of a test process load what any service's processes do, and nothing of pytest."""
    prepare_processes(PACKAGES)
    preload(["ingest.inspection.worker"])
    with no_main_module():
        yield
