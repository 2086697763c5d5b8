"""Pictures of frames on a real bus, document store and object store; the test is the runner."""

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

from datalab.documents.frame import CLOSED, COLLECTION, PREVIEW_DUE
from datalab.events.frames import FrameIngested
from datalab.events.previews import MadePreview, PreviewFailed, PreviewMade, PreviewRequested
from datalab.events.topology import PREVIEW_NOTES, PREVIEWS
from support.fits_files import packed_fits
from support.ingest import sha256_of
from support.ingest_service import base_name, running, settings_for_tests, surroundings
from support.waiting import until

JPEG = b"\xff\xd8\xff\xe0 picture"


@pytest.fixture(scope="module")
async def settings(module_settings_environment, tmp_path_factory):
    return settings_for_tests(
        tmp_path_factory.mktemp("scratch"), preview_patience_s=0, preview_interval_s=0.05, http_port=0
    )


@pytest.fixture(scope="module")
async def observatory(settings):
    async with surroundings(settings) as around:
        yield around


@pytest.fixture(scope="module", autouse=True)
async def service(settings, observatory):
    async with running(settings) as app:
        yield app


async def all_requests(observatory, base):
    requested = ("datalab.preview.requested.v1.*",)
    messages = observatory.bus.replay(PREVIEWS, after=0, filter_subjects=requested)
    events = [PreviewRequested.decode(message.body) async for message in messages]
    return [event for event in events if event.basename == base]


async def request_for(observatory, base, *, times=1):
    """Return the latest request for pictures of a frame, once there were so many."""

    async def asked():
        events = await all_requests(observatory, base)
        return events[-1] if len(events) >= times else None

    return await until(asked)


@dataclasses.dataclass
class Runner:
    """Stores what was asked for, and says so."""

    observatory: object

    async def make(self, request):
        made = []
        for each in request.wanted:
            picture = f"picture {each.kind} of {request.source.sha256}".encode()
            etag = await self.observatory.objects.put_bytes(each.key, picture, content_type="image/jpeg")
            made.append(
                MadePreview(
                    role=each.role,
                    key=each.key,
                    sha256=sha256_of(picture),
                    size_bytes=len(picture),
                    etag=etag,
                    stored_at=datetime.now(UTC),
                )
            )
        answer = PreviewMade(
            basename=request.basename,
            source_sha256=request.source.sha256,
            previews=tuple(made),
            correlation_id=request.correlation_id,
        )
        await self.observatory.bus.publish(answer)
        return answer


@pytest.fixture
def runner(observatory):
    return Runner(observatory)


async def settled(observatory):
    await observatory.all_settled(PREVIEW_NOTES)


async def test_a_thumbnail_that_was_made_is_told_once_with_all_roles(observatory, runner):
    base = base_name()
    await observatory.upload(f"{base}-EX10.jpg", JPEG)
    request = await request_for(observatory, base)
    answer = await runner.make(request)
    frame = await observatory.frame(base, files=2)
    (event,) = await observatory.told(answer.previews[0].key, FrameIngested)
    assert (event.roles, event.correlation_id) == (("jpg_10", "jpg_11"), request.correlation_id)
    stored = await observatory.objects.stat(answer.previews[0].key)
    assert (frame["files"]["jpg_11"]["etag"], frame["files"]["jpg_11"]["made_of"]) == (stored.etag, sha256_of(JPEG))
    assert frame["preview"] is None
    again = answer.model_copy(update={"event_id": "said again"})
    await observatory.bus.publish(again)
    await settled(observatory)
    assert len(await observatory.told(answer.previews[0].key, FrameIngested)) == 1
    assert len(await all_requests(observatory, base)) == 1


async def test_fits_alone_get_both_pictures(observatory, runner):
    base = base_name()
    await observatory.upload(f"{base}-EX00.fits.fz", packed_fits())
    request = await request_for(observatory, base)
    assert [each.role for each in request.wanted] == ["jpg_10", "jpg_11"]
    await runner.make(request)
    frame = await observatory.frame(base, files=3)
    assert (frame["has_picture"], frame["preview"]) == (True, None)


