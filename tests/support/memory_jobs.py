"""The peak memory of operations by the number of their inputs: `python -m support.memory_jobs folder`, alone."""

import json
import os
import sys
from pathlib import Path

import numpy as np

from operation_runner.inputs import image_stack
from operation_runner.recipes import mosaic
from support.hostile import APERTURES, OPERATIONS, gaia_stars, sky_frame, target
from support.operations import run

#: Numbers of inputs that are compared.
FEW, MANY = 3, 12
SIDE = 300
IMAGE_BYTES = SIDE * SIDE * 4
#: What is worked on at once, which may grow to these limits: small, so that both numbers of inputs reach them.
_BAND_BYTES = 256 * 1024

_STACKINGS = {
    f"Stacking {mode} {combine}": ("Stacking", {"stacking_mode": mode, "combine": combine})
    for mode in ("simple", "reproject")
    for combine in ("sum", "median", "sigma-clipped")
}
#: By a name: the operation and its parameters besides the input files.
JOBS = {
    "Normalization": ("Normalization", {}),
    **_STACKINGS,
    "Light Curve": ("Light Curve", {"source": target()}),
    "Aperture Photometry": ("Aperture Photometry", {"source": target(), **APERTURES}),
    "Source Extraction": ("Source Extraction", {}),
    "Subtraction": ("Subtraction", {}),
}


def write_inputs(folder):
    """Write `MANY` frames of `SIDE` x `SIDE` pixels, which cover the field of the small ones, and return the paths."""
    frame = sky_frame(0)
    sky = np.random.default_rng(1).normal(200.0, 4.0, (SIDE, SIDE)).astype(np.float32)
    rows, columns = frame.pixels.shape
    sky[:rows, :columns] = frame.pixels
    frame.pixels = sky
    first = frame.write(folder, "input-0")
    others = [folder / f"input-{number}.fits" for number in range(1, MANY)]
    for path in others:
        os.link(first, path)
    return [first, *others]


def peak_bytes(name, paths, work_dir):
    """Return the most memory that this process had while an operation ran, in one process."""
    operation, parameters = JOBS[name]
    extra = {"subtraction_file": [paths[0]]} if operation == "Subtraction" else {}
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew: proc(5)
    run(OPERATIONS[operation], {"input_files": paths, **parameters, **extra}, work_dir=work_dir, stars=gaia_stars)
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def growths(folder):
    """Return by how much the peak grows per input, bytes, for every job."""
    image_stack._BAND_BYTES = mosaic.SCRATCH_BYTES = _BAND_BYTES
    paths = write_inputs(folder)
    found = {}
    for name in JOBS:
        # The first run loads what the operation needs.
        _, few, many = (
            peak_bytes(name, paths[:count], folder / f"{name}-{number}")
            for number, count in enumerate((FEW, FEW, MANY))
        )
        found[name] = (many - few) / (MANY - FEW)
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(growths(Path(sys.argv[1]))))
