"""Files of OCS ingesters become frames as the ingester says, and each replaces the one before."""

import pytest

from datalab.documents.file_names import Content, recorded_file_name
from datalab.documents.frame import FrameFile, Observation
from datalab.documents.upload import Outcome
from datalab.errors import UsageError
from datalab.events.frames import FileRecordRequested, FrameRecord
from datalab.events.object_keys import recorded_key
from ingest.arrivals.records import arrival_of
from ingest.frames.model import FrameHeader, Inspection, new_frame, recorded_inspection, with_file
from support.ingest import BEGINNING, World, later, sha256_of

BASENAME = "tst1m0XX-ab12-20260504-0001-e00"
LCO = "tst1m012-ab12-20260504-0001-e91"


def requested(version="v1", content=b"1", basename=LCO, *, role="fits", extension=".fits.fz", **said):
    record = FrameRecord(**said) if role == "fits" else None
    return FileRecordRequested(
        site="tst",
        basename=basename,
        role=role,
        extension=extension,
        key=recorded_key(version, f"{basename}{extension}"),
        size_bytes=len(content),
        sha256=sha256_of(content),
        md5=f"{version}-md5",
        record=record,
    )


async def recorded(world, request, content=b"1", **more):
    world.objects.put(request.key, content, **more)
    return await world.ingestion.ingest(arrival_of(request))


async def test_a_recorded_file_is_a_frame_like_any_other():
    world = World()
    request = requested(target_name="M 31", proposal_id="P1", public_date=BEGINNING)
    assert await recorded(world, request) is Outcome.INGESTED
    frame = world.frames.frames[LCO]
    assert (frame.site, frame.reduction_level, frame.data_type) == ("tst", 91, "e")
    assert (frame.target_name, frame.proposal_id, frame.public_date) == ("M 31", "P1", BEGINNING)
    assert (frame.files["fits"].key, frame.files["fits"].md5, frame.md5s) == (request.key, "v1-md5", ("v1-md5",))
    (event,) = world.frames.outbox
    assert (event.type, event.key, event.roles) == ("frame.ingested.v1", request.key, ("fits",))
    assert await world.ingestion.ingest(arrival_of(request)) is Outcome.UNCHANGED
    assert len(world.frames.outbox) == 1


async def test_a_later_version_counts_and_the_former_stay_reachable():
    world = World()
    for number in (1, 2, 3):
        content = str(number).encode()
        request = requested(f"v{number}", content, target_name=f"target {number}")
        assert await recorded(world, request, content, modified_at=later(number)) is Outcome.INGESTED
    frame = world.frames.frames[LCO]
    assert frame.target_name == "target 3"
    assert [file.md5 for file in frame.former] == ["v1-md5", "v2-md5"]
    assert frame.md5s == ("v1-md5", "v2-md5", "v3-md5")
    assert {file.key for file in frame.every_file} == {requested(f"v{number}").key for number in (1, 2, 3)}
    assert len({event.event_id for event in world.frames.outbox}) == 3


async def test_the_version_told_of_last_is_the_newest_also_within_one_second_and_none_counts_twice():
    world = World()
    first, second = requested("zz", b"1"), requested("aa", b"2")
    await recorded(world, first, b"1")
    await recorded(world, second, b"2")
    assert await world.ingestion.ingest(arrival_of(first)) is Outcome.UNCHANGED
    frame = world.frames.frames[LCO]
    assert (frame.files["fits"].key, [file.key for file in frame.former]) == (second.key, [first.key])


async def test_a_picture_belongs_to_a_frame_that_is_there():
    world = World()
    picture = requested("p1", b"jpg", role="jpg_11", extension=".jpg")
    with pytest.raises(UsageError, match="there is no frame"):
        await recorded(world, picture, b"jpg")
    assert world.frames.frames == {}
    await recorded(world, requested())
    assert await recorded(world, picture, b"jpg") is Outcome.INGESTED
    assert sorted(world.frames.frames[LCO].files) == ["fits", "jpg_11"]
    other = requested("p2", b"better", role="jpg_11", extension=".jpg")
    await recorded(world, other, b"better", modified_at=later(5))
    frame = world.frames.frames[LCO]
    assert (frame.files["jpg_11"].md5, frame.former, frame.md5s) == ("p2-md5", (), ("p2-md5", "v1-md5"))


