"""All-sky images: whatever sites call them, the latest is the latest."""

from datetime import timedelta
from itertools import permutations

import pytest

from datalab.documents.file_names import allsky_image_name
from datalab.documents.frame import FrameFile, Observation
from datalab.documents.upload import Outcome
from datalab.errors import UsageError
from ingest.allsky.model import with_file
from ingest.frames.model import FrameHeader
from support.ingest import BEGINNING, World, announced, later, notified, sha256_of

BASE = "tst-allsky-20260504-00000042"
KEEP = timedelta(days=7)


def key_of(ending="EX10.jpg", base=BASE):
    return f"allsky/{base}-{ending}"


def file_of(name, content=b"1", *, stored=0.0):
    return FrameFile(
        key=f"allsky/{name}",
        size_bytes=len(content),
        sha256=sha256_of(content),
        etag="",
        media_type="image/jpeg",
        stored_at=later(stored),
    )


def header(moment):
    return FrameHeader(source="text", cards={"OBJECT": "sky"}, observation=Observation(observation_date=moment))


def with_files(*files):
    image = None
    for name, stored, said in files:
        image = with_file(
            image,
            site="tst",
            name=allsky_image_name(name),
            file=file_of(name, stored=stored),
            header=said,
            keep=KEEP,
            now=BEGINNING,
        )
    return image


FILES = (
    (f"{BASE}-EX10.jpg", 5, None),
    (f"{BASE}-EX00.txt", 7, header(later(-60))),
    (f"{BASE}-EX00.fits", 6, header(later(-90)).model_copy(update={"source": "fits"})),
)


@pytest.mark.parametrize("files", list(permutations(FILES)))
def test_any_order_gives_the_same_image(files):
    image = with_files(*files)
    assert image.model_copy(update={"files": {}}) == with_files(*FILES).model_copy(update={"files": {}})
    assert sorted(image.files) == ["fits_00", "jpg_10", "txt_00"]
    assert (image.taken_at, image.header_role, image.expires_at) == (later(-60), "txt_00", later(7) + KEEP)
    assert image.picture.key == key_of()


def test_a_clock_that_is_ahead_does_not_keep_its_image_on_top():
    assert with_files((f"{BASE}-EX00.txt", 7, header(later(9_000_000)))).taken_at == later(7)


def test_a_name_that_is_always_the_same_has_the_latest_file():
    image = with_files(("tst-allsky.jpg", 1, None), ("tst-allsky.jpg", 9, None), ("tst-allsky.jpg", 4, None))
    assert (image.basename, image.taken_at, image.picture.stored_at) == ("tst-allsky", later(9), later(9))


@pytest.mark.parametrize(
    ("name", "basename", "role"),
    [
        ("tst-allsky.jpg", "tst-allsky", "jpg"),
        ("tst-all sky 1.PNG", "tst-all sky 1", "png"),
        ("tst-allsky.fits.fz", "tst-allsky", "fits"),
        (f"{BASE}-EX10.jpg", BASE, "jpg_10"),
    ],
)
def test_what_a_name_says(name, basename, role):
    said = allsky_image_name(name)
    assert (said.site, said.basename, said.role) == ("tst", basename, role)


@pytest.mark.parametrize("name", ["", "allsky.jpg", "-x.jpg", "tst-x", "tst-a/b.jpg", "tst-x.jp\ng", "x" * 300])
def test_what_is_no_name(name):
    with pytest.raises(UsageError):
        allsky_image_name(name)


async def test_files_become_an_image_with_its_events_and_entries():
    world = World()
    keys = [key_of(), key_of("EX00.txt")]
    for key in keys:
        world.objects.put(key, key.encode())
        assert await world.ingestion.ingest(notified(key)) is Outcome.INGESTED
        assert await world.ingestion.ingest(announced(key)) is Outcome.UNCHANGED
    assert [(event.site, event.key, event.roles) for event in world.skies.outbox] == [
        ("tst", keys[0], ("jpg_10",)),
        ("tst", keys[1], ("jpg_10", "txt_00")),
    ]
    assert {entry.key for entry in world.uploads.entries.values()} == set(keys)
    assert world.frames.frames == {}


async def test_a_picture_nobody_looked_into_has_the_type_its_name_tells():
    world = World()
    world.objects.put("allsky/tst-sky.png", b"x")
    await world.ingestion.ingest(notified("allsky/tst-sky.png"))
    assert world.skies.images["tst-sky"].has_picture
