"""What a computing process does: jobs, each with progress, products and questions for stars on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic, perf_counter
from typing import TYPE_CHECKING

from astropy.table import Table

from datalab.fits.configuration import remember_settings
from datalab.processes.limits import allow_many_files, keep_freed_memory, limit_memory
from datalab.processes.worker import Parent
from operation_runner.computing.model import StarsWanted
from operation_runner.inputs.image_stack import FitsInputs
from operation_runner.inputs.notes import InputNotes
from operation_runner.offers.loaded import operations_of
from operation_runner.results.products import ProductWriter
from operation_runner.sdk import Progress, SkyRegion
from operation_runner.sdk.jobs import Computed, Job

if TYPE_CHECKING:
    from datalab.astro.sky.sky_index import SkyIndex

#: The parent forwards at most one report a second, so more often is wasted.
_PROGRESS_INTERVAL_S = 0.1


def computing(
    parent: Parent, packages: tuple[str, ...], processes: int, memory_bytes: int, sky_index_dir: Path | None = None
) -> Callable[[Job], Computed]:
    """Return the function that does a job.

    It tells of progress as (fraction, message), and of each `LocalProduct`, and asks for `StarsWanted`.
    """
    allow_many_files()
    keep_freed_memory()
    remember_settings()
    operations = operations_of(packages)

    def compute(job: Job) -> Computed:
        operation = operations[job.operation]
        noted = InputNotes()
        writer = ProductWriter(operation=operation, job=job, input_notes=noted.of)
        limit_memory(memory_bytes)
        began = perf_counter()
        parameters = operation.Parameters.model_validate(job.parameters)
        with FitsInputs(
            job.paths,
            work_dir=job.work_dir,
            processes=processes,
            write=writer.write,
            stars=_stars_from(parent, job.work_dir),
            noted=noted,
            sky_indexes=lambda: _sky_indexes_in(sky_index_dir),
        ) as inputs:
            data = writer.collect(operation.compute(inputs, parameters, _progress_to(parent)), deliver=parent.tell)
        return Computed(data=data, compute_s=perf_counter() - began)

    return compute


def _stars_from(parent: Parent, work_dir: Path) -> Callable[[SkyRegion], Table]:
    """Return the function that has the runner fetch stars: this process reaches no network."""

    def stars(region: SkyRegion) -> Table:
        from datalab.astro.sky.gaia import read_stars  # noqa: PLC0415 - loaded already where an operation needs stars

        target = work_dir / "stars.vot"
        parent.ask(StarsWanted(region=region, target=target))
        with target.open("rb") as file:
            return read_stars(file, region)

    return stars


def _sky_indexes_in(folder: Path | None) -> Sequence[SkyIndex]:
    """Open the star indexes when an operation asks for them: they are read where it looks, and few ask."""
    if folder is None:
        return ()
    from operation_runner.stars.sky_indexes import sky_indexes  # noqa: PLC0415 - half a second, for those who need it

    return sky_indexes(folder)


def _progress_to(parent: Parent) -> Progress:
    last = 0.0

    def report(fraction: float, message: str) -> None:
        nonlocal last
        if monotonic() - last >= _PROGRESS_INTERVAL_S:
            last = monotonic()
            parent.tell((fraction, message))

    return Progress(report)
