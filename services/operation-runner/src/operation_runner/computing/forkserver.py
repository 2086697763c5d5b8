"""What all users of multiprocessing's one fork server must agree on."""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import Any, Self

#: Held while a process is started or ended. Whoever starts one makes multiprocessing look after all others of this
#: runner, and two threads that look after the same one read its exit code twice.
_PROCESS_TURN = threading.Lock()

#: Modules the server process loads: the child's side of computations, all operations and actions.
_LOADED = (
    "operation_runner.computing.job",
    "operation_runner.analysing.worker",
    "operation_runner.offers.loaded",
)
#: Modules multiprocessing itself would load in each forked process.
_LOADED_BY_EVERY_CHILD = ("encodings.ascii", "multiprocessing.popen_forkserver")
_PACKAGES_VARIABLE = "DATALAB_PACKAGES_TO_LOAD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Packages:
    """Where operations and analysis actions are."""

    operations: tuple[str, ...]
    analyses: tuple[str, ...]

    @classmethod
    def to_load(cls) -> Self:
        """Return what the server process was told to load: its environment is the only way to it."""
        named = json.loads(os.environ.get(_PACKAGES_VARIABLE, "{}"))
        return cls(operations=tuple(named.get("operations", ())), analyses=tuple(named.get("analyses", ())))


def prepare_forkserver(packages: Packages) -> None:
    """Say what the server process is to load; it starts when the first process is wanted."""
    # Numerical libraries that start threads when loaded must not: a process with threads cannot safely be forked.
    for library in ("OPENBLAS", "OMP", "MKL"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    os.environ[_PACKAGES_VARIABLE] = json.dumps(asdict(packages))
    multiprocessing.get_context("forkserver").set_forkserver_preload([*_LOADED, *_LOADED_BY_EVERY_CHILD])


def start_process(target: Callable[..., None], *args: Any) -> ForkServerProcess:
    """Fork a process that calls `target`, also with the process id of its `parent`, which is the server process."""
    with _PROCESS_TURN:
        process = multiprocessing.get_context("forkserver").Process(
            target=target, args=args, kwargs={"parent": _forkserver_pid()}
        )
        process.start()
    return process


def end_process(process: ForkServerProcess) -> int | None:
    """Wait for a process that was told to end, or killed; return its exit code."""
    with _PROCESS_TURN:
        process.join()
        exit_code = process.exitcode
        process.close()
    return exit_code


@dataclass(frozen=True, slots=True)
class TalkingProcess:
    """A process that answers questions for as long as it lives, and our end of the pipe to it."""

    process: ForkServerProcess
    pipe: Connection

    @classmethod
    def start(cls, target: Callable[..., None], *args: Any) -> Self:
        """Fork one that calls `target` with its end of the pipe, then `args`, and `parent`."""
        ours, theirs = multiprocessing.get_context("forkserver").Pipe()
        with theirs:
            return cls(start_process(target, theirs, *args), ours)

    def kill(self) -> None:
        """Have it end; whoever waits for its answer hears of it."""
        with suppress(ValueError):  # it was ended meanwhile
            self.process.kill()

    def end(self) -> None:
        """Kill it and wait until it is gone."""
        self.pipe.close()
        self.process.kill()
        end_process(self.process)


def _forkserver_pid() -> int:
    """Return the process id of the server process, which is started if need be: the parent of what is forked."""
    from multiprocessing import forkserver  # noqa: PLC0415 - its one instance is private and made on first use

    forkserver.ensure_running()
    pid: int = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]  # noqa: SLF001
    return pid
