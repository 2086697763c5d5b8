"""Work that leaves its process other than it found it, in every way that would reach the next request."""

import builtins
import contextvars
import gc
import json
import locale
import logging
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import types
import warnings
from functools import partial
from pathlib import Path

import numpy as np
from astropy.io import fits

LIST = [1, 2]
NESTED = {"deep": {"er": [1]}}
ARRAY = np.arange(3)
SCALAR = 1
VARIABLE = contextvars.ContextVar("variable", default="default")


class Kept:
    """A class with state, and an instance of it that lives as long as the module."""

    attribute = "class"

    def __init__(self):
        self.own = {"key": "value"}


INSTANCE = Kept()


def remembering(value, seen=[]):  # noqa: B006 - what is tested
    seen.append(value)


def counter():
    counted = [0]

    def count():
        counted[0] += 1

    return count


COUNT = counter()


def linger():
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])


def leave_orphan():
    program = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])"
    subprocess.run([sys.executable, "-c", program], check=True)


def block_signal():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])


def set_global():
    globals()["SCALAR"] = 2


def use_more_memory():
    LIST.append(bytearray(50 * 1024**2))


CHANGES = {
    "working directory": lambda: os.chdir("/"),
    "umask": lambda: os.umask(0o111),
    "environment": lambda: os.environ.update(LEFTOVER="1"),
    "environment taken away": lambda: os.environ.pop("PATH"),
    "limits": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1])),
    "priority": lambda: os.nice(1),
    "signal handler": lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL),
    "blocked signal": block_signal,
    "alarm": lambda: signal.setitimer(signal.ITIMER_REAL, 3600),
    "open file": lambda: os.open("/dev/null", os.O_RDONLY),
    "closed file": lambda: os.close(0),
    "thread": lambda: threading.Thread(target=time.sleep, args=(60,), daemon=True).start(),
    "child": linger,
    "orphan": leave_orphan,
    "warning filters": lambda: warnings.simplefilter("error"),
    "random state": lambda: random.seed(1),
    "module search": lambda: sys.path.insert(0, "/nowhere"),
    "standard stream": lambda: setattr(sys, "stdout", sys.stderr),
    "hook": lambda: setattr(sys, "excepthook", print),
    "recursion limit": lambda: sys.setrecursionlimit(5000),
    "garbage collector": gc.disable,
    "locale": lambda: locale.setlocale(
        locale.LC_ALL, "C.UTF-8" if "UTF-8" not in locale.setlocale(locale.LC_ALL) else "C"
    ),
    "socket timeout": lambda: socket.setdefaulttimeout(1.0),
    "logging": lambda: logging.disable(logging.CRITICAL),
    "random state of numpy": lambda: np.random.seed(1),  # noqa: NPY002 - the one that everybody shares
    "settings of astropy": lambda: setattr(fits.conf, "use_memmap", not fits.conf.use_memmap),
    "function of a library": lambda: setattr(np, "median", np.mean),
    "builtin": lambda: setattr(builtins, "open", None),
    "temporary folder": lambda: setattr(tempfile, "tempdir", "/"),
    "module exchanged": lambda: sys.modules.update(json=types.ModuleType("json")),
    "global": set_global,
    "list": lambda: LIST.append(3),
    "nested list": lambda: NESTED["deep"]["er"].append(2),
    "array": lambda: ARRAY.fill(7),
    "class": lambda: setattr(Kept, "attribute", "other"),
    "instance": lambda: setattr(INSTANCE, "attribute", "other"),
    "dictionary of an instance": INSTANCE.own.clear,
    "default argument": partial(remembering, 1),
    "variable of a closure": COUNT,
    "memory": use_more_memory,
}
#: What a context of each request's own keeps from the next.
IN_CONTEXT = {
    "error handling of numpy": lambda: np.seterr(all="raise"),
    "print options of numpy": lambda: np.set_printoptions(precision=1),
    "context variable": lambda: VARIABLE.set("other"),
}


def leaving(_):
    def work(request):
        match request:
            case "look":
                return look()
            case "cycle":
                held = [open("/dev/null")]  # noqa: SIM115, PTH123 - only a cycle holds it
                held.append(held)
            case "everything":
                for name, change in [*IN_CONTEXT.items(), *CHANGES.items()]:
                    if name not in ("closed file", "builtin"):  # what comes after needs them
                        change()
            case str(name):
                (CHANGES | IN_CONTEXT)[name]()
        return os.getpid()

    return work


def is_seeded(generator):
    return np.array_equal(generator.get_state()[1], np.random.RandomState(1).get_state()[1])


def look():
    """Return what a request sees of its process, fit to be compared with what another one sees of another."""
    os.umask(mask := os.umask(0))
    return {
        "cwd": Path.cwd(),
        "umask": mask,
        "environment": dict(os.environ),
        "limit": resource.getrlimit(resource.RLIMIT_NOFILE),
        "nice": os.nice(0),
        "SIGTERM": str(signal.getsignal(signal.SIGTERM)),
        "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "alarm": signal.getitimer(signal.ITIMER_REAL),
        "threads": threading.active_count(),
        "filters": str(warnings.filters),
        "seeded": (random.getstate() == random.Random(1).getstate(), is_seeded(np.random)),
        "path": sys.path,
        "stdout": sys.stdout is sys.stderr,
        "hook": sys.excepthook is print,
        "interpreter": (
            sys.getrecursionlimit(),
            gc.isenabled(),
            socket.getdefaulttimeout(),
            logging.root.manager.disable,
        ),
        "locale": locale.setlocale(locale.LC_ALL),
        "numpy": (np.geterr(), np.get_printoptions(), np.median is np.mean),
        "astropy": fits.conf.use_memmap,
        "variable": VARIABLE.get(),
        "tempdir": tempfile.gettempdir(),
        "json": sys.modules["json"] is json,
        "globals": (SCALAR, list(LIST), str(NESTED), ARRAY.tolist(), Kept.attribute, INSTANCE.attribute, INSTANCE.own),
        "defaults": remembering.__defaults__,
        "counted": COUNT.__closure__[0].cell_contents,
    }
