"""Analyses from the client to the runner and back: the real application, the real runner, real servers."""

import asyncio
import base64
import io
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from astropy.io import fits
from PIL import Image as Picture

from datalab.events.analysis import AnalysisDescribed
from datalab.events.operations import OutputFile, StoredFile
from datalab.events.topology import ANALYSIS_OFFERS
from datalab.platform.objects.store import ObjectStore
from operation_runner.offers.registry import discover_analyses
from support.analysis import night_sky, write_with_catalogue
from support.runner import ANALYSIS_PACKAGES, WCS_CARDS, input_file, runner_here
from support.session_api import MEDIAN, archive, body_of, frame_document, frame_file, result, running_world
from support.waiting import until

SHAPE = (80, 120)
DISPLAY = {"width": 240, "height": 160}
OUTPUT = "the-output-1"


@pytest.fixture(scope="module")
async def world(module_settings_environment, tmp_path_factory):
    async with running_world(module_settings_environment, analysis_time_limit_s=3.0) as world:
        for name in ("alice", "bob"):
            await world.add_user(name, proposals=["P1"] if name == "alice" else [])
        async with ObjectStore(world.settings) as objects:
            world.objects = objects
            await store_everything(world, tmp_path_factory.mktemp("frames"))
            yield world


@pytest.fixture(scope="module")
async def runner(world, tmp_path_factory):
    async with runner_here(tmp_path_factory.mktemp("runner"), analyses=ANALYSIS_PACKAGES) as app:
        yield app


async def store_everything(world, folder):
    pixels = night_sky(SHAPE).astype("u2")
    pixels[48, 36] = 1200
    sources = {"x": [37.0], "y": [49.0], "flux": [1000.0], "fluxerr": [10.0]}
    for name, header in {"plain": {}, "solved": WCS_CARDS, "secret": WCS_CARDS}.items():
        path = write_with_catalogue(folder / f"{name}.fits.fz", pixels, sources, header=header, compression="RICE_1")
        file = await stored(world, path)
        private = (
            {"proposal_id": "P1", "public_date": datetime.now(UTC) + timedelta(days=1)} if name == "secret" else {}
        )
        await world.add_frames(frame_document(name, files={"fits": frame_file(file).model_dump()}, **private))
    world.files = {"solved": file}
    damaged = folder / "damaged.fits"
    damaged.write_bytes(path.read_bytes()[:3000])
    await world.add_frames(
        frame_document("damaged", files={"fits": frame_file(await stored(world, damaged)).model_dump()})
    )
    await world.add_frames(frame_document("lost"))


async def stored(world, path):
    file = input_file(path)
    await world.objects.put_file(file.key, path, content_type="application/fits")
    return file


async def ask(client, action, **body):
    reply = await client.post(f"/api/analysis/{action}/", json=body)
    return reply.status_code, body_of(reply)


async def test_without_a_runner_clients_are_told_at_once(world, alice):
    bucket = await world.bus.key_value(ANALYSIS_OFFERS)
    left_behind = AnalysisDescribed(action="zscale", description="by a runner that is gone", parameters_schema={})
    await bucket.put(left_behind.action, left_behind.encode())
    status, body = await ask(alice, "zscale", basename="plain")
    assert status == 503
    assert body == {"error": "zscale Error: no runner is there to look at images; try again in a moment"}


async def test_every_action_answers(runner, alice):
    place = {**DISPLAY, "x": 73, "y": 97}
    parameters = {
        "wcs": {},
        "header": {},
        "source-catalog": DISPLAY,
        "line-profile": {**DISPLAY, "x1": 10, "y1": 10, "x2": 50, "y2": 100},
        "centroiding": {**place, "radius": 3, "r_back1": 4, "r_back2": 5},
        "raw-data": {"max_size": 20},
        "get-tif": {},
        "get-png": {},
        "get-jpg-file": {},
        "get-tif-16bit": {"stretch": "linear"},
        "get-fits": {},
        "funpack": {},
        "get-jpg": {"zmin": None, "zmax": 1500},
        "histogram": {},
        "statistics": DISPLAY,
        "radial-profile": place,
        "quality": {},
        "zscale": {},
        "tiling": {},
        "header-cards": {},
    }
    assert set(parameters) | {"misbehave", "cutout", "tile", "overview"} == set(discover_analyses(ANALYSIS_PACKAGES))
    answers = {}
    for action, given in parameters.items():
        status, body = await ask(alice, action, basename="solved", source="archive", **given)
        assert (status, "error" in body) == (200, False), (action, body)
        answers[action] = body
    assert answers["wcs"]["fits_dimensions"] == [120, 80]
    assert answers["header"]["data"]["NAXIS1"] == 120
    assert answers["raw-data"]["height"] == 20
    assert len(answers["raw-data"]["data"]) == 400
    assert len(answers["source-catalog"]) == 1
    assert Picture.open(io.BytesIO(base64.b64decode(answers["get-jpg"]["jpg_base64"]))).size == (120, 80)


