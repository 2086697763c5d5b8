"""Normalization and Subtraction of 30 frames of 2048 x 2048, against the plain way.

`time_ratio` is computing alone, from files to files: frames are decoded, divided or subtracted, and a FITS file and
two JPEGs written of each; by the processes of a runner, and by a process with astropy and numpy that does one frame
after the other, both measured without starting Python and importing.
`whole_ratio` counts also what comes before and after: ours from publishing the request to hearing the success, with
frames fetched from and products sent to the local S3 server; the plain way with the same files fetched and sent, one
after the other. That server takes about 100 MB/s, which is most of either.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median

import numpy as np
from astropy.io import fits

from datalab.events.operations import InputFile
from operation_runner.computing.computer import ProcessComputer
from operation_runner.offers.packages import Packages, prepare_processes
from operation_runner.sdk.jobs import Job
from support import Bench, bench, middle, report, run_ours, run_plain, stored_pixels, write_frames

SIDE = 2048
FRAMES = 30
REPETITIONS = 3
PACKAGES = ("operation_runner.operations.normalization", "operation_runner.operations.subtraction")

PLAIN = """
import sys, time
import numpy as np
from astropy.io import fits
from plain import write_image

operation, target, other, *paths = sys.argv[1:]
began = time.perf_counter()
with fits.open(other) as hdus:
    subtracted = hdus["SCI"].data.astype(np.float32)
for number, path in enumerate(paths):
    with fits.open(path) as hdus:
        pixels = hdus["SCI"].data
        header = hdus["SCI"].header
    made = pixels / np.median(pixels) if operation == "Normalization" else pixels - subtracted
    write_image(made, header, f"{target}-{number}")
print(time.perf_counter() - began)
"""


async def main() -> None:
    figures: dict[str, object] = {}
    with tempfile.TemporaryDirectory(prefix="datalab-bench-") as folder:
        *paths, other = write_frames(Path(folder), FRAMES + 1, SIDE)
        async with bench() as running, computing() as computer:
            for operation in ("Normalization", "Subtraction"):
                chosen = {"input_files": paths} | ({"subtraction_file": [other]} if operation == "Subtraction" else {})
                plain, moving, ours, whole = [], [], [], []
                for repetition in range(REPETITIONS):
                    # Both find the memory in which files were that have just been deleted: new memory costs time.
                    ours.append(await computing_s(computer, new_job(operation, chosen, Path(folder))))
                    target = Path(folder) / f"{operation}-{repetition}"
                    plain.append(await asyncio.to_thread(run_plain, PLAIN, operation, target, other, *paths))
                    moving.append(await transfer_s(running, paths, made_by_plain(target)))
                    run, success = await run_ours(running, operation, chosen)
                    whole.append(run)
                    same = np.allclose(
                        await stored_pixels(running, success, 1), fits.getdata(f"{target}-1.fits", "SCI"), rtol=1e-6
                    )
                    for path in made_by_plain(target):
                        path.unlink()
                    if not same:
                        raise RuntimeError("the results differ")
                    print(
                        f"{operation}: plain {plain[-1].seconds:.2f} s + transfer {moving[-1]:.2f} s, "
                        f"ours {ours[-1]:.2f} s, in all {run.seconds:.2f} s",
                        flush=True,
                    )
                plain_s, ours_s = median(run.seconds for run in plain), median(ours)
                name = operation.lower()
                figures[f"{name}_time_ratio"] = round(plain_s / ours_s, 2)
                figures[f"{name}_whole_ratio"] = round((plain_s + median(moving)) / middle(whole).seconds, 2)
                figures[f"{name}_plain_s"] = round(plain_s, 3)
                figures[f"{name}_ours_s"] = round(ours_s, 3)
                figures[f"{name}_whole_s"] = middle(whole).seconds
    report("image_by_image", figures)


@asynccontextmanager
async def computing() -> AsyncIterator[ProcessComputer]:
    """Give the block what a runner computes with."""
    packages = Packages(operations=PACKAGES, analyses=())
    prepare_processes(packages)
    computer = ProcessComputer(
        packages=PACKAGES,
        stars=None,  # nobody asks
        slots=1,
        processes=os.cpu_count() or 1,
        time_limit_s=600.0,
        memory_bytes=4 * 1024**3,
    )
    await computer.start()
    try:
        yield computer
    finally:
        await computer.stop()


async def computing_s(computer: ProcessComputer, job: Job) -> float:
    """Return the seconds from the files of the inputs to those of the products."""
    os.sync()
    computed = await computer.compute(job, on_progress=lambda *_: None, on_product=lambda _: None)
    shutil.rmtree(job.work_dir)
    return computed.compute_s


def new_job(operation: str, chosen: dict[str, list[Path]], folder: Path) -> Job:
    files = {
        path: InputFile(
            source="archive",
            basename=path.name.partition(".")[0],
            key=path.name,
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            size_bytes=path.stat().st_size,
        )
        for paths in chosen.values()
        for path in paths
    }
    return Job(
        operation=operation,
        parameters={
            name: [{"source": "archive", "basename": files[path].basename} for path in paths]
            for name, paths in chosen.items()
        },
        result_key="0" * 64,
        inputs=tuple(files.values()),
        paths={(file.source, file.basename): path for path, file in files.items()},
        work_dir=Path(tempfile.mkdtemp(dir=folder)),
    )


def made_by_plain(target: Path) -> list[Path]:
    return sorted(target.parent.glob(f"{target.name}-*"))


async def transfer_s(running: Bench, inputs: list[Path], outputs: list[Path]) -> float:
    """Return the seconds it takes to fetch the inputs and to send the outputs, one after the other."""
    stored = await running.upload(inputs)
    os.sync()
    began = time.perf_counter()
    for file in stored:
        await running.store.fetch_file(file.key, outputs[0].parent / "fetched")
    for path in outputs:
        await running.store.put_file(f"plain/{path.name}", path, content_type="application/octet-stream")
    return time.perf_counter() - began


if __name__ == "__main__":
    asyncio.run(main())
