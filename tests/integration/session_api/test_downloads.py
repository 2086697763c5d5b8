"""Downloads from the client to the runner and back: the real application, the real runner, real servers."""

import asyncio
import bz2
import io
import json
import zipfile
from datetime import UTC, datetime, timedelta

import httpx
import numpy as np
import pytest
import tifffile
from astropy.io import fits

from datalab.events.analysis import AnalysisRequested
from datalab.events.archives import ArchiveRequested
from datalab.events.object_keys import ZIPS
from datalab.events.operations import OutputFile, StoredFile
from datalab.platform.objects.store import ObjectStore
from operation_runner.downloads.making import Making
from support.analysis import night_sky
from support.runner import WCS_CARDS, input_file, runner_here, write_fits
from support.session_api import MEDIAN, archive, body_of, frame_document, frame_file, result, running_world

SHAPE = (80, 120)
SKY = night_sky(SHAPE).astype("u2")
NIGHT = datetime(2026, 11, 18, 3, 0, tzinfo=UTC)
PACKAGES = [
    f"operation_runner.analysis.{name}" for name in ("cutout", "funpack", "get_fits", "get_tif", "get_tif_16bit")
]


@pytest.fixture(scope="module")
async def world(module_settings_environment, tmp_path_factory):
    async with running_world(module_settings_environment, download_patience_s=3.0) as world:
        for name in ("alice", "bob"):
            await world.add_user(name, proposals=["P1"] if name == "alice" else [])
        async with ObjectStore(world.settings) as objects:
            world.objects = objects
            await store_everything(world, tmp_path_factory.mktemp("frames"))
            yield world


@pytest.fixture(scope="module")
async def runner(world, tmp_path_factory):
    async with runner_here(tmp_path_factory.mktemp("runner"), analyses=PACKAGES) as app:
        yield app


@pytest.fixture(scope="module")
async def anybody(world):
    async with world.client() as client:
        yield client


def base(number, site="tst"):
    return f"{site}-cam1-20261118-{number:08d}"


async def store_everything(world, folder):
    """Frames 1 to 6: large and small, packed in every way, level 01 in one and 00 in others; 7 is a proposal's."""
    files = {
        1: {"fits_00": ".fits.fz", "fits_10": ".fits.fz"},
        2: {"fits_01": ".fits.bz2"},
        3: {"fits_10": ".fits"},
        4: {"fits_13": ".fits.bz2", "fits_01": ".fits.fz", "fits_00": ".fits.fz"},
        5: {"jpg_10": ".jpg"},
        6: {"fits_00": ".fits.gz"},
        7: {"fits_00": ".fits.fz"},
    }
    world.files = {}
    for number, roles in files.items():
        held = {
            role: await stored(world, folder / f"{base(number)}-EX{role[-2:]}{ending}", seed=number)
            for role, ending in roles.items()
        }
        secret = {"proposal_id": "P1", "public_date": datetime.now(UTC) + timedelta(days=1)} if number == 7 else {}
        await world.add_frames(
            frame_document(
                base(number),
                frame_id=number,
                files={role: frame_file(file).model_dump() for role, file in held.items()},
                observation_date=NIGHT + timedelta(minutes=number),
                filter_name="lum",
                **secret,
            )
        )
        world.files[number] = held
    await world.add_frames(frame_document(base(8), frame_id=8, observation_date=NIGHT + timedelta(days=9)))
    for number in (21, 22):  # a night of another site, of which one file is not what was recorded
        file = await stored(world, folder / f"{base(number, 'bad1')}-EX00.fits.fz", seed=number)
        await world.add_frames(
            frame_document(
                base(number, "bad1"),
                frame_id=number,
                site="bad1",
                observation_date=NIGHT,
                files={"fits_00": frame_file(file).model_dump()},
            )
        )
    await world.objects.put_bytes(file.key, b"another", content_type="application/fits")
    name = "tst-cam1-20261118-00000099-EX00.fits.bz2"
    await stored(world, folder / name, seed=99, key=f"info-images/{name}")
    for key in ("allsky/sky.jpg", "test/trial.txt"):
        await world.objects.put_bytes(key, b"trial", content_type="text/plain")


