"""What tests of analyses share: files, jobs, a pool that looks at them."""

import contextlib
import json

import numpy as np
from astropy.io import fits
from astropy.table import Table

from operation_runner.analysing.decoded_images import DecodedImages
from operation_runner.analysing.model import AnalysisJob
from operation_runner.analysing.pool import AnalysisPool
from support.runner import ANALYSIS_PACKAGES, input_file
from support.waiting import PATIENCE_S


@contextlib.asynccontextmanager
async def running_pool(folder, **changes):
    """Yield a pool with its own decoded images, ample limits unless others are given."""
    decoded = DecodedImages(folder=folder / "decoded", limit_bytes=changes.pop("decoded_bytes", 10**9))
    await decoded.start()
    limits = {"processes": 2, "memory_bytes": 1024**3, "largest_image_bytes": 10**9}
    pool = AnalysisPool(packages=ANALYSIS_PACKAGES, decoded=decoded, **(limits | changes))
    try:
        yield pool
    finally:
        await pool.stop()


def analysis_job(action, path, *, target=None, basename=None, **parameters):
    return AnalysisJob(
        action=action, parameters=parameters, file=input_file(path, basename=basename), path=path, target=target
    )


async def looked_at(pool, action, path, /, *, within_s=PATIENCE_S, **parameters):
    """Return what an action answers about a file: strict JSON, read back."""

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    answer = await pool.analyse(analysis_job(action, path, **parameters), within_s=within_s)
    return json.loads(answer, parse_constant=refuse)


def write_with_catalogue(path, pixels, sources, *, header=None, compression=None):
    """Write an image with a CAT extension as observatories do: nothing in the primary HDU, then SCI, then CAT."""
    cards = fits.Header(header or {})
    if compression:
        image = fits.CompImageHDU(pixels, cards, name="SCI", compression_type=compression)
    else:
        image = fits.ImageHDU(pixels, cards, name="SCI")
    hdus = [fits.PrimaryHDU(), image]
    if sources is not None:
        hdus.append(fits.BinTableHDU(Table(sources), name="CAT"))
    fits.HDUList(hdus).writeto(path, overwrite=True)
    return path


def night_sky(shape, *, seed=1, level=1000.0):
    return np.random.default_rng(seed).normal(level, 30.0, shape)
