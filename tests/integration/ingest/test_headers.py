"""A frame and its header are two documents; whoever reads a frame finds the header that belongs to it."""

from datetime import timedelta

import pytest

from datalab.documents.file_names import parse_file_name
from datalab.documents.frame import FrameFile, Observation
from datalab.documents.frame_header import header_id
from datalab.events.envelope import utc_now
from datalab.platform.documents.collection import LostRaceError
from ingest.frames.model import FrameHeader, header_document, new_frame, with_file
from support.ingest import BASE, BEGINNING, later, sha256_of

TEXT, FITS, JPEG = (f"{BASE}-EX{ending}" for ending in ("00.txt", "00.fits.fz", "10.jpg"))
AT_ONCE = timedelta(0)


def told(before, name, content, *, stored_at=BEGINNING):
    """Return the frame with a file, and the header it has from it."""
    file = FrameFile(
        key=f"data/{name}", size_bytes=1, sha256=sha256_of(content), etag="", media_type="", stored_at=stored_at
    )
    header = None
    if not name.endswith("jpg"):
        source = "text" if name.endswith("txt") else "fits"
        cards = {"OBJECT": content.decode(), "ORIGNAME": name, "DETAIL.$X": 2**70}
        header = FrameHeader(source=source, cards=cards, observation=Observation(target_name=content.decode()))
    parsed = parse_file_name(name)
    frame = with_file(before, name=parsed, file=file, header=header, now=utc_now())
    return frame, header_document(frame, role=parsed.role, header=header, now=utc_now())


async def added(frames, name, content, **when):
    """Add a file as ingest does; return the frame."""
    before = await frames.find_any_frame(BASE) or new_frame(
        name=parse_file_name(name), site="tst", frame_id=await frames.next_frame_id(), now=BEGINNING
    )
    frame, header = told(before, name, content, **when)
    if frame is not before:
        await frames.save(frame, [], before=before, header=header)
    return frame


async def objects(database):
    """Return what the headers say that are there, and what the one says that the frame names."""
    there = {row["_id"]: row["cards"]["OBJECT"] async for row in database["frame_headers"].find()}
    frame = await database["frames"].find_one({"_id": BASE})
    return sorted(there.values()), there.get(frame["header_id"]) if frame else None


async def test_a_frame_names_its_header_and_keeps_what_lists_show(database, frames):
    await added(frames, FITS, b"fits")
    await added(frames, JPEG, b"picture")
    frame = await database["frames"].find_one({"_id": BASE})
    assert "header" not in frame
    assert frame["cards"] == {"ORIGNAME": FITS}
    assert "OBJECT=fits" in frame["header_terms"]
    header = await database["frame_headers"].find_one({"_id": frame["header_id"]})
    assert header["cards"] == {"OBJECT": "fits", "ORIGNAME": FITS, "DETAIL.$X": float(2**70)}


@pytest.mark.parametrize("order", [(TEXT, FITS), (FITS, TEXT)])
async def test_in_whatever_order_files_come_the_text_is_the_header(database, frames, order):
    for name in (*order, *order):
        await added(frames, name, b"text" if name == TEXT else b"fits")
    assert (await objects(database))[1] == "text"


async def test_who_is_killed_between_the_two_writes_has_changed_nothing_and_is_repeated(database, frames):
    before = await added(frames, TEXT, b"first")
    frame, header = told(before, TEXT, b"second", stored_at=later(5))
    await frames._headers.write(header)  # killed here
    assert (await objects(database))[1] == "first"
    await frames.save(frame, [], before=before, header=header)
    assert await objects(database) == (["first", "second"], "second")
    with pytest.raises(LostRaceError):
        await frames.save(frame, [], before=before, header=header)
    assert (await objects(database))[1] == "second"