async def stored(world, path, *, seed, key=None):
    """Write a file as its name says (astropy packs it by that), store it, and return how it is recorded."""
    if path.suffix == ".jpg":
        path.write_bytes(b"a picture")
    else:
        compression = "RICE_1" if path.suffix == ".fz" else None
        write_fits(path, SKY + np.uint16(seed), header={**WCS_CARDS, "FILTER": "lum"}, compression=compression)
    file = input_file(path).model_copy(update={"key": key or f"data/{path.name}"})
    await world.objects.put_file(file.key, path, content_type="application/fits")
    return file


async def saved(link):
    """Return what a link leads to, and what a browser would call it."""
    async with httpx.AsyncClient(trust_env=False) as browser:
        reply = await browser.get(link)
    assert reply.status_code == 200, reply.text
    return reply.content, reply.headers.get("content-disposition", "")


async def download(client, name, stage="", **more):
    return await client.post(f"{stage}/download", content=json.dumps({"object_name": name, **more}))


async def test_without_a_runner_clients_are_told_at_once(world, anybody):
    for reply in (
        await download(anybody, f"{base(1)}-EX00.fits.fz"),
        await download_zip(anybody, "best"),
        await anybody.get("/api/frames/1/cutout/?x=1&y=1&width=9&height=9"),
    ):
        assert reply.status_code == 503
        assert "no runner is there to make files" in body_of(reply)["detail"]


@pytest.mark.parametrize("stage", ["", "/api", "/dev", "/test"])
async def test_a_file_as_fits(runner, anybody, stage):
    reply = await download(anybody, f"{base(1)}-EX00.fits.fz", stage, image_type="fits")
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/json")
    content, disposition = await saved(reply.text)  # bare, without quotes
    with fits.open(io.BytesIO(content)) as hdus:
        (hdu,) = hdus
        np.testing.assert_array_equal(hdu.data, SKY + 1)
        assert hdu.header["FILTER"] == "lum"
    assert f'filename="{base(1)}-EX00.fits"' in disposition


@pytest.mark.parametrize(
    ("asked", "number"),
    [
        (f"{base(2)}-EX01.fits.fz", 2),  # it is there as .fits.bz2
        (f"{base(2)}-EX00.fits.fz", 2),  # the level the user interface expects
        (f"{base(3)}-EX10.fits.fz", 3),  # it is there as .fits
        (f"{base(6)}-EX01.fits.bz2", 6),  # as .fits.gz
        (f"{base(4)}-EX10.fits.fz", 4),
    ],
)
async def test_names_that_clients_make_up_find_the_file_of_the_frame(runner, anybody, asked, number):
    reply = await download(anybody, asked)
    content, _ = await saved(reply.text)
    np.testing.assert_array_equal(fits.getdata(io.BytesIO(content)), SKY + number)


@pytest.mark.parametrize("stretch", ["linear", "arcsinh"])
async def test_a_file_as_tiff_is_made_once(runner, world, anybody, stretch):
    links = [
        (await download(anybody, f"{base(1)}-EX00.fits.fz", image_type="tif", stretch=stretch)).text for _ in range(2)
    ]
    assert links[0] == links[1]
    content, disposition = await saved(links[0])
    made = tifffile.imread(io.BytesIO(bz2.decompress(content)))
    assert (made.shape, made.dtype) == (SHAPE, np.uint16)
    if stretch == "linear":
        np.testing.assert_array_equal(made, SKY + 1)
    assert f'filename="lum-{stretch}-{base(1)}-EX00.tif.bz2"' in disposition
    assert world.caused.seen["POST", "/download"] == {AnalysisRequested}


async def test_a_file_as_it_is(world, anybody):
    reply = await download(anybody, f"{base(5)}-EX10.jpg", image_type="jpg")
    assert (await saved(reply.text))[0] == b"a picture"
    reply = await download(anybody, f"{base(2)}-EX01.fits.fz", image_type="raw")
    content, disposition = await saved(reply.text)
    assert content.startswith(b"BZh")
    assert f'{base(2)}-EX01.fits.bz2"' in disposition


