"""Pictures of frames on a real bus and object store: made beside operations, and whatever is killed."""

import hashlib
import io
import signal

import numpy as np
import pytest
from PIL import Image

from datalab.events.operations import Lane
from datalab.events.previews import PreviewFailed, PreviewMade, PreviewRequested
from datalab.events.topology import PREVIEW_MAKERS, PREVIEWS
from support.runner import write_fits
from support.runner_service import RunnerProcess, runner_here, world
from support.waiting import until


@pytest.fixture(scope="module")
async def lab(module_settings_environment):
    async with world() as made:
        yield made


def jpeg(seed=0, size=(900, 600)):
    values = np.random.default_rng(seed).integers(0, 255, (size[1] // 4, size[0] // 4), dtype=np.uint8)
    encoded = io.BytesIO()
    Image.fromarray(values).resize(size).save(encoded, "JPEG")
    return encoded.getvalue()


async def asked(lab, basename, content, kind, **changes):
    """Store a file and ask for its pictures; return the request."""
    key = f"data/{basename}"
    await lab.objects.put_bytes(key, content, content_type="application/octet-stream")
    digest = hashlib.sha256(content).hexdigest()
    roles = {"jpeg": {"jpg_11": "thumbnail"}, "fits": {"jpg_10": "medium", "jpg_11": "thumbnail"}}[kind]
    request = PreviewRequested(
        basename=basename,
        source={"content": kind, "key": key, "sha256": digest, "size_bytes": len(content)} | changes,
        wanted=[
            {"kind": picture, "role": role, "key": f"previews/{basename}/{role}.jpg"} for role, picture in roles.items()
        ],
    )
    await lab.bus.publish(request)
    return request


async def answers(lab, kind=PreviewMade):
    """Return what was said of pictures, by base name."""
    subject = f"datalab.{kind.type_name()}"
    said = [kind.decode(each.body) async for each in lab.bus.replay(PREVIEWS, after=0, filter_subjects=(subject,))]
    return {event.basename: event for event in said}


async def answer_to(lab, request, kind=PreviewMade):
    async def said():
        return (await answers(lab, kind)).get(request.basename)

    return await until(said)


async def picture(lab, key):
    made = Image.open(io.BytesIO(await lab.objects.get_bytes(key, max_bytes=10**6)))
    made.load()
    return made


async def test_pictures_are_stored_where_they_were_asked_for(lab, tmp_path):
    pixels = np.random.default_rng(3).normal(1000, 10, (1500, 1000)).astype(np.uint16)
    image = write_fits(tmp_path / "image.fits", pixels, compression="RICE_1").read_bytes()
    async with runner_here(tmp_path / "scratch", http_port=0, preview_longest_side_px=600, thumbnail_height_px=64):
        small, both = await asked(lab, "a.jpg", jpeg(), "jpeg"), await asked(lab, "a.fits", image, "fits")
        made = [await answer_to(lab, request) for request in (small, both)]
    sizes = {each.role: (await picture(lab, each.key)).size for each in made[1].previews}
    assert sizes == {"jpg_10": (400, 600), "jpg_11": (43, 64)}
    assert (await picture(lab, made[0].previews[0].key)).size == (96, 64)
    for each in (*made[0].previews, *made[1].previews):
        stored = await lab.objects.stat(each.key)
        assert (stored.etag, stored.size_bytes) == (each.etag, each.size_bytes)
        content = await lab.objects.get_bytes(each.key, max_bytes=10**6)
        assert hashlib.sha256(content).hexdigest() == each.sha256


async def test_what_cannot_be_shown_is_said_once_and_the_next_is_made(lab, tmp_path):
    async with runner_here(tmp_path / "scratch", http_port=0):
        bad = {
            "cut.jpg": await asked(lab, "cut.jpg", jpeg()[:5000], "jpeg"),
            "none.fits": await asked(lab, "none.fits", b"no FITS file", "fits"),
            "changed.jpg": await asked(lab, "changed.jpg", jpeg(), "jpeg", sha256="0" * 64),
            "gone.jpg": await asked(lab, "gone.jpg", jpeg(), "jpeg", key="data/gone"),
        }
        reasons = {name: (await answer_to(lab, request, PreviewFailed)).reason for name, request in bad.items()}
        await answer_to(lab, await asked(lab, "good.jpg", jpeg(1), "jpeg"))
    assert "cannot be decoded" in reasons["cut.jpg"]
    assert "has changed" in reasons["changed.jpg"]
    assert reasons["none.fits"]
    assert reasons["gone.jpg"]
    assert not set(bad) & set(await answers(lab))
    for lane in Lane:
        info = await lab.bus.jetstream.consumer_info(PREVIEWS.name, PREVIEW_MAKERS[lane].name)
        assert info.num_pending == 0


async def test_a_runner_killed_at_its_pictures_leaves_none_undone(lab, tmp_path):
    requests = [await asked(lab, f"killed-{number}.jpg", jpeg(number), "jpeg") for number in range(60)]
    names = {request.basename for request in requests}
    for attempt in range(2):
        runner = RunnerProcess(tmp_path / f"scratch-{attempt}")
        try:
            await runner.ready()

            async def some_made(most=20 * (attempt + 1)):
                return len(names & set(await answers(lab))) >= most

            await until(some_made)
            runner.send(signal.SIGKILL)
            await runner.ended()
        finally:
            runner.close()
    async with runner_here(tmp_path / "scratch", http_port=0):
        for request in requests:
            made = await answer_to(lab, request)
            assert made.source_sha256 == request.source.sha256
            assert (await picture(lab, made.previews[0].key)).height == 128
