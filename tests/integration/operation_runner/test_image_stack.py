import functools
import json
import multiprocessing
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from support import stack_jobs
from support.runner import write_fits


@pytest.fixture(scope="module")
def process(lean_processes):
    """Run functions in one fresh process without threads, as a job has; `process(function, *arguments)`."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("forkserver")) as executor:
        yield lambda function, *arguments: executor.submit(function, *arguments).result(timeout=60)


def images(folder, count, shape=(30, 40), dtype="u2", **options):
    """Write images; return their names and pixels."""
    rng = np.random.default_rng(11)
    names, pixels = [], []
    for number in range(count):
        name = f"{number}.fits"
        pixels.append(rng.normal(1000, 50, shape).astype(dtype))
        write_fits(folder / name, pixels[-1], **options)
        names.append(name)
    return names, pixels


@pytest.mark.parametrize(("dtype", "result"), [("u1", "f4"), ("u2", "f4"), ("i4", "f8"), ("f4", "f4"), ("f8", "f8")])
@pytest.mark.parametrize("count", [2, 3, 8])
def test_the_median_is_that_of_numpy(tmp_path, process, dtype, result, count):
    names, pixels = images(tmp_path, count, dtype=dtype)
    median, progress = process(stack_jobs.median_of, tmp_path, names, 1)
    assert median.dtype == np.dtype(result)
    np.testing.assert_array_equal(median, np.median(pixels, axis=0).astype(result))
    assert progress == sorted(progress)
    assert progress[-1] == 1.0


def test_images_are_cropped_from_the_corner_to_their_common_shape(tmp_path, process):
    shapes = [(20, 30), (25, 18), (22, 40)]
    pixels = [np.random.default_rng(n).normal(0, 1, shape).astype("f4") for n, shape in enumerate(shapes)]
    names = [write_fits(tmp_path / f"{n}.fits", image).name for n, image in enumerate(pixels)]
    median, _ = process(stack_jobs.median_of, tmp_path, names, 1)
    np.testing.assert_array_equal(median, np.median([image[:20, :18] for image in pixels], axis=0))


def test_mixed_types_and_codecs_are_combined_in_one_that_holds_them_all(tmp_path, process):
    rng = np.random.default_rng(2)
    whole = rng.integers(0, 60_000, (20, 30)).astype("u2")
    signed = rng.integers(-(2**31), 2**31, (20, 30)).astype("i4")
    floats = rng.normal(0, 1e5, (20, 30)).astype("f4")
    write_fits(tmp_path / "a", whole, compression="RICE_1")
    write_fits(tmp_path / "b", signed)
    write_fits(tmp_path / "c", floats)
    median, _ = process(stack_jobs.median_of, tmp_path, ["a", "b", "c"], 1)
    np.testing.assert_array_equal(median, np.median([whole.astype("f8"), signed, floats], axis=0))


def test_blank_pixels_are_left_out(tmp_path, process):
    pixels = np.random.default_rng(3).normal(0, 1, (5, 20, 30)).astype("f4")
    pixels[0, 4], pixels[:4, 5], pixels[:, 6] = np.nan, np.nan, np.nan
    names = [write_fits(tmp_path / f"{n}.fits", image).name for n, image in enumerate(pixels)]
    median, _ = process(stack_jobs.median_of, tmp_path, names, 1)
    np.testing.assert_array_equal(median[4], np.median(pixels[1:, 4], axis=0))
    np.testing.assert_array_equal(median[5], pixels[4, 5])
    assert np.isnan(median[6]).all()
    assert np.isfinite(np.delete(median, 6, axis=0)).all()


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Images large enough to be worth several processes."""
    folder = tmp_path_factory.mktemp("large")
    return folder, *images(folder, 5, shape=(1000, 900), compression="RICE_1")


def test_several_processes_give_the_same_as_one(large, process):
    folder, names, pixels = large
    median, progress = process(stack_jobs.median_of, folder, names, 2)
    np.testing.assert_array_equal(median, np.median(pixels, axis=0))
    assert progress[-1] == 1.0
    assert len(progress) == 8  # one word for each band of 128 rows, from whichever process