async def test_a_cutout_is_answered_as_a_file(runner, alice):
    body = {"basename": "solved", "x": 1, "y": 1, "width": 30, "height": 20}
    reply = await alice.post("/api/analysis/cutout/", json=body)
    assert (reply.status_code, reply.headers["Content-Type"]) == (200, "image/fits")
    assert fits.getdata(io.BytesIO(reply.content)).shape == (20, 30)


async def test_the_list_tells_what_can_be_asked(runner, alice):
    actions = body_of(await alice.get("/api/analysis/"))
    assert set(actions) == set(discover_analyses(ANALYSIS_PACKAGES))
    assert actions["line-profile"]["parameters_schema"]["required"] == ["width", "height", "x1", "y1", "x2", "y2"]
    assert actions["raw-data"]["parameters_schema"]["properties"]["max_size"]["maximum"] == 2048


@pytest.mark.parametrize("suffix", ["-large", "-small"])
async def test_pictures_of_a_file_stand_for_the_file(runner, alice, suffix):
    assert (await ask(alice, "wcs", basename=f"solved{suffix}"))[0] == 200


async def test_a_tiff_is_made_once_and_linked_with_a_signature(runner, world, alice):
    links = [(await ask(alice, "get-tif", basename="plain"))[1]["tif_url"] for _ in range(2)]
    async with httpx.AsyncClient(trust_env=False) as anybody:
        reply = await anybody.get(links[0])
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "image/tiff"
    picture = Picture.open(io.BytesIO(reply.content))
    assert (picture.size, picture.mode) == ((120, 80), "RGB")
    assert links[0].split("?")[0] == links[1].split("?")[0]
    assert "plain" not in links[0].split("?")[0]  # nothing of the client's is in the key


async def test_answers_of_any_size_come_through(runner, alice):
    reply = await alice.post("/api/analysis/raw-data/", json={"basename": "plain", "max_size": 2048})
    assert len(body_of(reply)["data"]) == 2048**2
    assert len(reply.content) > 16 * 1024**2  # more than four messages of the bus may hold