async def test_headers_no_frame_names_are_removed_after_a_while(database, frames):
    before = await added(frames, TEXT, b"first")
    frame, header = told(before, TEXT, b"second", stored_at=later(5))
    await frames._headers.write(header)  # killed here, for good
    assert await frames.remove_unnamed_headers() == 0, "whoever wrote it may still be at it"
    assert await frames.remove_unnamed_headers(keep=AT_ONCE) == 1
    assert await objects(database) == (["first"], "first")
    # Written again, and this time named: the first one has been seen to be named, and no longer is.
    await frames.save(frame, [], before=before, header=header)
    assert await frames.remove_unnamed_headers(keep=AT_ONCE) == 1
    assert await objects(database) == (["second"], "second")
    assert await frames.remove_unnamed_headers(keep=AT_ONCE) == 0


async def test_a_header_that_is_about_to_be_named_again_is_not_removed(database, frames):
    before = await added(frames, TEXT, b"first")
    await added(frames, TEXT, b"second", stored_at=later(5))
    between = await frames.find_any_frame(BASE)
    again, header = told(between, TEXT, b"first", stored_at=later(9))
    assert header.header_id == before.header_id
    await frames._headers.write(header)
    assert await frames.remove_unnamed_headers() == 0
    await frames.save(again, [], before=between, header=header)
    assert await frames.remove_unnamed_headers(keep=AT_ONCE) == 1
    assert await objects(database) == (["first"], "first")


def in_former_form(document, header):
    """Return a frame as it was stored when its header was in it."""
    kept = {key: value for key, value in document.items() if key not in {"header_id", "cards"}}
    return kept | {"header": header}


async def test_headers_are_moved_out_of_frames_in_their_former_form(database, frames):
    await added(frames, TEXT, b"first")
    document = await database["frames"].find_one({"_id": BASE})
    cards = {"OBJECT": "first", "ORIGNAME": "x.fits", "ESO.DET $X": 1}
    await database["frame_headers"].delete_many({})
    await database["frames"].replace_one({"_id": BASE}, in_former_form(document, cards))
    read = await frames.find_any_frame(BASE)
    assert (read.header, read.cards) == (cards, {"ORIGNAME": "x.fits"})
    # Somebody adds a file who knew the frame before it was changed: one of the two is told to begin again.
    frame, _ = told(read, JPEG, b"picture")
    assert await frames.move_headers() == 1
    with pytest.raises(LostRaceError):
        await frames.save(frame, [], before=read)
    moved = await database["frames"].find_one({"_id": BASE})
    assert "header" not in moved
    assert (moved["cards"], moved["header_terms"]) == ({"ORIGNAME": "x.fits"}, document["header_terms"])
    assert moved["header_id"] == header_id(BASE, cards)
    header = await database["frame_headers"].find_one({"_id": moved["header_id"]})
    assert header["cards"] == cards
    assert await frames.move_headers() == 0


async def test_a_former_frame_of_pictures_alone_holds_up_no_other(database, frames):
    await added(frames, JPEG, b"picture")
    document = await database["frames"].find_one({"_id": BASE})
    await database["frames"].replace_one({"_id": BASE}, in_former_form(document, None))
    assert await frames.move_headers() == 1
    moved = await database["frames"].find_one({"_id": BASE})
    assert "header" not in moved
    assert moved.get("header_id") is None
    assert await database["frame_headers"].count_documents({"basename": BASE}) == 0
    assert await frames.move_headers() == 0


async def test_a_frame_in_its_former_form_may_change_before_its_turn(database, frames):
    await added(frames, FITS, b"fits")
    document = await database["frames"].find_one({"_id": BASE})
    await database["frame_headers"].delete_many({})
    former = in_former_form(document, {"OBJECT": "fits"})
    await database["frames"].replace_one({"_id": BASE}, former)
    await added(frames, JPEG, b"picture")
    assert (await frames.find_any_frame(BASE)).header == {"OBJECT": "fits"}
    await added(frames, TEXT, b"text")
    assert await objects(database) == (["text"], "text")
    assert (await frames.find_any_frame(BASE)).header is None
    assert await frames.move_headers() == 0
