"""The table of routes in the operator guide, held against the running application, line by line."""

import asyncio
import re
from collections import defaultdict
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from datalab.events.analysis import AnalysisDescribed
from datalab.events.topology import ANALYSIS_OFFERS
from session_api.settings import SessionApiSettings
from session_api.web.access import declared_rules
from support.routes import WHO, described_routes, rows_of
from support.session_api import MEDIAN, archive, frame_document, running_world
from support.waiting import PATIENCE_S

ROWS = rows_of((Path(__file__).parents[3] / "docs/operator-guide.md").read_text())
HTTP_ROWS = [row for row in ROWS if row[0] != "websocket"]
_UNITS = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
#: Routes whose events are caused where there is all they need; the tests named look at them.
ELSEWHERE = {
    ("POST", "/upload"): "test_uploads.py::test_a_header_in_the_request_is_stored_as_the_text_it_replaces",
    ("POST", "/upload/form"): "test_uploads.py::test_an_observatory_uploads_a_file",
    ("POST", "/api/frames/upload/{upload_id}/complete"): (
        "test_personal_uploads.py::test_a_file_becomes_a_frame_that_is_its_owners_alone"
    ),
    ("POST", "/api/frames"): "test_ingesters.py::test_a_file_that_was_told_of_is_a_frame_like_any_other",
    ("POST", "/api/thumbnails"): "test_ingesters.py::test_pictures_are_thumbnails_of_their_frame",
    ("POST", "/download"): "test_downloads.py::test_a_file_as_tiff_is_made_once",
    ("POST", "/downloadzip"): "test_downloads.py::test_an_archive_has_one_file_of_each_image",
    ("POST", "/api/frames/zip"): "test_downloads.py::test_an_archive_of_frames_can_be_unpacked_on_the_way",
    ("GET", "/api/frames/{frame_id}/cutout"): "test_downloads.py::test_a_cutout",
    ("GET", "/api/frames/{frame_id}/headers"): "test_analysis.py::test_outputs_of_operations_are_looked_at",
    ("GET", "/api/frame-funpack/{version_id}/funpack"): "test_downloads.py::test_a_version_unpacked",
}


@pytest.fixture(scope="module")
async def world(module_settings_environment):
    async with running_world(module_settings_environment, name_service_url="http://127.0.0.1:9/") as world:
        await world.add_user("ada")
        await world.add_user("camera", ingests=["tst"])
        await world.add_user("keeper", operator=True)
        await world.add_user("root", superuser=True)
        await world.describe(MEDIAN)
        await world.add_frames(frame_document("f1"), frame_document("f2"))
        offers = await world.bus.key_value(ANALYSIS_OFFERS)
        looking = AnalysisDescribed(action="look", description="", parameters_schema={})
        await offers.put(looking.action, looking.encode())
        yield world


def called(path):
    """Return a path with something in the place of its parameters."""
    return re.sub(r"\{\w+(:path)?\}", "1", path)


def ids(row):
    return f"{row[0]} {row[1]}"


def test_the_table_is_of_this_application(world):
    assert [row[:2] for row in ROWS] == [(method, path) for method, path, _ in described_routes(world.app)]


def test_whatever_is_bounded_in_a_minute_is_said_of_its_routes():
    said = {name for row in ROWS for name in re.findall(r"DATALAB_(\w+_PER_MINUTE)", row[4])}
    assert said == {name.upper() for name in SessionApiSettings.model_fields if name.endswith("_per_minute")}


@pytest.mark.parametrize("row", HTTP_ROWS, ids=ids)
async def test_who_may_call(world, row):
    method, path, who = "GET" if row[0] == "any" else row[0], called(row[1]), row[2].partition(":")[0]
    statuses = {}
    for user in (None, "ada", "camera", "keeper", "root"):
        async with world.client(user) as client:
            statuses[user] = (await client.request(method, path)).status_code
    kinds = {text: kind.name for kind, text in WHO.items()}
    match kinds.get(who):
        case "PUBLIC":
            assert 401 not in statuses.values()
        case "USER":
            assert statuses.pop(None) == 401
            assert 401 not in statuses.values()
        case "INGESTER":
            assert (statuses[None], statuses["ada"]) == (401, 403)
            assert not {401, 403} & {statuses["camera"], statuses["root"]}
        case "OPERATOR":
            assert (statuses[None], statuses["ada"], statuses["camera"]) == (401, 403, 403)
            assert not {401, 403} & {statuses["keeper"], statuses["root"]}
        case "SUPERUSER":
            assert (statuses[None], statuses["ada"], statuses["camera"]) == (401, 403, 403)
            assert statuses["root"] not in {401, 403}
        case _:  # the route itself says who: at least not everybody
            assert statuses[None] in {401, 403}


@pytest.mark.parametrize("row", [row for row in HTTP_ROWS if row[3]], ids=ids)
async def test_a_body_larger_than_the_table_says_is_refused_before_it_is_sent(world, row):
    method, path, _, largest = row[:4]
    number, _, unit = largest.partition(" ")
    most = world.settings.max_request_bytes if largest.startswith("`") else int(number) * _UNITS[unit]
    assert await status_of(world, method, called(path), most + 1) == 413
    assert await status_of(world, method, called(path), most, leaves=True) != 413