async def test_numbers_are_sent_compressed_to_who_can_read_that_and_once_only(runner, alice):
    body = {"basename": "plain", "max_size": 300}
    reply = await alice.post("/api/analysis/raw-data/", json=body)
    assert reply.headers["Content-Encoding"] == "gzip"
    assert int(reply.headers["Content-Length"]) == reply.num_bytes_downloaded < len(reply.content) / 2
    plain = await alice.post("/api/analysis/raw-data/", json=body, headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    assert (body_of(plain), plain.content) == (body_of(reply), reply.content)
    for first in (reply, plain):
        accepted = {"Accept-Encoding": first.request.headers["Accept-Encoding"]}
        seen = {"If-None-Match": first.headers["ETag"], **accepted}
        again = await alice.post("/api/analysis/raw-data/", json=body, headers=seen)
        assert (again.status_code, again.content) == (304, b"")
        other = await alice.post("/api/analysis/raw-data/", json={**body, "max_size": 299}, headers=seen)
        assert other.status_code == 200


async def test_pictures_are_answered_with_what_they_have(runner, world, alice, bob):
    session = await world.session(alice)
    await world.describe(MEDIAN)
    operation = await world.operation(alice, session, input_data={"input_files": [archive("plain"), archive("solved")]})
    picture = Picture.new("RGB", (30, 20), (200, 100, 50))
    files = {}
    for role, kind in {"tif": "TIFF", "large": "JPEG"}.items():
        content = io.BytesIO()
        picture.save(content, kind)
        key = f"results/picture/{role}"
        await world.objects.put_bytes(key, content.getvalue(), content_type=f"image/{kind.lower()}")
        files[role] = StoredFile(
            key=key, sha256="ab" * 32, size_bytes=len(content.getvalue()), media_type=f"image/{kind.lower()}"
        )
    output = OutputFile(basename="colours", type="image", files=files, is_exposure=False)
    await world.succeed(alice, session, operation, result().model_copy(update={"output_files": (output,)}))
    named = {"basename": "colours", "source": "datalab"}

    status, answer = await ask(alice, "get-tif", **named)
    assert status == 200
    shown = body_of(await alice.get(f"/api/datasessions/{session}/operations/{operation}/"))
    assert answer == {"tif_url": shown["output"]["output_files"][0]["tif_url"]}
    async with httpx.AsyncClient(trust_env=False) as anybody:
        assert Picture.open(io.BytesIO((await anybody.get(answer["tif_url"])).content)).size == (30, 20)
    status, answer = await ask(alice, "get-jpg", **named, zmin=None, zmax=None)
    assert Picture.open(io.BytesIO(base64.b64decode(answer["jpg_base64"]))).size == (30, 20)
    for action in ("get-tif", "get-jpg"):
        assert (await ask(bob, action, **named))[0] == 400


async def test_outputs_of_operations_are_looked_at(runner, world, alice, bob):
    session = await world.session(alice)
    await world.describe(MEDIAN)
    operation = await world.operation(alice, session, input_data={"input_files": [archive("plain"), archive("solved")]})
    file = world.files["solved"]
    stored_fits = StoredFile(
        key=file.key, sha256=file.sha256, size_bytes=file.size_bytes, media_type="application/fits"
    )
    made = result().model_copy(
        update={"output_files": (OutputFile(basename=OUTPUT, type="fits", files={"fits": stored_fits}),)}
    )
    await world.succeed(alice, session, operation, made)
    assert (await ask(alice, "wcs", basename=OUTPUT, source="datalab"))[0] == 200
    assert await ask(bob, "wcs", basename=OUTPUT, source="datalab") == (
        400,
        {"error": f"wcs Error: Could not find {OUTPUT} among the outputs of your operations"},
    )
    shown = (await alice.get(f"/api/datasessions/{session}/operations/{operation}/")).json()
    number = shown["output"]["output_files"][0]["id"]
    (frame,) = (await alice.get(f"/api/frames/?basename_exact={OUTPUT}")).json()["results"]
    assert (frame["id"], frame["basename"]) == (number, OUTPUT)
    assert f"/{stored_fits.key}?" in frame["url"]
    assert (await alice.get(f"/api/frames/{number}/")).json()["version_set"] == frame["version_set"]
    assert (await alice.get(f"/api/frames/{number}/headers/")).json()["data"]["NAXIS2"] == 80
    assert world.caused.seen["GET", "/api/frames/{frame_id}/headers"]
    assert (await bob.get(f"/api/frames/?basename_exact={OUTPUT}")).json()["results"] == []
    for path in (f"{number}/", f"{number}/headers/", f"{number}/related/", f"{number + 1}/"):
        assert (await bob.get(f"/api/frames/{path}")).status_code == 404


@pytest.mark.parametrize(("action", "given"), [("wcs", {}), ("get-tif", {}), ("raw-data", {})])
async def test_nobody_looks_at_what_he_may_not_read(runner, alice, bob, action, given):
    assert (await ask(alice, action, basename="secret", **given))[0] == 200
    # Also now that the runner has the file, and the rendering is stored (S4, S6).
    status, body = await ask(bob, action, basename="secret", **given)
    assert (status, body) == (400, {"error": f"{action} Error: Could not find secret in the archive"})


@pytest.mark.parametrize(
    ("action", "body", "text"),
    [
        ("raw-data", {}, "'basename' is missing"),
        ("raw-data", {"basename": 5}, "'basename' must be a text of 1 to 256 characters"),
        ("raw-data", {"basename": "plain", "source": "nowhere"}, "Source nowhere not recognized"),
        ("raw-data", {"basename": "none"}, "Could not find none in the archive"),
        (
            "raw-data",
            {"basename": "plain", "max_size": 5000},
            "'max_size' is wrong: Input should be less than or equal to 2048",
        ),
        (
            "raw-data",
            {"basename": "plain", "max_size": 0},
            "'max_size' is wrong: Input should be greater than or equal to 1",
        ),
        ("line-profile", {"basename": "plain", **DISPLAY, "x1": 1, "y2": 1}, "'y1', 'x2' are missing"),
        ("source-catalog", {"basename": "plain", "height": 1}, "'width' is missing"),
        ("wcs", {"basename": "plain"}, "No WCS solution found for this image"),
        ("get-jpg", {"basename": "plain", "zmin": 5, "zmax": 1}, "zmin 5 lies above zmax 1."),
        ("zscale", {"basename": "lost"}, "The input file lost is no longer stored."),
    ],
)
async def test_mistakes_are_told_in_words(runner, alice, action, body, text):
    assert await ask(alice, action, **body) == (400, {"error": f"{action} Error: {text}"})


async def test_a_damaged_file_is_told_without_paths(runner, alice):
    status, body = await ask(alice, "zscale", basename="damaged")
    assert status == 400
    assert body["error"].startswith("zscale Error: The input file damaged cannot be read")
    assert "/" not in body["error"]


@pytest.mark.parametrize("action", ["x", "Wcs", "wcs.x", "*", "%3E", "a b", "w" * 500])
async def test_an_unknown_action_is_not_found(runner, alice, action):
    reply = await alice.post(f"/api/analysis/{action}/", json={})
    assert reply.status_code == 400
    assert body_of(reply)["error"].startswith("Analysis action '")
    if action == "x":
        assert body_of(reply) == {"error": "Analysis action 'x' not found"}


async def test_only_posts_are_answered(runner, alice):
    reply = await alice.get("/api/analysis/wcs/")
    assert (reply.status_code, body_of(reply)) == (405, {"detail": 'Method "GET" not allowed.'})


async def test_a_bug_is_told_without_internals(runner, alice):
    status, body = await ask(alice, "misbehave", basename="plain", how="bug")
    assert status == 500
    assert body == {"error": "misbehave Error: An unknown error occurred, contact the developers if this persists."}


async def test_a_lost_process_may_be_tried_again(runner, alice):
    status, body = await ask(alice, "misbehave", basename="plain", how="kill")
    assert (status, "was ended" in body["error"]) == (503, True)
    assert (await ask(alice, "misbehave", basename="plain", how="pid"))[0] == 200


async def test_what_takes_too_long_is_told_in_time(runner, alice):
    loop = asyncio.get_running_loop()
    began = loop.time()
    answer = await ask(alice, "misbehave", basename="plain", how="sleep")
    assert answer == (400, {"error": "misbehave Error: plain could not be analysed in time"})
    assert loop.time() - began > 2.5


async def test_many_at_once_are_answered_alike(runner, alice):
    async def has_its_processes_again():  # which other tests have ended
        return (await ask(alice, "raw-data", basename="plain", max_size=300))[0] == 200

    await until(has_its_processes_again)
    answers = await asyncio.gather(*(ask(alice, "raw-data", basename="plain", max_size=300) for _ in range(20)))
    assert {status for status, _ in answers} == {200}, [body for status, body in answers if status != 200]
    assert all(answer == answers[0] for answer in answers)
    assert answers[0][0] == 200


@pytest.mark.parametrize("body", [b"", b"[]", b'"f"', b"null", b"{", b"\xff", b'{"basename": NaN}'])
async def test_a_body_that_names_no_file_is_refused_in_the_shape_of_every_refusal(alice, body):
    reply = await alice.post("/api/analysis/wcs/", content=body, headers={"Content-Type": "application/json"})
    assert reply.status_code == 400
    assert list(body_of(reply)) == ["error"]
    assert body_of(reply)["error"].startswith("wcs Error: ")