async def test_files_of_other_folders(runner, anybody):
    name = "tst-cam1-20261118-00000099-EX00.fits.fz"
    content, _ = await saved((await download(anybody, name, s3_directory="info-images")).text)
    np.testing.assert_array_equal(fits.getdata(io.BytesIO(content)), SKY + 99)
    link = (await download(anybody, "trial.txt", s3_directory="test", image_type="raw")).text
    assert (await saved(link))[0] == b"trial"
    refused = await download(anybody, "sky.jpg", s3_directory="allsky")
    assert (refused.status_code, "sky.jpg" in refused.text) == (400, True)


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({}, 400, "object_name: This field is required."),
        (
            {"object_name": "x.fits", "s3_directory": "results"},
            403,
            "s3_directory must be either 'data', 'info-images', or 'allsky'.",
        ),
        ({"object_name": "../x.fits"}, 400, None),
        ({"object_name": f"{base(55)}-EX00.fits.fz"}, 404, f"No file named {base(55)}-EX00.fits.fz exists in data."),
        ({"object_name": f"{base(1)}-EX11.jpg"}, 404, None),
        ({"object_name": "no-name"}, 404, "No file named no-name exists in data."),
        (
            {"object_name": "none.fits", "s3_directory": "info-images"},
            404,
            "No file named none.fits exists in info-images.",
        ),
    ],
)
async def test_bad_requests_are_told_in_bare_words(anybody, body, status, text):
    reply = await anybody.post("/download", json=body)
    assert reply.status_code == status
    assert text is None or reply.text == text
    assert not reply.text.startswith(("{", '"'))


@pytest.mark.parametrize("form", ["fits", "tif", "raw"])
async def test_nobody_downloads_what_he_may_not_read(runner, world, anybody, form):
    name = f"{base(7)}-EX00.fits.fz"
    async with world.client("alice") as alice, world.client("bob") as bob:
        assert (await download(alice, name, image_type=form)).status_code == 200
        for client in (anybody, bob):  # also now that it is made
            reply = await download(client, name, image_type=form)
            assert (reply.status_code, reply.text) == (404, f"No file named {name} exists in data.")


# --- archives ---------------------------------------------------------------------------------------------------------


async def download_zip(client, size, *, site="tst", first=0, last=60, stage=""):
    start, end = (int((NIGHT + timedelta(minutes=minutes)).timestamp()) for minutes in (first, last))
    body = {"start_timestamp_s": start, "end_timestamp_s": end, "fits_size": size, "site": site}
    return await client.post(f"{stage}/downloadzip", json=body)


async def unzipped(link):
    content, disposition = await saved(link)
    with zipfile.ZipFile(io.BytesIO(content)) as archive_file:
        assert archive_file.testzip() is None
        return {name: archive_file.read(name) for name in archive_file.namelist()}, disposition


@pytest.mark.parametrize(
    ("size", "members"),
    [
        ("small", {1: "10.fits.fz", 3: "10.fits", 4: "13.fits.bz2"}),
        ("Large", {1: "00.fits.fz", 2: "01.fits.bz2", 4: "01.fits.fz", 6: "00.fits.gz"}),
        ("BEST", {1: "00.fits.fz", 2: "01.fits.bz2", 3: "10.fits", 4: "01.fits.fz", 6: "00.fits.gz"}),
    ],
)
async def test_an_archive_has_one_file_of_each_image(runner, world, anybody, size, members):
    reply = await download_zip(anybody, size, stage="/dev")
    assert reply.status_code == 200
    (link,) = body_of(reply).values()
    found, disposition = await unzipped(link)
    assert list(found) == [f"{base(number)}-EX{ending}" for number, ending in members.items()]
    for number, ending in members.items():
        (file,) = [each for each in world.files[number].values() if each.key.endswith(f"EX{ending}")]
        assert found[f"{base(number)}-EX{ending}"] == await world.objects.get_bytes(file.key, max_bytes=10**7)
    assert 'filename="tst-' in disposition
    assert ".zip" in disposition
    assert world.caused.seen["POST", "/downloadzip"] == {ArchiveRequested}