async def status_of(world, method, path, announced, *, leaves=False):
    """Announce a body and send none; return the status of the answer, None if there is none for who has left."""
    url = urlsplit(world.url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: {url.netloc}\r\nAuthorization: Token {world.tokens['root']}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {announced}\r\n\r\n"
    )
    writer.write(head.encode())
    await writer.drain()
    if leaves:
        writer.write_eof()
    async with asyncio.timeout(PATIENCE_S):
        answer = await reader.read(64)
    writer.close()
    return int(answer.split()[1]) if answer else None


@pytest.mark.parametrize("row", [row for row in ROWS if row[4]], ids=ids)
def test_the_limits_are_settings(row):
    named = re.findall(r"`DATALAB_(\w+)`", row[4])
    assert named
    assert {name.lower() for name in named} <= set(SessionApiSettings.model_fields)


async def test_every_event_in_the_table_is_caused_by_a_call(world):
    """That no call causes others, the clients of all tests see to: `CausedEvents.check`."""
    async with world.client("ada") as ada, world.client("root") as root:
        session = await world.session(ada)
        path = f"/api/datasessions/{session}/"
        await ada.put(path, json={"name": "S2"})
        await ada.patch(path, json={"name": "S3"})
        first, second, third, _ = [await world.operation(ada, session) for _ in range(4)]
        await ada.post(f"{path}operations/{first}/cancel/")
        await world.report_cancelled(first)
        await world.wait_for(ada, session, first, "CANCELLED")
        await ada.post(f"{path}operations/{first}/retry/")
        await ada.delete(f"{path}operations/{second}/")
        await ada.post(f"{path}operations/bulk_delete/", json={"ids": [third]})
        group = (await ada.post("/api/groups/", json={"name": "observers"})).json()["id"]
        for shared in ("shares/users/camera/", f"shares/groups/{group}/"):
            await ada.put(path + shared, json={"role": "viewer"})
            await ada.delete(path + shared)
        await ada.post(f"{path}link/")
        await ada.delete(f"{path}link/")
        await ada.delete(path)
        given = await world.session(ada)
        await ada.put(f"/api/datasessions/{given}/owner/", json={"user": "root"})
        await ada.post("/api/analysis/look/", json={"basename": "f1"})
        place = {"latitude": 31.3, "longitude": -100.5, "elevation": 600, "TZ_database_name": "America/Chicago"}
        await root.put("/tst/config", json=place)
        await ada.get("/events?site=tst")
        await root.delete("/tst/config")
        await root.post("/status/tst/status", json={"statusType": "weather", "status": {"wx_ok": True}})
        await root.post("/logs/newlog", json={"site": "tst", "log_message": "Opening", "timestamp": 1_800_000_000})
        await root.post("/status/phase_status", json={"site": "tst", "message": "Flats"})
        job = {"site": "tst", "device": "camera", "instance": "camera1", "action": "expose", "user_name": "Ada"}
        more = {"user_id": "1", "user_roles": ["admin"], "optional_params": {}, "required_params": {}}
        ulid = (await root.post("/jobs/newjob", json={**job, **more})).json()["ulid"]
        await root.post("/jobs/getnewjobs", json={"site": "tst"})
        await root.post("/jobs/updatejobstatus", json={"site": "tst", "ulid": ulid, "newStatus": "STARTED"})
        await root.post("/pipe/queue", json={"queue_name": "tst"})
        await root.post("/pipe/enqueue", json={"queue_name": "tst", "payload": {"a": 1}, "sender": "tst"})
        await root.post("/nightlog/tst", json={"note_data": {"ttl_hours": 1}})
        await root.delete("/nightlog/tst")
        await ada.get("/events/moon/rise-set-illum?lat=0&lng=0&start=2026-11-30T00:00:00Z&end=2026-12-01T00:00:00Z")
        frame = await world.database["frames"].find_one({"_id": "f2"})
        await root.delete(f"/api/frames/{frame['frame_id']}/")
        await ada.post("/api/datasessions/", json={"name": "S4", "input_data": [archive("f1")]})
    declared, seen = {}, defaultdict(set)
    for method, path, route in described_routes(world.app):
        if (method, path) not in ELSEWHERE:
            declared[route.endpoint] = set(declared_rules(route).emits)
            seen[route.endpoint] |= world.caused.seen[method, path]
    silent = [endpoint.__name__ for endpoint, events in declared.items() if events and not events & seen[endpoint]]
    # Told of when the call is over (test_site_status), and when items go back to their queue (test_queues).
    assert sorted(silent) == ["release", "requeue", "take_status"]


@pytest.mark.parametrize("route", ELSEWHERE)
def test_events_that_are_caused_elsewhere_are_looked_at_there(route):
    file, _, test = ELSEWHERE[route].partition("::")
    text = (Path(__file__).parent / file).read_text()
    body = re.search(rf"^async def {test}\(.*?(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)
    assert f'world.caused.seen["{route[0]}", "{route[1]}"]' in body[0]
