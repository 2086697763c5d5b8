"""Real servers, started when the first test asks for them; who runs which tests; the option that renews goldens."""

import signal

import pytest
from hypothesis import settings

from datalab.local.data_folder import DataFolder
from datalab.local.supervisor import Supervisor
from support.distribution import LongestFirst, place
from support.servers import isolated_settings, running_mongo, running_nats, running_s3

# Who runs this in the background has its children ignore Ctrl-C, which some tests press.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A deadline per example measures the load of the machine, not our code.
settings.register_profile("datalab", deadline=None)
settings.load_profile("datalab")


def pytest_addoption(parser):
    parser.addoption("--update-goldens", action="store_true", help="write the golden files anew instead of comparing")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: place(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    return LongestFirst(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def update_goldens(request):
    """Whether golden files are to be written instead of compared."""
    return request.config.getoption("--update-goldens")


@pytest.fixture(scope="session")
def server_folder(tmp_path_factory):
    with DataFolder(tmp_path_factory.mktemp("servers")) as folder:
        yield folder


@pytest.fixture(scope="session")
async def server_supervisor(server_folder):
    async with Supervisor(folder=server_folder) as supervisor:
        yield supervisor


@pytest.fixture(scope="session")
async def nats_server(server_supervisor, server_folder):
    """A NATS server with JetStream: `.settings`, `.environment`, `await .kill()`, `await .restart()`."""
    async with running_nats(server_supervisor, server_folder) as server:
        yield server


@pytest.fixture(scope="session")
async def mongo_server(server_supervisor, server_folder):
    """A MongoDB server: `.settings`, `.environment`, `await .kill()`, `await .restart()`."""
    async with running_mongo(server_supervisor, server_folder) as server:
        yield server


@pytest.fixture(scope="session")
async def s3_server(server_supervisor, server_folder):
    """An S3 server: `.settings`, `.environment`, `await .kill()`, `await .restart()`."""
    async with running_s3(server_supervisor, server_folder) as server:
        yield server


@pytest.fixture
async def settings_environment(nats_server, mongo_server, s3_server):
    """A database, a bucket name and a bus of this test's own, in `os.environ`; yields the variables."""
    servers = {"nats_server": nats_server, "mongo_server": mongo_server, "s3_server": s3_server}
    async with isolated_settings(**servers) as environment:
        yield environment


@pytest.fixture(scope="module")
async def module_settings_environment(nats_server, mongo_server, s3_server):
    """The same for all tests of a module. Not together with `settings_environment`: that empties the bus."""
    servers = {"nats_server": nats_server, "mongo_server": mongo_server, "s3_server": s3_server}
    async with isolated_settings(**servers) as environment:
        yield environment
