"""Starting processes from multiprocessing's one fork server: everything all its users must agree on.

The server is a clean program with one thread, which loads modules and forks; so it is safe to start processes from a
program with threads, and a process is there in milliseconds with its modules loaded.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable
from multiprocessing import forkserver
from multiprocessing.context import ForkServerProcess
from typing import Any

_context = multiprocessing.get_context("forkserver")

#: Held while a process is started or ended. Whoever starts one makes multiprocessing look after all others of this
#: program, and two threads that look after the same one read its exit code twice.
_PROCESS_TURN = threading.Lock()

#: What the server is to load. Multiprocessing itself would load the first two in each forked process.
_preloaded = ["encodings.ascii", "multiprocessing.popen_forkserver", "datalab.processes.worker"]


def preload(modules: Iterable[str]) -> None:
    """Have the server load modules, besides those named before; it starts when the first process is wanted."""
    # Numerical libraries that start threads when loaded must not: a process with threads cannot safely be forked.
    for library in ("OPENBLAS", "OMP", "MKL"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    _preloaded.extend(module for module in modules if module not in _preloaded)
    _context.set_forkserver_preload(list(_preloaded))


def start_process(target: Callable[..., None], *arguments: Any) -> ForkServerProcess:
    """Fork a process that calls `target`, also with the process id of its `parent`, which is the server.

    Raises `EOFError` or `OSError` if there is no server and none can be started.
    """
    with _PROCESS_TURN:
        process = _context.Process(target=target, args=arguments, kwargs={"parent": server_pid()})
        process.start()
    return process


def end_process(process: ForkServerProcess) -> int | None:
    """Wait for a process that was told to end, or killed; return its exit code."""
    with _PROCESS_TURN:
        process.join()
        exit_code = process.exitcode
        process.close()
    return exit_code


def server_pid() -> int:
    """Return the process id of the server, which is started if need be."""
    forkserver.ensure_running()
    pid: int = _server()._forkserver_pid  # noqa: SLF001 - no public way
    return pid


def let_server_end() -> None:
    """In a forked process, give up our end of the pipe that tells the server whether the program lives.

    Every process gets one, to start processes of its own; with it, it would outlive a program that was killed.
    """
    os.close(_server()._forkserver_alive_fd)  # noqa: SLF001 - no public way


def _server() -> Any:
    """Return multiprocessing's one server, which is private."""
    return forkserver._forkserver  # noqa: SLF001