async def test_instants_count_to_both_ends_and_the_same_archive_is_made_once(runner, world, anybody):
    links = [body_of(await download_zip(anybody, "best", first=first, last=3))["message"] for first in (1, 0)]
    assert list((await unzipped(links[0]))[0]) == [
        f"{base(1)}-EX00.fits.fz",
        f"{base(2)}-EX01.fits.bz2",
        f"{base(3)}-EX10.fits",
    ]
    keys = {link.split("?")[0] for link in links}
    assert len(keys) == 1
    stored_at = [(await world.objects.stat(key)).modified_at for key in await keys_of(world)]
    await download_zip(anybody, "best", first=1, last=3)
    assert [(await world.objects.stat(key)).modified_at for key in await keys_of(world)] == stored_at


async def keys_of(world):
    return [stored.key async for stored in world.objects.list(ZIPS)]


async def test_an_archive_has_what_its_reader_may_read(runner, world, anybody):
    async with world.client("alice") as alice:
        link = body_of(await download_zip(alice, "large", first=7, last=7))["message"]
    assert list((await unzipped(link))[0]) == [f"{base(7)}-EX00.fits.fz"]
    reply = await download_zip(anybody, "large", first=7, last=7)
    assert (reply.status_code, reply.text) == (404, "No images exist for the given query.")


async def test_no_images_is_told_in_the_words_clients_know(anybody):
    for given in ({"site": "none"}, {"first": 50}, {"first": 5, "last": 4}):
        reply = await download_zip(anybody, "best", **given)
        assert (reply.status_code, reply.text) == (404, "No images exist for the given query.")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"fits_size": "huge"}, "fits_size must be either 'small', 'large', or 'best'."),
        ({"start_timestamp_s": "today"}, "start_timestamp_s must be unix seconds, as 1657865312."),
        ({"site": None}, "site: This field may not be null."),
        ({"end_timestamp_s": ...}, "end_timestamp_s: This field is required."),
    ],
)
async def test_a_bad_question_for_an_archive_is_told(anybody, change, text):
    body = {"start_timestamp_s": 1, "end_timestamp_s": 2, "fits_size": "best", "site": "tst"} | change
    body = {name: value for name, value in body.items() if value is not ...}
    reply = await anybody.post("/downloadzip", json=body)
    assert (reply.status_code, reply.text) == (400, text)


async def test_a_file_that_is_not_what_was_recorded_makes_no_archive(runner, world, anybody):
    before = {key for key in await keys_of(world) if key.endswith(".zip")}
    reply = await download_zip(anybody, "large", site="bad1")
    assert (reply.status_code, reply.text) == (
        400,
        f"The file {base(22, 'bad1')}-EX00.fits.fz has changed since it was recorded.",
    )
    assert {key for key in await keys_of(world) if key.endswith(".zip")} == before


async def test_what_takes_longer_than_anybody_waits_is_told_and_found_later(runner, world, anybody, monkeypatch):
    """The answer is that of the gateway clients know, which sends 504."""
    goes_on = asyncio.Event()
    begin = Making._make
    times = []

    async def held_up(self, key, make, lease):
        times.append(key)
        await goes_on.wait()
        await begin(self, key, make, lease)

    monkeypatch.setattr(Making, "_make", held_up)
    for ask in (
        lambda: download(anybody, f"{base(4)}-EX01.fits.fz", image_type="tif"),
        lambda: download_zip(anybody, "best", first=4, last=4),
    ):
        goes_on.clear()
        reply = await ask()
        assert (reply.status_code, list(body_of(reply))) == (504, ["message"])
        assert "still being made" in body_of(reply)["message"]
        assert int(reply.headers["Retry-After"]) > 0
        goes_on.set()
        assert (await ask()).status_code == 200
    assert len(times) == len(set(times)) == 2


# --- as OCS has it ----------------------------------------------------------------------------------------------------