@pytest.mark.parametrize(
    ("using", "failure"),
    [
        (stack_jobs.raise_a_bug, "ZeroDivisionError: a bug in the combination"),
        (stack_jobs.die, "TransientError: A process that computed a part of the operation was killed"),
        (stack_jobs.run_out_of_memory, "MemoryError"),
    ],
)
def test_a_process_that_fails_ends_the_others_and_is_reported(large, process, using, failure):
    folder, names, _ = large
    said, _, children = process(stack_jobs.failure_of, folder, names, using)
    assert failure in said
    assert children == 0


def test_a_process_that_dies_does_not_wait_for_the_others(tmp_path, process):
    names, pixels = images(tmp_path, 5, shape=(1000, 900), dtype="f4")
    for name, image in zip(names, pixels, strict=True):
        image[0, 0] = 1e7  # so that only the process with the first band dies
        write_fits(tmp_path / name, image)
    said, seconds, children = process(stack_jobs.failure_of, tmp_path, names, stack_jobs.first_dies_others_wait)
    assert "TransientError" in said
    assert children == 0
    assert seconds < 30


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_calls_side_by_side_answer_in_the_order_of_the_items(process, processes):
    answers, progress, pids, left = process(stack_jobs.parallel, list(range(7)), processes, stack_jobs.square)
    assert answers == [0, 1, 4, 9, 16, 25, 36]
    assert progress == [number / 7 for number in range(1, 8)]
    assert len(pids) == processes
    assert left == [0] * 7


def test_an_array_on_disk_has_its_room_before_anybody_writes_into_it(tmp_path):
    with stack_jobs.opened_inputs(tmp_path, [], 1, tmp_path) as inputs:
        array = inputs.new_pixels((300, 1000), "f4")
        (path,) = tmp_path.iterdir()
        assert path.stat().st_blocks * 512 >= array.nbytes
        assert not array.any()


def test_calls_side_by_side_share_arrays_on_disk(process):
    *_, left = process(functools.partial(stack_jobs.parallel, shared=True), list(range(7)), 2, stack_jobs.square)
    assert left == list(range(7))


@pytest.mark.parametrize(
    ("using", "failure"),
    [
        (stack_jobs.refuse_five, "UsageError: five cannot work"),
        (stack_jobs.die, "TransientError: A process that computed a part of the operation was killed"),
        (stack_jobs.raise_a_bug, "ZeroDivisionError"),
    ],
)
def test_a_call_that_fails_ends_the_others_and_is_reported(process, using, failure):
    said, children = process(stack_jobs.failure_of_parallel, using)
    assert failure in said
    assert children == 0


def test_an_image_damaged_in_the_middle_is_named(large, process, tmp_path):
    folder, names, _ = large
    for name in names:
        (tmp_path / name).symlink_to(folder / name)
    damaged = tmp_path / names[3]
    content = bytearray(damaged.read_bytes())
    damaged.unlink()
    content[2 * 2880 : 2 * 2880 + 8000] = b"\xff" * 8000  # the table of rows
    damaged.write_bytes(content)
    said, _, children = process(stack_jobs.failure_of, tmp_path, names, None)
    assert said.startswith("UsageError: The input file 3.fits is damaged")
    assert children == 0


def test_more_files_than_a_process_may_usually_open(tmp_path, process):
    names, pixels = images(tmp_path, 300, shape=(4, 5), dtype="f4")
    median = process(stack_jobs.median_with_few_files_allowed, tmp_path, names)
    np.testing.assert_array_equal(median, np.median(pixels, axis=0))


def test_memory_does_not_grow_with_the_number_of_images(tmp_path):
    """Of a further image, 64 KiB of planes in the network and its header are kept, but not its pixels (2 MiB)."""
    ((name,), _) = images(tmp_path, 1, shape=(512, 1024), dtype="f4")
    for number in range(1, 88):
        (tmp_path / f"{number}.fits").symlink_to(tmp_path / name)

    def peak(count):
        command = [sys.executable, "-m", "support.stack_jobs", str(tmp_path), str(count)]
        tests = Path(stack_jobs.__file__).parents[1]
        return json.loads(subprocess.run(command, cwd=tests, capture_output=True, check=True).stdout)

    assert (peak(88) - peak(24)) / 64 < 160 * 1024  # both fill a band of 12 MiB
