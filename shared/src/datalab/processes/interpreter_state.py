"""What a call can leave behind in its process, by name and comparable."""

from __future__ import annotations

import gc
import locale
import logging
import os
import random
import resource
import signal
import socket
import sys
import threading
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

_LIMITS = [getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_") and name != "RLIMIT_DATA"]
_SIGNALS = sorted(signal.valid_signals())
_TIMERS = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)


def process_state() -> dict[str, Any]:
    """Return what the operating system knows of this process; its memory limit, set for each request, is left out."""
    return {
        "working directory": Path.cwd(),
        "umask": _umask(),
        "environment": dict(os.environ),
        "limits": ([resource.getrlimit(limit) for limit in _LIMITS], resource.getrlimit(resource.RLIMIT_DATA)[1]),
        "priority": os.getpriority(os.PRIO_PROCESS, 0),
        "processors": os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None,
        "process group": (os.getpgrp(), os.getsid(0)),
        "identity": (os.getuid(), os.geteuid(), os.getgid(), os.getegid()),
        "signal handlers": [signal.getsignal(number) for number in _SIGNALS],
        "blocked signals": signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        "timers": [signal.getitimer(timer)[0] > 0 for timer in _TIMERS],
        "open files": _open_files(),
        "threads": (threading.enumerate(), _native_threads()),
        "children": _has_children(),
    }


def interpreter_state() -> dict[str, Any]:
    """Return what Python, numpy and astropy keep for the whole process."""
    root = logging.getLogger()
    return {
        "warning filters": list(warnings.filters),
        "random state": random.getstate(),
        "module search": (list(sys.path), list(sys.meta_path), list(sys.path_hooks), list(sys.argv)),
        "standard streams": (sys.stdin, sys.stdout, sys.stderr),
        "hooks": (sys.excepthook, sys.displayhook, threading.excepthook, sys.gettrace(), sys.getprofile()),
        "interpreter": (sys.getrecursionlimit(), sys.getswitchinterval()),
        "garbage collector": (gc.isenabled(), gc.get_threshold(), gc.get_debug(), list(gc.callbacks)),
        "locale": locale.setlocale(locale.LC_ALL),
        "time zone": (time.timezone, time.tzname),
        "socket timeout": socket.getdefaulttimeout(),
        "logging": (root.level, list(root.handlers), list(root.filters), root.manager.disable),
        **_numpy_state(),
        **_astropy_state(),
    }


def _numpy_state() -> dict[str, Any]:
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return {}
    kind, keys, *rest = numpy.random.get_state()
    return {
        "error handling of numpy": (numpy.geterr(), numpy.geterrcall(), numpy.getbufsize()),
        "print options of numpy": numpy.get_printoptions(),
        "random state of numpy": (kind, keys.tobytes(), rest),
    }


def _astropy_state() -> dict[str, Any]:
    fits = sys.modules.get("astropy.io.fits")
    return {} if fits is None else {"settings of astropy.io.fits": {name: item() for name, item in fits.conf.items()}}


def _umask() -> int:
    """The mask can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _open_files() -> dict[str, str]:
    """Return what each descriptor stands for (Linux)."""
    found = {}
    with suppress(FileNotFoundError):
        for descriptor in Path("/proc/self/fd").iterdir():
            with suppress(FileNotFoundError):  # that of the listing itself
                found[descriptor.name] = str(descriptor.readlink())
    return found


def _native_threads() -> int:
    """Return how many threads there are, also those Python does not know of (Linux)."""
    try:
        return len(list(Path("/proc/self/task").iterdir()))
    except FileNotFoundError:
        return 0


def _has_children() -> bool:
    """Tell whether there is a child, also one that ended and was not waited for."""
    if not hasattr(os, "waitid"):
        return False
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True
