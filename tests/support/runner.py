"""What tests of the operation runner share: FITS files of every kind, jobs, requests, a service to talk to."""

import contextlib
import hashlib
import sys
from pathlib import Path

import numpy as np
from astropy.io import fits

from datalab.errors import TransientError
from datalab.events.operations import InputFile, InputSource, Lane, OperationRequested
from operation_runner.main import create_app
from operation_runner.offers.packages import Packages
from operation_runner.sdk import FitsFile
from operation_runner.sdk.jobs import Job
from operation_runner.settings import OperationRunnerSettings

#: Few, because every runner of the tests loads them.
OPERATION_PACKAGES = ["operation_runner.operations.median", "support.slow_operations"]
ANALYSIS_PACKAGES = ["operation_runner.analysis", "support.slow_analyses"]
FEW_ANALYSES = ["operation_runner.analysis.wcs"]
PACKAGES = Packages(operations=tuple(OPERATION_PACKAGES), analyses=tuple(ANALYSIS_PACKAGES))

WCS_CARDS = {
    "CTYPE1": "RA---TAN",
    "CTYPE2": "DEC--TAN",
    "CRVAL1": 202.47,
    "CRVAL2": 47.2,
    "CRPIX1": 20.5,
    "CRPIX2": 16.5,
    "CD1_1": -2e-4,
    "CD1_2": 1e-6,
    "CD2_1": 1e-6,
    "CD2_2": 2e-4,
    "OBJECT": "M 51",
    "FILTER": "rp",
    "DATE-OBS": "2026-05-04T22:00:01.417",
}


def write_fits(path, pixels, *, header=None, compression=None, name="SCI", before=(), **options):
    """Write an image after an empty primary HDU; `compression` makes it a tile-compressed one."""
    header = fits.Header(header or {})
    if compression:
        image = fits.CompImageHDU(pixels, header, name=name, compression_type=compression, **options)
    else:
        image = fits.ImageHDU(pixels, header, name=name)
    fits.HDUList([fits.PrimaryHDU(), *before, image]).writeto(path, overwrite=True)
    return path


def input_file(path, *, source=InputSource.ARCHIVE, basename=None):
    """Describe a local file as the session API would."""
    content = path.read_bytes()
    return InputFile(
        source=source,
        basename=basename or path.name.split(".")[0],
        key=f"data/{path.name}",
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
    )


def chosen(files):
    """Return the files as an operation's parameter."""
    return [{"source": str(file.source), "basename": file.basename} for file in files]


def job(operation, parameters, *, work_dir, files=(), paths=None, result_key="ab" * 32):
    return Job(
        operation=operation,
        parameters=parameters,
        result_key=result_key,
        inputs=tuple(files),
        paths=paths or {},
        work_dir=work_dir,
    )


def median_job(paths, *, work_dir):
    files = [input_file(path) for path in paths]
    places = {(file.source, file.basename): path for file, path in zip(files, paths, strict=True)}
    return job("Median", {"input_files": chosen(files)}, work_dir=work_dir, files=files, paths=places)


def fits_file(basename):
    return FitsFile(source=InputSource.ARCHIVE, basename=basename)


def correlation_of(operation_id):
    """Return the correlation id of an operation, as the API would have kept it."""
    return f"operation-{operation_id}"


def request(operation="Median", parameters=None, files=(), *, operation_id=1, attempt=1, lane=Lane.SLOW, **changes):
    return OperationRequested(
        operation_id=operation_id,
        attempt=attempt,
        session_id=1,
        operation=operation,
        lane=lane,
        parameters={"input_files": chosen(files)} if parameters is None else parameters,
        input_files=tuple(files),
        **{"correlation_id": correlation_of(operation_id)} | changes,
    )


class NoStars:
    """A star catalogue that is away."""

    async def fetch(self, region, target):
        raise TransientError("there are no stars here")


def stars(rows, columns, *, seed):
    return np.random.default_rng(seed).normal(1000, 30, (rows, columns))


@contextlib.contextmanager
def no_main_module():
    """Hide pytest from computing processes, which would import it as their main module, once per job."""
    main = sys.modules["__main__"]
    hidden = {name: getattr(main, name) for name in ("__spec__", "__file__") if hasattr(main, name)}
    main.__spec__ = None
    if "__file__" in hidden:
        del main.__file__
    try:
        yield
    finally:
        for name, value in hidden.items():
            setattr(main, name, value)


def process_exists(pid):
    """Tell whether a process runs; one that ended and waits to be collected does not count."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


def pids_in(path):
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def open_descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


@contextlib.asynccontextmanager
async def runner_here(scratch_dir, *, analyses):
    """Run a runner in this process, with one slot of each kind and these packages of analyses."""
    with no_main_module():
        settings = OperationRunnerSettings(
            operation_packages=["support.slow_operations"],
            analysis_packages=analyses,
            scratch_dir=scratch_dir,
            slow_slots=1,
            fast_slots=1,
        )
        app = create_app(settings)
        async with app.router.lifespan_context(app):
            yield app
