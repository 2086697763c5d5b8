"""What operations make is the same to the last bit, however many processes make it; and memory has a limit."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from operation_runner.inputs import image_stack
from support.hostile import OPERATIONS, REQUESTS, damaged_frame, gaia_stars, request_with, write_good_files
from support.memory_jobs import IMAGE_BYTES, JOBS
from support.operations import run
from support.waiting import PATIENCE_S

#: Of memory for each further input: headers, descriptions, and what the allocator does not give back.
MOST_BYTES_PER_INPUT = IMAGE_BYTES // 2
#: Has glibc give freed memory back at once. Left alone it keeps some 10 MB now and then, whatever the operation does.
_GIVE_BACK = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good")
    sky, others = write_good_files(folder)
    return folder, sky, others


@pytest.fixture(autouse=True)
def many_small_bands(monkeypatch):
    """Have small images combined in several bands, by all processes, as large ones are."""
    monkeypatch.setattr(image_stack, "_PIXELS_WORTH_A_PROCESS", 1)
    monkeypatch.setattr(image_stack, "_MOST_BAND_ROWS", 10)


def made(name, files, work_dir, *, processes):
    """Return digests of all that a request gives, by place and role, and its data as text."""
    folder, sky, others = files
    kind = REQUESTS[name].kind
    one = folder / f"one-{kind}.fits"
    if not one.exists():
        damaged_frame(kind, None).write(folder, one.stem)
    outcome = run(
        OPERATIONS[REQUESTS[name].operation],
        request_with(name, one, sky, others),
        work_dir=work_dir,
        processes=processes,
        stars=gaia_stars,
    )
    digests = {
        (number, role): hashlib.sha256(file.path.read_bytes()).hexdigest()
        for number, product in enumerate(outcome.products)
        for role, file in product.files.items()
    }
    pictures = {
        (picture.field, picture.name): hashlib.sha256(picture.file.path.read_bytes()).hexdigest()
        for data in outcome.data
        for picture in data.pictures
    }
    return digests, pictures, json.dumps([data.content for data in outcome.data])


@pytest.mark.parametrize("name", REQUESTS)
def test_one_process_and_three_make_the_same(files, tmp_path, name):
    alone = made(name, files, tmp_path / "alone", processes=1)
    assert alone[0] or alone[2] != "[]"
    assert made(name, files, tmp_path / "together", processes=3) == alone


def test_memory_does_not_grow_with_the_number_of_images(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "support.memory_jobs", tmp_path],
        cwd=Path(__file__).parents[2],
        env=os.environ | _GIVE_BACK,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    growth = json.loads(done.stdout)
    assert set(growth) == set(JOBS)
    assert {name: each for name, each in growth.items() if each > MOST_BYTES_PER_INPUT} == {}
