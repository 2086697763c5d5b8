"""Which tests one process runs together, and which of them are given out first."""

from xdist.scheduler import LoadFileScheduling

#: What runs a whole system and mostly waits comes before what is over in a moment: what is given out last decides how
#: long the other processes have nothing left to do.
_FIRST = (
    "tests/e2e/test_long_outage.py",
    "tests/e2e/tour/",
    "tests/browser/",
    "tests/e2e/test_outages.py",
    "tests/e2e/",
    "tests/integration/",
    "tests/contract/",
)
#: A folder whose tests share a running system, as a whole.
_TOGETHER = ("tests/e2e/tour/", "tests/browser/")


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