async def test_an_archive_of_frames_is_the_answer_itself(runner, world, anybody):
    reply = await anybody.post("/api/frames/zip/", json={"frame_ids": [1, 2, 7, 999]})
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/zip")
    assert reply.headers["set-cookie"] == "fileDownload=true; path=/"
    name = f"ocs_archive_data-{datetime.now(UTC):%Y%m%d}-2"
    assert reply.headers["content-disposition"].startswith(f'attachment; filename="{name}.zip"')


async def test_an_archive_of_frames_has_what_its_reader_may_read(runner, world, anybody):
    async with world.client("alice") as alice, world.client("bob") as bob:
        for client, numbers in ((alice, [1, 2, 7]), (bob, [1, 2]), (anybody, [1, 2])):
            reply = await client.post("/api/frames/zip/", json={"frame_ids": [7, 2, 1]})
            with zipfile.ZipFile(io.BytesIO(reply.content)) as archive_file:
                assert archive_file.testzip() is None
                folder = f"ocs_archive_data-{datetime.now(UTC):%Y%m%d}-{len(numbers)}"
                endings = {1: "00.fits.fz", 2: "01.fits.bz2", 7: "00.fits.fz"}
                assert archive_file.namelist() == [f"{folder}/{base(each)}-EX{endings[each]}" for each in numbers]
        assert (await bob.post("/api/frames/zip/", json={"frame_ids": [7]})).status_code == 404


async def test_an_archive_of_frames_can_be_unpacked_on_the_way(runner, world, anybody):
    reply = await anybody.post("/api/frames/zip/", json={"frame_ids": [1, 2], "uncompress": True})
    with zipfile.ZipFile(io.BytesIO(reply.content)) as archive_file:
        assert [name.rpartition("/")[2] for name in archive_file.namelist()] == [
            f"{base(1)}-EX00.fits",
            f"{base(2)}-EX01.fits.bz2",
        ]
        with fits.open(io.BytesIO(archive_file.read(archive_file.namelist()[0]))) as hdus:
            assert isinstance(hdus["SCI"], fits.ImageHDU)
            np.testing.assert_array_equal(hdus["SCI"].data, SKY + 1)
    assert world.caused.seen["POST", "/api/frames/zip"] == {AnalysisRequested}


async def test_browsers_send_a_form_with_the_token_in_it(runner, world, anybody):
    form = {"frame_ids": ["1", "7"], "uncompress": "false", "auth_token": world.tokens["alice"]}
    reply = await anybody.post("/api/frames/zip/", data=form)
    with zipfile.ZipFile(io.BytesIO(reply.content)) as archive_file:
        assert len(archive_file.namelist()) == 2
    assert (await anybody.post("/api/frames/zip/", data={**form, "auth_token": "nobody's"})).status_code == 401


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "frame_ids"),
        ({"frame_ids": []}, "frame_ids"),
        ({"frame_ids": ["x"]}, "frame_ids"),
        ({"frame_ids": [1], "uncompress": "perhaps"}, "uncompress"),
    ],
)
async def test_a_bad_question_for_an_archive_of_frames_is_told(anybody, body, field):
    reply = await anybody.post("/api/frames/zip/", json=body)
    assert (reply.status_code, list(body_of(reply))) == (400, [field])


async def test_a_version_unpacked(runner, world, anybody):
    version = body_of(await anybody.get("/api/frames/1/"))["version_set"][0]["id"]
    reply = await anybody.get(f"/api/frame-funpack/{version}/funpack/")
    assert reply.headers["content-type"] == "application/octet-stream"
    with fits.open(io.BytesIO(reply.content)) as hdus:
        np.testing.assert_array_equal(hdus["SCI"].data, SKY + 1)
    assert len(reply.content) == int(reply.headers["content-length"])
    for number in (version + 40, 700, 99999):
        assert (await anybody.get(f"/api/frame-funpack/{number}/funpack/")).status_code == 404
    assert world.caused.seen["GET", "/api/frame-funpack/{version_id}/funpack"] == {AnalysisRequested}


# --- cutouts ----------------------------------------------------------------------------------------------------------


