"""Which pictures a frame lacks, who is asked for them, and what becomes of those that are made."""

from datetime import UTC, datetime, timedelta

import pytest

from datalab.documents.file_names import parse_file_name, uploaded_file_name
from datalab.documents.frame import UPLOADS_SITE, FrameFile
from datalab.errors import TransientError
from datalab.events.frames import FrameIngested
from datalab.events.previews import MadePreview, PreviewFailed, PreviewMade, PreviewRequested
from ingest.frames.model import new_frame, with_file
from ingest.frames.previews import asked_again, asks, lacking, preview_requested, with_previews
from ingest.frames.recent import RecentFrames
from ingest.previews.service import Previews
from support.ingest import BASE, BEGINNING, Flaky, World, announced, later, sha256_of

NOW = datetime(2026, 5, 5, tzinfo=UTC)
PATIENCE = timedelta(seconds=30)


def arrived(frame, ending, content=b"1", *, stored_at=BEGINNING, now=NOW):
    """Return the frame with a file that was sent."""
    name = parse_file_name(f"{BASE}-{ending}")
    frame = frame or new_frame(name=name, site="tst", frame_id=7, now=NOW)
    file = FrameFile(
        key=f"data/{BASE}-{ending}",
        size_bytes=len(content),
        sha256=sha256_of(content),
        etag="",
        media_type="",
        stored_at=stored_at,
    )
    return with_file(frame, name=name, file=file, header=None, now=now, picture_patience=PATIENCE)


def frame_of(**contents):
    frame = None
    for ending, content in contents.items():
        frame = arrived(frame, ending.replace("_", "."), content)
    return frame


def made(request):
    """Return what a runner answers, having made what was asked for."""
    return PreviewMade(
        basename=request.basename,
        source_sha256=request.source.sha256,
        previews=tuple(
            MadePreview(
                role=each.role,
                key=each.key,
                sha256=sha256_of(each.key.encode()),
                size_bytes=9,
                etag="e",
                stored_at=later(9),
            )
            for each in request.wanted
        ),
    )


def request_for(frame):
    return preview_requested(frame, producer="ingest")


def with_its_previews(frame):
    return with_previews(frame, made(request_for(frame)), now=NOW)


def roles_wanted(frame):
    return [each.role for each in request_for(frame).wanted]


def test_a_jpeg_without_a_thumbnail_lacks_one_at_once():
    frame = frame_of(EX10_jpg=b"picture")
    assert asks(None, frame)
    request = request_for(frame)
    assert (request.source.content, request.source.key) == ("jpeg", f"data/{BASE}-EX10.jpg")
    assert request.subject == "datalab.preview.requested.v1.fast"
    (wanted,) = request.wanted
    digest = sha256_of(b"picture")
    assert wanted.key == f"previews/{digest[:2]}/{digest[2:18]}/{BASE}-EX11.jpg"
    assert wanted.role == "jpg_11"


def test_the_date_in_a_link_is_where_the_overview_page_looks_for_it():
    """It takes what follows the third `-` of the link; address and bucket have one, as in photonranch-001."""
    key = request_for(frame_of(EX00_fits=b"pixels")).wanted[0].key
    assert f"https://photonranch-001.example/{key}".split("-")[3] == BASE.split("-")[2]


def test_nothing_is_lacking_when_a_thumbnail_was_sent_or_nothing_can_be_made():
    assert lacking(frame_of(EX10_jpg=b"picture", EX11_jpg=b"small")) is None
    assert lacking(frame_of(EX00_txt=b"header")) is None
    assert frame_of(EX10_jpg=b"picture", EX11_jpg=b"small").preview is None


def test_fits_alone_wait_for_the_observatorys_own_jpeg():
    frame = frame_of(EX00_fits=b"pixels")
    assert not asks(None, frame)
    assert frame.preview.due == NOW + PATIENCE
    assert not asks(frame, arrived(frame, "EX00.txt"))
    with_jpeg = arrived(frame, "EX10.jpg")
    assert asks(frame, with_jpeg)
    assert roles_wanted(with_jpeg) == ["jpg_11"]


def test_of_fits_alone_both_are_made_of_the_smallest():
    frame = frame_of(EX01_fits=b"large", EX10_fits=b"small", EX00_fits=b"raw")
    request = request_for(frame)
    assert (request.source.content, request.source.key) == ("fits", f"data/{BASE}-EX10.fits")
    assert request.subject == "datalab.preview.requested.v1.slow"
    assert roles_wanted(frame) == ["jpg_10", "jpg_11"]


