"""What a computing process may do, and when it must go."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
#: malloc.h of glibc; the second is the most that it accepts for the threshold.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST_MMAP_THRESHOLD = 32 * 1024**2
_MOST_KEPT_BYTES = 256 * 1024**2


def die_with_parent(parent: int) -> None:
    """End this process when its parent ends, however that happens (Linux; elsewhere it ends at its next report)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it was gone before we asked
            os._exit(1)


def adopt_orphans() -> None:
    """Become the parent of every process that its own parent, a child of this one, leaves behind (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def limit_memory(additional_bytes: int) -> None:
    """Let this process allocate `additional_bytes` beyond what it has now; more raises `MemoryError`."""
    if sys.platform == "linux":  # elsewhere RLIMIT_DATA does not count what numpy allocates
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (data_bytes() + additional_bytes, hard))


def share_memory(processes: int) -> None:
    """Let this process have its part, one of `processes`, of what the limit inherited from its parent leaves."""
    if sys.platform == "linux":
        soft, _ = resource.getrlimit(resource.RLIMIT_DATA)
        if soft != resource.RLIM_INFINITY:
            limit_memory(max(soft - data_bytes(), 0) // processes)


def keep_freed_memory() -> None:
    """Use the memory of one image again for the next (glibc; elsewhere nothing changes).

    Given back to the system and asked for anew each time, it comes back page by page, filled with zeros: a fifth of the
    time of simple operations.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
        mallopt(_M_TRIM_THRESHOLD, _MOST_KEPT_BYTES)


def allow_many_files() -> None:
    """Raise the limit of open files to what the system allows: an operation may have a thousand inputs."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def data_bytes() -> int:
    """Private writable memory of this process, which is what RLIMIT_DATA counts (proc(5), statm, field `data`)."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[5]) * resource.getpagesize()