async def test_what_an_observatory_sends_takes_the_place_of_ours_and_stays(observatory, runner):
    base = base_name()
    await observatory.upload(f"{base}-EX00.fits.fz", packed_fits())
    first = await request_for(observatory, base)
    await runner.make(first)
    await observatory.frame(base, files=3)
    await observatory.upload(f"{base}-EX10.jpg", JPEG)
    second = await request_for(observatory, base, times=2)
    assert [each.role for each in second.wanted] == ["jpg_11"]
    own = await observatory.upload(f"{base}-EX11.jpg", JPEG + b" small")
    await observatory.told(own, FrameIngested)
    for request in (first, second):
        await runner.make(request)
    await settled(observatory)
    frame = await observatory.frame(base, files=3)
    assert {role: file["key"] for role, file in frame["files"].items()} == {
        "fits_00": f"data/{base}-EX00.fits.fz",
        "jpg_10": f"data/{base}-EX10.jpg",
        "jpg_11": own,
    }
    assert await observatory.objects.get_bytes(own, max_bytes=100) == JPEG + b" small"


async def test_what_cannot_be_made_is_asked_for_once(observatory, settings):
    base = base_name()
    await observatory.upload(f"{base}-EX10.jpg", JPEG)
    request = await request_for(observatory, base)
    await observatory.bus.publish(
        PreviewFailed(basename=base, source_sha256=request.source.sha256, reason="the JPEG is cut short")
    )

    async def noted():
        frame = await observatory.frame(base, files=1)
        return frame["preview"]["problem"]

    assert await until(noted) == "the JPEG is cut short"
    assert (await observatory.frame(base, files=1))["preview"]["due"] is None
    another = base_name()
    await observatory.upload(f"{another}-EX00.fits.fz", packed_fits())
    await request_for(observatory, another)  # so ingest has looked for what is due
    assert len(await all_requests(observatory, base)) == 1


async def test_a_request_that_was_lost_is_made_again(observatory, runner):
    base = base_name()
    await observatory.upload(f"{base}-EX10.jpg", JPEG)
    lost = await request_for(observatory, base)
    frames = observatory.database[COLLECTION]
    await frames.update_one({"_id": base}, {"$set": {PREVIEW_DUE: datetime.now(UTC) - timedelta(seconds=1)}})
    again = await request_for(observatory, base, times=2)
    assert (again.event_id != lost.event_id, again.wanted, again.source) == (True, lost.wanted, lost.source)
    await runner.make(again)
    await observatory.frame(base, files=2)


async def test_what_is_due_is_found_by_its_index(observatory):
    query = {PREVIEW_DUE: {"$lte": datetime.now(UTC), "$type": "date"}}
    plan = await observatory.database[COLLECTION].find(query).sort(PREVIEW_DUE, 1).explain()
    assert "COLLSCAN" not in str(plan["queryPlanner"]["winningPlan"])
    assert f"{PREVIEW_DUE}_1" in str(plan["queryPlanner"]["winningPlan"])


async def test_a_closed_frame_stays_closed(observatory, runner):
    """Who sees the frame sees its pictures, and nobody else: they change nothing about who that is."""
    base = base_name()
    await observatory.upload(f"{base}-EX00.fits.fz", packed_fits(L1PUBDAT="2099-01-01T00:00:00"))
    before = await observatory.frame(base, files=1)
    answer = await runner.make(await request_for(observatory, base))
    frame = await observatory.frame(base, files=3)
    for field in ("public_date", "public_dates", "proposal_id", "release"):
        assert frame[field] == before[field]
    assert frame["release"] == CLOSED
    (event,) = await observatory.told(answer.previews[0].key, FrameIngested)
    assert event.public_date == before["public_date"]


async def test_pictures_of_a_deleted_frame_are_removed(observatory, runner):
    base = base_name()
    await observatory.upload(f"{base}-EX10.jpg", JPEG)
    request = await request_for(observatory, base)
    await observatory.database[COLLECTION].delete_one({"_id": base})
    answer = await runner.make(request)

    async def removed():
        return await observatory.objects.stat(answer.previews[0].key) is None

    await until(removed)