async def test_a_cutout(runner, world, anybody):
    reply = await anybody.get("/api/frames/1/cutout/?x=11&y=21&width=30&height=20")
    assert (reply.status_code, reply.headers["content-type"]) == (200, "image/fits")
    np.testing.assert_array_equal(fits.getdata(io.BytesIO(reply.content)), SKY[20:40, 10:40] + 1)
    assert f'{base(1)}-cutout.fits"' in reply.headers["content-disposition"]
    sky = await anybody.get("/api/frames/1/cutout/?ra=202.47&dec=47.2&size=0.002&format=jpg")
    assert (sky.status_code, sky.headers["content-type"]) == (200, "image/jpeg")
    assert world.caused.seen["GET", "/api/frames/{frame_id}/cutout"] == {AnalysisRequested}


@pytest.mark.parametrize("number", [2, 3, 4, 6])
async def test_a_cutout_of_a_file_packed_in_any_way(runner, anybody, number):
    reply = await anybody.get(f"/api/frames/{number}/cutout/?x=11&y=21&width=30&height=20")
    np.testing.assert_array_equal(fits.getdata(io.BytesIO(reply.content)), SKY[20:40, 10:40] + number)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("", "Give ra, dec and size in degrees, or x, y, width and height in pixels."),
        ("x=500&y=1&width=9&height=9", "The cutout lies outside"),
        ("x=1&y=1&width=9000&height=9", "'width' is wrong: Input should be less than or equal to 2048"),
        ("x=1&y=1&width=9&height=9&format=png", "'format' is wrong"),
    ],
)
async def test_a_bad_question_for_a_cutout_is_told(runner, anybody, query, text):
    reply = await anybody.get(f"/api/frames/1/cutout/?{query}")
    assert reply.status_code == 400
    assert body_of(reply)["detail"].startswith(text)


async def test_words_that_are_no_numbers_are_told(anybody):
    reply = await anybody.get("/api/frames/1/cutout/?ra=north&dec=nan&size=1")
    assert (reply.status_code, sorted(body_of(reply))) == (400, ["dec", "ra"])


async def test_nobody_cuts_out_what_he_may_not_read(runner, world, anybody):
    path = "/api/frames/7/cutout/?x=1&y=1&width=9&height=9"
    async with world.client("alice") as alice, world.client("bob") as bob:
        assert (await alice.get(path)).status_code == 200
        for client in (bob, anybody):
            assert (await client.get(path)).status_code == 404
    assert (await anybody.get("/api/frames/12345/cutout/?x=1&y=1&width=9&height=9")).status_code == 404


async def test_of_a_file_that_changed_nothing_is_cut_out(runner, world, anybody):
    reply = await anybody.get("/api/frames/22/cutout/?x=1&y=1&width=9&height=9")
    assert reply.status_code in {400, 503}


async def test_outputs_of_operations_are_cut_and_packed_for_their_owner(runner, world, anybody):
    async with world.client("alice") as alice:
        session = await world.session(alice)
        await world.describe(MEDIAN)
        operation = await world.operation(
            alice, session, input_data={"input_files": [archive(base(1)), archive(base(2))]}
        )
        file = world.files[1]["fits_00"]
        made = StoredFile(key=file.key, sha256=file.sha256, size_bytes=file.size_bytes, media_type="application/fits")
        output = OutputFile(basename="the-output-1", type="fits", files={"fits": made})
        await world.succeed(alice, session, operation, result().model_copy(update={"output_files": (output,)}))
        shown = (await alice.get(f"/api/datasessions/{session}/operations/{operation}/")).json()
        number = shown["output"]["output_files"][0]["id"]
        path = f"/api/frames/{number}/cutout/?x=1&y=1&width=9&height=9"
        np.testing.assert_array_equal(fits.getdata(io.BytesIO((await alice.get(path)).content)), SKY[:9, :9] + 1)
        assert (await anybody.get(path)).status_code == 404
        reply = await alice.post("/api/frames/zip/", json={"frame_ids": [number]})
        with zipfile.ZipFile(io.BytesIO(reply.content)) as archive_file:
            assert len(archive_file.namelist()) == 1
