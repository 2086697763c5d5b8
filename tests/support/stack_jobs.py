"""What tests of the image stack run in a process of its own. `python -m support.stack_jobs` measures memory."""

import json
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from datalab.astro.pixels.combine import median_dtype, median_rows
from datalab.errors import TransientError, UsageError
from datalab.processes.limits import allow_many_files
from operation_runner.inputs.image_stack import FitsInputs
from operation_runner.sdk import Progress
from support.runner import fits_file


def opened_inputs(folder, names, processes, work_dir):
    """Open files of a folder as an operation's inputs; products stay what they are, and there are no stars."""
    paths = {("archive", name): Path(folder) / name for name in names}
    return FitsInputs(paths, work_dir=Path(work_dir), processes=processes, write=lambda value: value, stars=None)


def median_of(folder, names, processes, using=median_rows):
    """Return the median of the files in a folder, and the progress seen."""
    seen = []
    with tempfile.TemporaryDirectory() as work_dir, opened_inputs(folder, names, processes, work_dir) as inputs:
        stack = inputs.stack([fits_file(name) for name in names])
        progress = Progress(lambda fraction, _: seen.append(fraction))
        return np.array(stack.combine(using, dtype=median_dtype(stack.dtype), progress=progress)), seen


def parallel(items, processes, using, *, shared=False):
    """Call a function for items; return what came, each progress, the pids, and what was left in a shared array."""
    seen = []
    with tempfile.TemporaryDirectory() as work_dir, opened_inputs(work_dir, [], processes, work_dir) as inputs:
        array = inputs.new_pixels((len(items), 1), "f4")

        def call(item):
            if shared:
                array[item] = item
            return using(item), os.getpid()

        answers = list(inputs.parallel(call, items, progress=Progress(lambda fraction, _: seen.append(fraction))))
        left = np.array(array)[:, 0].tolist()
    return [answer for answer, _ in answers], seen, {pid for _, pid in answers}, left


def square(number):
    return number**2


def refuse_five(number):
    if number == 5:
        raise UsageError("five cannot work")
    return number


def failure_of_parallel(using):
    """Return how a call that fails is reported, and how many children it left."""
    try:
        parallel(list(range(9)), 2, using)
    except (UsageError, TransientError, RuntimeError) as error:
        return f"{type(error).__name__}: {error}", len(multiprocessing.active_children())
    return None, len(multiprocessing.active_children())


def raise_a_bug(_):
    raise ZeroDivisionError("a bug in the combination")


def die(_):
    os.kill(os.getpid(), signal.SIGKILL)


def run_out_of_memory(_):
    raise MemoryError


def first_dies_others_wait(band):
    """Kill the process with the brightest first pixel; the others must be ended by whoever started them."""
    if band[0, 0, 0] > 1e6:
        die(band)
    time.sleep(60)
    return band[0]


def failure_of(folder, names, using):
    """Return how combining with two processes fails, how long it took, and how many children it left."""
    began = time.monotonic()
    try:
        median_of(folder, names, 2, using)
    except (UsageError, TransientError, MemoryError, RuntimeError) as error:
        failure = f"{type(error).__name__}: {error}"
    else:
        failure = None
    return failure, time.monotonic() - began, len(multiprocessing.active_children())


def median_with_few_files_allowed(folder, names):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    allow_many_files()
    return median_of(folder, names, 1)[0]


def peak_memory_bytes(folder, count):
    median_of(folder, [f"{number}.fits" for number in range(count)], 1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    sys.stdout.write(json.dumps(peak_memory_bytes(sys.argv[1], int(sys.argv[2]))))
