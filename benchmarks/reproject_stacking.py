"""Stacking in the mode reproject of 8 dithered and slightly turned frames of 2048 x 2048, against the plain way.

Ours: a runner process that was just started; measured is computing alone, from files to files, and the memory of all
its processes above that of an idle runner. `double_memory_ratio` is the memory of the whole runner in units of that
with half of the frames.
Plain: a process that reads the frames with astropy, has `reproject` find the best grid (`find_optimal_celestial_wcs`)
and move every frame there (`reproject_adaptive`, flux conserving), crops to what all cover and sums with
`numpy.nansum`; memory is that above a program that only imports. `interpolating_ratio` compares with `reproject_interp`
(bicubic) in its place, which is the fastest way of that library that keeps stars sharp.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from support import bench, idle_megabytes, middle, report, run_ours, run_plain, stored_pixels, write_frames

SIDE = 2048
FRAMES = 8
#: The plain way takes minutes, which no hiccup of the machine changes much.
REPETITIONS = 1
DITHER_PX = 12.3
TURN_DEG = 0.4
#: Kernels differ: the level of the sky in both stacks may differ by this part.
LEVEL_TOLERANCE = 0.002

PLAIN = """
import sys, time
import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from reproject import reproject_adaptive, reproject_interp
from reproject.mosaicking import find_optimal_celestial_wcs

method, target, *paths = sys.argv[1:]
began = time.perf_counter()
images = []
for path in paths:
    with fits.open(path) as hdus:
        images.append((hdus["SCI"].data.astype(float), WCS(hdus["SCI"].header)))
wcs, shape = find_optimal_celestial_wcs(images)
moved = []
for image in images:
    if method == "adaptive":
        moved.append(reproject_adaptive(image, wcs, shape, conserve_flux=True)[0])
    else:
        moved.append(reproject_interp(image, wcs, shape, order="bicubic")[0])
covered = ~np.isnan(moved).any(axis=0)
rows = np.flatnonzero(covered[:, shape[1] // 2])
columns = np.flatnonzero(covered[shape[0] // 2])
box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
stacked = np.nansum([image[box] for image in moved], axis=0)
fits.writeto(target, stacked, wcs.to_header())
print(time.perf_counter() - began)
"""


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="datalab-bench-") as folder:
        paths = [dithered(path, number) for number, path in enumerate(write_frames(Path(folder), FRAMES, SIDE))]
        adaptive, interpolating, ours, half, computing = [], [], [], [], []
        imported_mb = run_plain(PLAIN.partition("method, target")[0] + "print(0)").megabytes
        async with bench() as running:
            idle_mb = await idle_megabytes(running)
            for repetition in range(REPETITIONS):
                target = Path(folder) / f"plain-{repetition}.fits"
                adaptive.append(await asyncio.to_thread(run_plain, PLAIN, "adaptive", target, *paths))
                target.unlink()
                interpolating.append(await asyncio.to_thread(run_plain, PLAIN, "interpolating", target, *paths))
                chosen = {"input_files": paths}
                run, success = await run_ours(running, "Stacking", chosen, stacking_mode="reproject")
                ours.append(run)
                computing.append(success.compute_s)
                level, plain_level = np.median(await stored_pixels(running, success)), np.median(fits.getdata(target))
                if abs(level / plain_level - 1) > LEVEL_TOLERANCE:
                    raise RuntimeError(f"the results differ: {level} and {plain_level}")
                fewer = {"input_files": paths[: FRAMES // 2]}
                half.append((await run_ours(running, "Stacking", fewer, stacking_mode="reproject"))[0])
                print(
                    f"adaptive {adaptive[-1]}  interpolating {interpolating[-1]}  ours {ours[-1]}, "
                    f"computing {computing[-1]:.2f} s, half of the frames {half[-1]}",
                    flush=True,
                )
    by_adaptive, by_interpolating, by_us, by_half = middle(adaptive), middle(interpolating), middle(ours), middle(half)
    seconds = float(np.median(computing))
    plain_mb, ours_mb = by_adaptive.megabytes - imported_mb, by_us.megabytes - idle_mb
    report(
        "reproject_stacking",
        {
            "time_ratio": round(by_adaptive.seconds / seconds, 2),
            "interpolating_ratio": round(by_interpolating.seconds / seconds, 2),
            "memory_ratio": round(ours_mb / plain_mb, 3),
            "double_memory_ratio": round(by_us.megabytes / by_half.megabytes, 3),
            "plain_s": by_adaptive.seconds,
            "interpolating_s": by_interpolating.seconds,
            "ours_s": round(seconds, 3),
            "plain_mb": round(plain_mb),
            "two_images_and_mosaic_mb": round(3 * SIDE**2 * 8 / 1e6),
            "ours_mb": round(ours_mb),
        },
    )


def dithered(path: Path, number: int) -> Path:
    """Give a frame a WCS that is a little off and turned, as if the telescope had moved between the exposures."""
    with fits.open(path, mode="update") as hdus:
        header = hdus["SCI"].header
        wcs = WCS(header)
        angle = np.radians(TURN_DEG * number)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        matrix = turn @ wcs.pixel_scale_matrix
        for row in range(2):
            header[f"CRPIX{row + 1}"] += DITHER_PX * number * (-1) ** row
            for column in range(2):
                header[f"CD{row + 1}_{column + 1}"] = matrix[row, column]
    return path


asyncio.run(main())