def test_of_somebodys_own_file_they_are_made_at_once():
    name = uploaded_file_name("M 31 [Ha].fit", owner="ada")
    empty = new_frame(name=name, site=UPLOADS_SITE, frame_id=7, now=NOW)
    file = FrameFile(key="people/ada/1/m31.fit", size_bytes=1, sha256="0" * 64, etag="", media_type="", stored_at=NOW)
    frame = with_file(empty, name=name, file=file, header=None, now=NOW, picture_patience=PATIENCE)
    assert asks(empty, frame)
    assert [each.key.rpartition("/")[2] for each in request_for(frame).wanted] == [
        "ada~M 31 _Ha_-10.jpg",
        "ada~M 31 _Ha_-11.jpg",
    ]


def test_made_pictures_are_files_of_the_frame_like_others_and_say_of_what():
    frame = frame_of(EX00_fits=b"pixels")
    after = with_its_previews(frame)
    assert (sorted(after.files), after.has_picture, after.revision) == (["fits_00", "jpg_10", "jpg_11"], True, 2)
    assert {after.files[role].made_of for role in ("jpg_10", "jpg_11")} == {sha256_of(b"pixels")}
    assert (after.preview, lacking(after)) == (None, None)
    assert with_previews(after, made(request_for(frame)), now=NOW) is after


@pytest.mark.parametrize("order", ["sent made", "made sent", "made sent made"])
def test_what_was_sent_is_never_displaced_however_old_it_is(order):
    frame = frame_of(EX10_jpg=b"picture")
    answer = made(request_for(frame))
    for step in order.split():
        if step == "sent":
            frame = arrived(frame, "EX11.jpg", b"their own", stored_at=BEGINNING - timedelta(days=1))
        else:
            frame = with_previews(frame, answer, now=NOW)
    assert frame.files["jpg_11"].key == f"data/{BASE}-EX11.jpg"
    assert frame.files["jpg_11"].made_of is None
    assert frame.preview is None


@pytest.mark.parametrize("ending", ["EX10.jpg", "EX13.jpg"])
def test_a_picture_that_is_sent_takes_the_place_of_ours_and_gets_a_thumbnail_of_its_own(ending):
    frame = with_its_previews(frame_of(EX00_fits=b"pixels"))
    after = arrived(frame, ending, b"their own")
    assert [role for role in after.files if role in {"jpg_10", "jpg_13"}] == [f"jpg_{ending[2:4]}"]
    assert asks(frame, after)
    assert roles_wanted(after) == ["jpg_11"]
    assert "jpg_11" in after.files, "the old one is shown until there is another"
    final = with_its_previews(after)
    assert final.files["jpg_11"].made_of == sha256_of(b"their own")


def test_a_changed_source_is_asked_for_anew_and_what_comes_late_is_not_taken():
    first = frame_of(EX10_jpg=b"picture")
    before = with_its_previews(first)
    after = arrived(before, "EX10.jpg", b"another", stored_at=later(5))
    assert asks(before, after)
    assert request_for(after).event_id != request_for(first).event_id
    assert with_previews(after, made(request_for(first)), now=NOW) is after
    back = arrived(with_its_previews(after), "EX10.jpg", b"picture", stored_at=later(9))
    assert request_for(back).event_id != request_for(first).event_id
    assert with_its_previews(back).files["jpg_11"].made_of == sha256_of(b"picture")


def test_another_file_of_the_same_frame_asks_for_nothing_more():
    frame = with_its_previews(frame_of(EX00_fits=b"pixels"))
    assert arrived(frame, "EX10.fits", b"small").preview is None
    waiting = frame_of(EX10_jpg=b"picture")
    assert not asks(waiting, arrived(waiting, "EX00.txt"))


def test_a_request_said_again_has_the_same_id_until_it_is_asked_for_again():
    frame = frame_of(EX10_jpg=b"picture")
    assert request_for(frame).event_id == request_for(frame).event_id
    again = frame.model_copy(update={"preview": asked_again(frame.preview, now=NOW)})
    assert request_for(again).event_id != request_for(frame).event_id


def test_it_is_asked_again_after_longer_and_longer_waits():
    state, waits = frame_of(EX10_jpg=b"picture").preview, []
    for _ in range(12):
        state = asked_again(state, now=NOW)
        waits.append(state.due - NOW)
    assert waits[0] == timedelta(minutes=30)
    assert waits == sorted(waits)
    assert waits[-1] == timedelta(days=1)


def world_of(*, through=lambda port: port, **contents):
    world = World(through=through)
    for key, content in contents.items():
        world.objects.put(f"data/{BASE}-{key.replace('_', '.')}", content)
    return world


