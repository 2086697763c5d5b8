"""How long frames of a kind are kept."""

from datetime import timedelta

import pytest

from datalab.documents.file_names import parse_file_name
from ingest.frames.lifetimes import Lifetimes
from ingest.frames.model import new_frame
from ingest.settings import IngestSettings
from support.ingest import BEGINNING, World, announced


@pytest.fixture
def lifetimes():
    settings = IngestSettings()
    return Lifetimes(by_type=settings.expire_after_s, by_site=settings.expire_after_s_at_sites)


@pytest.mark.parametrize(
    ("site", "data_type", "days"),
    [
        ("mrc", "EP", 7),
        ("mrc", "EF", 1),
        ("tst", "EP", 300 / 86_400),
        ("tst", "EF", 300 / 86_400),
        *((site, kind, None) for site in ("mrc", "tst") for kind in ("EX", "E", "ep", None)),
    ],
)
def test_by_default_as_it_has_always_been(lifetimes, site, data_type, days):
    assert lifetimes.of(site, data_type) == (None if days is None else timedelta(days=days))


def test_a_frame_is_kept_from_its_first_file_on():
    name = parse_file_name("mrc-cam01-20260504-00000042-EP00.txt")
    frame = new_frame(name=name, site="mrc", frame_id=1, now=BEGINNING, life=timedelta(days=7))
    assert frame.expires_at == BEGINNING + timedelta(days=7)


async def test_only_frames_of_such_a_kind_have_an_end():
    world = World()
    for ending in ("EP10.jpg", "EX10.jpg"):
        base = f"mrc-cam01-20260504-000000{ending[1] == 'P':02d}"
        world.objects.put(f"data/{base}-{ending}", b"x")
        await world.ingestion.ingest(announced(f"data/{base}-{ending}", site="mrc"))
    assert [frame.expires_at is None for frame in world.frames.frames.values()] == [False, True]