async def test_what_is_stored_must_be_what_was_said():
    world = World()
    with pytest.raises(Exception, match="SHA-256"):
        await recorded(world, requested(), b"2")
    assert world.frames.frames == {}


async def test_a_name_of_another_site_is_refused():
    world = World()
    request = requested(basename="coj1m012-ab12-20260504-0001-e91")
    with pytest.raises(UsageError, match="'coj'"):
        await recorded(world, request)
    assert world.frames.frames == {}


def test_what_the_ingester_says_counts_and_what_it_leaves_out_the_file_says():
    found = Inspection(
        media_type="image/fits",
        header=FrameHeader(
            source="fits",
            cards={"OBJECT": "m31", "EXPTIME": 1, "COMMENT": "kept"},
            observation=Observation(target_name="m31", exposure_time_s=1.0, right_ascension_deg=10.0),
            footprint=((1.0, 2.0), (3.0, 4.0), (5.0, 6.0)),
        ),
    )
    said = FrameRecord(target_name="M 31", public_date=BEGINNING, headers={"OBJECT": "M 31", "RLEVEL": 91})
    header = recorded_inspection(found, said).header
    assert header.cards == {"OBJECT": "M 31", "EXPTIME": 1, "COMMENT": "kept", "RLEVEL": 91}
    assert (header.observation.target_name, header.observation.exposure_time_s) == ("M 31", 1.0)
    assert (header.observation.public_date, header.states_public_date) == (BEGINNING, True)
    assert header.footprint == found.header.footprint
    with pytest.raises(UsageError, match="no FITS header"):
        recorded_inspection(Inspection(media_type="image/jpeg"), said)


def test_files_of_observatories_are_replaced_as_ever():
    name = recorded_file_name(LCO, ".fits.fz", role="fits")
    frame = new_frame(name=name, site="tst", frame_id=1, now=BEGINNING)
    for number in (1, 2):
        file = FrameFile(
            key=f"data/{number}", size_bytes=1, sha256=str(number), etag="", media_type="", stored_at=later(number)
        )
        frame = with_file(frame, name=name, file=file, header=None, now=BEGINNING)
    assert frame.former == ()


@pytest.mark.parametrize("extension", [".fits", ".fits.fz", ".fits.gz", ".fits.bz2"])
@pytest.mark.parametrize("basename", [LCO, BASENAME, "fits_1", "tst-cam01-20260504-00000042-EX00"])
def test_any_name_an_ingester_makes_is_a_frame_of_its_own(basename, extension):
    name = recorded_file_name(basename, extension, role="fits")
    assert (name.basename, name.role, name.content, name.compression) == (
        basename,
        "fits",
        Content.FITS,
        extension.removeprefix(".fits").removeprefix("."),
    )


@pytest.mark.parametrize(
    ("basename", "extension", "role"),
    [
        ("../results/x", ".fits", "fits"),
        ("a/b", ".fits", "fits"),
        ("ada~private", ".fits", "fits"),
        ("", ".fits", "fits"),
        ("a" * 257, ".fits", "fits"),
        ("a", ".pdf", "fits"),
        ("a", ".tar.gz", "fits"),
        ("a", ".fits.", "fits"),
        ("a", ".fits.zip", "fits"),
        ("a", "fits", "fits"),
        ("a", ".fits", "jpg_11"),
        ("a", ".png", "jpg_11"),
    ],
)
def test_names_that_make_no_frame_are_refused(basename, extension, role):
    with pytest.raises(UsageError):
        recorded_file_name(basename, extension, role=role)