async def persist(act):
    for _ in range(200):
        try:
            return await act()
        except TransientError:
            continue
    raise AssertionError("never settled")


class Store:
    """Keeps which objects were removed."""

    def __init__(self):
        self.removed = []

    async def delete(self, key):
        self.removed.append(key)


async def test_the_request_is_in_the_write_that_makes_it_necessary():
    world = world_of(EX10_jpg=b"picture")
    await world.ingestion.ingest(announced(f"data/{BASE}-EX10.jpg"))
    told, request = world.frames.written
    assert (type(told), type(request)) == (FrameIngested, PreviewRequested)
    await world.ingestion.ingest(announced(f"data/{BASE}-EX10.jpg"))
    assert len(world.frames.written) == 2


@pytest.mark.parametrize("after_effect", [False, True])
async def test_a_picture_that_was_made_is_told_once_whatever_fails(after_effect):
    world = world_of(EX10_jpg=b"picture")
    await world.ingestion.ingest(announced(f"data/{BASE}-EX10.jpg"))
    answer = made(world.frames.written[-1])
    previews = Previews(frames=Flaky(world.frames, after_effect=after_effect), objects=Store(), recent=world.recent)
    for _ in range(3):
        await persist(lambda: previews.add(answer))
    *_, told = world.frames.written
    assert len(world.frames.written) == 3
    assert (told.key, told.roles, told.correlation_id) == (
        answer.previews[0].key,
        ("jpg_10", "jpg_11"),
        answer.correlation_id,
    )
    assert world.frames.frames[BASE].files["jpg_11"].key == answer.previews[0].key


async def test_what_cannot_be_made_is_noted_and_not_asked_for_again_until_there_is_another_file():
    world = world_of(EX10_jpg=b"cut short")
    key = f"data/{BASE}-EX10.jpg"
    await world.ingestion.ingest(announced(key))
    previews = Previews(frames=world.frames, objects=Store(), recent=world.recent)
    failed = PreviewFailed(basename=BASE, source_sha256=sha256_of(b"cut short"), reason="cut short")
    await previews.note(failed.model_copy(update={"source_sha256": sha256_of(b"of before")}))
    assert world.frames.frames[BASE].preview.problem is None
    for _ in range(2):
        await previews.note(failed)
    assert world.frames.frames[BASE].preview.problem == "cut short"
    assert await previews.ask_for_due() == 0
    world.objects.put(key, b"whole", modified_at=later(5))
    await world.ingestion.ingest(announced(key))
    assert isinstance(world.frames.written[-1], PreviewRequested)
    await previews.note(failed)
    assert world.frames.frames[BASE].preview.problem is None


async def test_what_is_due_is_asked_for_once_and_again_when_no_answer_comes():
    world = world_of(EX00_fits=b"pixels")
    await world.ingestion.ingest(announced(f"data/{BASE}-EX00.fits"))
    previews = Previews(frames=world.frames, objects=Store(), recent=world.recent)
    assert [await previews.ask_for_due() for _ in range(2)] == [1, 0]
    request = world.frames.written[-1]
    assert [each.role for each in request.wanted] == ["jpg_10", "jpg_11"]
    frame = world.frames.frames[BASE]
    overdue = frame.preview.model_copy(update={"due": BEGINNING})
    world.frames.frames[BASE] = frame.model_copy(update={"preview": overdue})
    assert [await previews.ask_for_due() for _ in range(2)] == [1, 0]
    assert world.frames.written[-1].event_id != request.event_id
    await previews.add(made(request))
    assert world.frames.frames[BASE].has_picture


async def test_pictures_of_a_frame_that_is_gone_are_removed():
    request = request_for(frame_of(EX10_jpg=b"picture"))
    store = Store()
    await Previews(frames=World().frames, objects=store, recent=RecentFrames()).add(made(request))
    assert store.removed == [request.wanted[0].key]


async def test_pictures_of_a_frame_that_went_since_it_was_written_here_are_removed():
    world = world_of(EX10_jpg=b"picture")
    await world.ingestion.ingest(announced(f"data/{BASE}-EX10.jpg"))
    answer = made(world.frames.written[-1])
    world.frames.frames.clear()
    store = Store()
    await Previews(frames=world.frames, objects=store, recent=world.recent).add(answer)
    assert store.removed == [answer.previews[0].key]
    assert world.frames.frames == {}


async def test_a_note_about_a_frame_that_is_gone_is_let_go():
    await Previews(frames=World().frames, objects=Store(), recent=RecentFrames()).note(
        PreviewFailed(basename=BASE, source_sha256="0" * 64, reason="x")
    )
