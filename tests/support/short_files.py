"""Files that may not grow beyond some length: what is written last is cut short, as on a disk that fills up."""

import contextlib
import resource


@contextlib.contextmanager
def files_end_at(size_bytes):
    """Have every file this process writes end there, with an `OSError` for whoever goes on; for a moment only."""
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, usual[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
