"""Processes that look inside files, and are not as they should be."""

import os
import time
from pathlib import Path

from ingest.inspection.worker import inspecting


def sleeping(_, *limits):
    return lambda _: time.sleep(600)


def ending(_, *limits):
    return lambda _: os._exit(7)


def ending_once(parent, memory_bytes, max_expanded_bytes):
    """End at the first file, and leave `once` beside it; then be as usual."""
    inspect = inspecting(parent, memory_bytes, max_expanded_bytes)

    def inspect_or_end(file):
        once = Path(file[0]).with_name("once")
        if not once.exists():
            once.touch()
            os._exit(1)
        return inspect(file)

    return inspect_or_end
