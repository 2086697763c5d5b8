"""Which tests one process runs together, and which of them are given out first."""

from xdist.scheduler import LoadFileScheduling

#: What runs a whole system and mostly waits comes before what is over in a moment: what is given out last decides how
#: long the other processes have nothing left to do. The files named took longest when each was measured by itself.
_FIRST = (
    "tests/browser/",
    "tests/e2e/tour/",
    "tests/e2e/test_long_outage.py",
    "tests/e2e/test_outages.py",
    "tests/e2e/test_guides.py",
    "tests/e2e/",
    "tests/integration/local/test_system.py",
    "tests/integration/session_api/test_users_command.py",
    "tests/integration/session_api/test_patience.py",
    "tests/integration/session_api/test_every_route.py",
    "tests/integration/session_api/test_sharing_commands.py",
    "tests/integration/operation_runner/test_archives.py",
    "tests/integration/operation_runner/test_hostile_inputs.py",
    "tests/integration/operation_runner/test_same_with_many_processes.py",
    "tests/integration/cli/test_send.py",
    "tests/integration/ingest/test_removal.py",
    "tests/integration/",
    "tests/unit/cli/test_start.py",
    "tests/unit/astro/",
)
#: A folder whose tests share a running system, as a whole.
_TOGETHER = ("tests/e2e/tour/",)


class LongestFirst(LoadFileScheduling):
    """Gives out whole files, some folders as a whole, in the order of the collection: see `place`."""

    def __init__(self, config, log=None):
        config.option.loadscopereorder = False  # by the number of tests, which says nothing about their length
        super().__init__(config, log)

    def _split_scope(self, nodeid):
        return next((folder for folder in _TOGETHER if nodeid.startswith(folder)), super()._split_scope(nodeid))


def place(nodeid):
    """Return a number that is smaller for tests that are to be given out earlier."""
    return next((number for number, start in enumerate(_FIRST) if nodeid.startswith(start)), len(_FIRST))
