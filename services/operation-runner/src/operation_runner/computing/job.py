"""The child's side of a computation: one process, one job, one answer."""

from __future__ import annotations

import gc
import os
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from time import monotonic, perf_counter

from astropy.table import Table

from datalab.errors import TransientError, UsageError
from datalab.processes.limits import allow_many_files, die_with_parent, keep_freed_memory, limit_memory
from operation_runner.computing.messages import BUG, MEMORY, TRANSIENT, USAGE, Assignment, StarsWanted
from operation_runner.inputs.image_stack import FitsInputs
from operation_runner.offers.loaded import operations_of
from operation_runner.results.products import ProductWriter
from operation_runner.sdk import Progress, SkyRegion
from operation_runner.sdk.jobs import Computed

#: The parent forwards at most one report a second, so more often is wasted.
_PROGRESS_INTERVAL_S = 0.1


def do_one_job(assignments: Connection, answers: Connection, *, parent: int) -> None:
    """Wait for an `Assignment`; send progress as (fraction, message), each `LocalProduct`, then the last word.

    That is `Computed`, or (kind, text).
    """
    os.setsid()  # a group of our own: the parent ends us together with our children
    _let_server_end()
    die_with_parent(parent)
    allow_many_files()
    keep_freed_memory()
    # What the server process loaded stays as it is: looking through it for garbage would copy all of its memory.
    gc.freeze()
    try:
        assignment: Assignment = assignments.recv()
    except EOFError:  # the runner stopped before it had work for us
        return
    _compute(assignment, answers, replies=assignments)


def _compute(assignment: Assignment, connection: Connection, *, replies: Connection) -> None:
    job = assignment.job
    operation = operations_of(assignment.packages)[job.operation]
    writer = ProductWriter(operation=operation, job=job)
    limit_memory(assignment.memory_bytes)
    began = perf_counter()
    try:
        parameters = operation.Parameters.model_validate(job.parameters)
        with FitsInputs(
            job.paths,
            work_dir=job.work_dir,
            processes=assignment.processes,
            write=writer.write,
            stars=_stars_from_parent(connection, replies, job.work_dir),
        ) as inputs:
            data = writer.collect(
                operation.compute(inputs, parameters, _progress_over(connection)), deliver=connection.send
            )
        computed = Computed(data=data, compute_s=perf_counter() - began)
    except UsageError as error:
        connection.send((USAGE, error.message))
    except TransientError as error:
        connection.send((TRANSIENT, error.message))
    except MemoryError:
        connection.send((MEMORY, ""))
    except OSError as error:
        if error.errno is None:  # not from the operating system
            connection.send((BUG, traceback.format_exc()))
        else:
            connection.send((TRANSIENT, f"The computer that runs the operation failed: {error.strerror}."))
    except Exception:  # noqa: BLE001 - whatever it is must reach the log of the parent
        connection.send((BUG, traceback.format_exc()))
    else:
        connection.send(computed)


def _stars_from_parent(questions: Connection, replies: Connection, work_dir: Path) -> Callable[[SkyRegion], Table]:
    """Return the function that has the runner fetch stars: this process reaches no network."""

    def stars(region: SkyRegion) -> Table:
        from datalab.astro.sky.gaia import read_stars  # noqa: PLC0415 - loaded already where an operation needs stars

        target = work_dir / "stars.vot"
        questions.send(StarsWanted(region=region, target=target))
        refusal = replies.recv()
        if refusal is not None:
            raise refusal
        with target.open("rb") as file:
            return read_stars(file, region)

    return stars


def _let_server_end() -> None:
    """Give up our end of the pipe that tells the server process whether the runner lives.

    Every child gets one, to start processes of its own; with it, children would outlive a killed runner.
    """
    os.close(forkserver._forkserver._forkserver_alive_fd)  # type: ignore[attr-defined]  # noqa: SLF001 - no public way


def _progress_over(connection: Connection) -> Progress:
    last = 0.0

    def report(fraction: float, message: str) -> None:
        nonlocal last
        if monotonic() - last >= _PROGRESS_INTERVAL_S:
            last = monotonic()
            with suppress(OSError):  # the parent no longer listens, and is about to end us
                connection.send((fraction, message))

    return Progress(report)
