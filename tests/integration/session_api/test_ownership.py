"""Nobody reads, changes, lists or guesses what belongs to somebody else: every route of the application is tried.

A new route fails here until it is given a request in `AS_A_STRANGER` or a reason in `NOBODYS`.
"""

import json

import pytest
from fastapi.routing import APIRoute

from datalab.events.analysis import AnalysisDescribed
from datalab.events.topology import ANALYSIS_OFFERS
from session_api.main import create_app
from session_api.settings import SessionApiSettings
from support.session_api import archive, body_of, frame_document, result

NO_SESSION = (404, {"detail": "No DataSession matches the given query."})
NO_GROUP = (404, {"detail": "No Group matches the given query."})
NO_OPERATION = (404, {"detail": "No DataOperation matches the given query."})
NO_UPLOAD = (404, {"detail": "No Upload matches the given query."})
NO_FRAME = (404, {"detail": "No Frame matches the given query."})
NO_OUTPUT = (400, {"error": "wcs Error: Could not find private-result among the outputs of your operations"})
FORBIDDEN = (403, {"detail": "You do not have permission to perform this action."})

GUESSED = {
    "session_id": 10**9,
    "operation_id": 10**9,
    "basename": "guessed",
    "frame_id": 10**9,
    "upload_id": "upload-00000000-0000-4000-8000-000000000000",
    "group_id": 10**9,
}

_MEDIAN = {"name": "Median", "input_data": {"input_files": [archive("f1"), archive("f2")]}}
_SESSION = "/api/datasessions/{session_id}"
_OPERATION = f"{_SESSION}/operations/{{operation_id}}"
_UPLOAD = "/api/frames/upload/{upload_id}"
_GROUP = "/api/groups/{group_id}"

#: Route: the body a stranger sends with the owner's ids, and the answer, the same as for ids that do not exist.
AS_A_STRANGER = {
    ("GET", _SESSION): (None, NO_SESSION),
    ("GET", f"{_SESSION}/frames"): (None, NO_SESSION),
    ("PUT", _SESSION): ({"name": "mine"}, NO_SESSION),
    ("PATCH", _SESSION): ({"name": "mine", "input_data": [archive("f1")]}, NO_SESSION),
    ("DELETE", _SESSION): (None, NO_SESSION),
    ("GET", f"{_SESSION}/shares"): (None, NO_SESSION),
    ("PUT", f"{_SESSION}/shares/users/{{username}}"): ({"role": "editor"}, NO_SESSION),
    ("DELETE", f"{_SESSION}/shares/users/{{username}}"): (None, NO_SESSION),
    ("PUT", f"{_SESSION}/shares/groups/{{group_id}}"): ({"role": "editor"}, NO_SESSION),
    ("DELETE", f"{_SESSION}/shares/groups/{{group_id}}"): (None, NO_SESSION),
    ("POST", f"{_SESSION}/link"): (None, NO_SESSION),
    ("DELETE", f"{_SESSION}/link"): (None, NO_SESSION),
    ("PUT", f"{_SESSION}/owner"): ({"user": "bob"}, NO_SESSION),
    ("GET", _GROUP): (None, NO_GROUP),
    ("PATCH", _GROUP): ({"name": "mine"}, NO_GROUP),
    ("DELETE", _GROUP): (None, NO_GROUP),
    ("PUT", f"{_GROUP}/owner"): ({"user": "bob"}, NO_GROUP),
    ("PUT", f"{_GROUP}/members/{{username}}"): (None, NO_GROUP),
    ("DELETE", f"{_GROUP}/members/{{username}}"): (None, NO_GROUP),
    ("GET", f"{_SESSION}/operations"): (None, NO_SESSION),
    ("POST", f"{_SESSION}/operations"): (_MEDIAN, NO_SESSION),
    ("POST", f"{_SESSION}/operations/bulk_delete"): ({"ids": ["{operation_id}"]}, NO_SESSION),
    ("GET", _OPERATION): (None, NO_OPERATION),
    ("DELETE", _OPERATION): (None, NO_OPERATION),
    ("POST", f"{_OPERATION}/cancel"): (None, NO_OPERATION),
    ("POST", f"{_OPERATION}/retry"): (None, NO_OPERATION),
    ("GET", "/api/frames/upload/replaced/{basename}"): (None, NO_FRAME),
    ("DELETE", "/api/frames/{frame_id}"): (None, NO_FRAME),
    ("POST", "/api/frames"): ({}, FORBIDDEN),
    ("POST", "/api/thumbnails"): ({}, FORBIDDEN),
    ("GET", "/api/versions"): (None, FORBIDDEN),
    ("GET", "/api/ocs-store"): (None, FORBIDDEN),
    ("GET", _UPLOAD): (None, NO_UPLOAD),
    ("DELETE", _UPLOAD): (None, NO_UPLOAD),
    ("PUT", f"{_UPLOAD}/parts/{{number}}"): ({}, NO_UPLOAD),
    ("POST", f"{_UPLOAD}/complete"): (None, NO_UPLOAD),
    ("POST", "/api/analysis/{action}"): ({"basename": "private-result", "source": "datalab"}, NO_OUTPUT),
    ("GET", "/api/users"): (None, FORBIDDEN),
    ("POST", "/api/users"): ({"username": "eve", "superuser": True}, FORBIDDEN),
    ("GET", "/api/users/{username}"): (None, FORBIDDEN),
    ("DELETE", "/api/users/{username}"): (None, FORBIDDEN),
    ("PATCH", "/api/users/{username}"): ({"superuser": True}, FORBIDDEN),
    ("POST", "/api/users/{username}/tokens"): (None, FORBIDDEN),
    ("POST", "/api/users/{username}/login-code"): (None, FORBIDDEN),
    ("DELETE", "/api/users/{username}/tokens"): (None, FORBIDDEN),
    ("PUT", "/api/users/{username}/password"): ({"password": "of a stranger"}, FORBIDDEN),
    ("GET", "/api/audit-log"): (None, FORBIDDEN),
    ("GET", "/api/dead-letters"): (None, FORBIDDEN),
    ("GET", "/api/dead-letters/{number}"): (None, FORBIDDEN),
    ("POST", "/api/dead-letters/{number}/requeue"): (None, FORBIDDEN),
    ("DELETE", "/api/dead-letters/{number}"): (None, FORBIDDEN),
    ("GET", "/api/system/processes"): (None, FORBIDDEN),
    ("GET", "/api/system/queues"): (None, FORBIDDEN),
}
#: Routes on which nothing belongs to anybody, or that have tests of their own here.
NOBODYS = {
    **dict.fromkeys(
        [
            ("GET", "/api/frames"),
            ("GET", "/api/frames/aggregate"),
            ("GET", "/api/frames/{frame_id}"),
            ("GET", "/api/frames/{frame_id}/headers"),
            ("GET", "/api/frames/{frame_id}/related"),
            ("GET", "/frames"),
            ("GET", "/frames/{frame_id}"),
            ("GET", "/api/thumbnails"),
            ("GET", "/filtered_images"),
            ("GET", "/api/pictures/{basename}"),
            ("GET", "/fitsheader/{base_filename}"),
            ("GET", "/image/{base_filename}"),
            ("GET", "/latest_image_all_sites"),
            ("GET", "/recentuploads"),
            ("GET", "/{site}/latest_images/{number_of_images}"),
        ],
        "open to everybody, each with what they may see: test_archive",
    ),
    **dict.fromkeys(
        [
            ("POST", "/download"),
            ("POST", "/downloadzip"),
            ("POST", "/api/frames/zip"),
            ("GET", "/api/frames/{frame_id}/cutout"),
            ("GET", "/api/frame-funpack/{version_id}/funpack"),
        ],
        "open to everybody, each with what they may read: test_downloads",
    ),
    ("GET", "/events"): "the Sun over a site, for everybody",
    ("GET", "/events/moon/rise-set-illum"): "the Moon over a place, for everybody",
    ("GET", "/api/names/{name:path}"): "the sky belongs to nobody",
    ("GET", "/infoimage/{site}/{channel}"): "pictures of a site's instruments, for everybody",
    ("GET", "/allskyimage/{site}"): "the sky over a site, for everybody",
    ("GET", "/api/analysis"): "the same for every user",
    ("GET", "/api/asyncapi.json"): "a public document",
    ("GET", "/api/available_operations"): "the same for every user",
    ("GET", "/api/datasessions"): "test_lists_show_nothing_of_others",
    ("POST", "/api/datasessions"): "makes what did not exist",
    ("GET", "/api/groups"): "test_lists_show_nothing_of_others",
    ("POST", "/api/groups"): "makes what did not exist",
    ("GET", "/api/frames/upload"): "test_lists_show_nothing_of_others",
    ("POST", "/api/frames/upload"): "makes what did not exist",
    ("POST", "/api/browser/login"): "tells who one is, in a browser: test_browser_logins",
    ("DELETE", "/api/browser/login"): "ends one's own login: test_browser_logins",
    ("POST", "/api/api-token-auth"): "tells who one is by a password: test_passwords",
    ("POST", "/dummy-requires-auth"): "tells that one is known: test_web_tokens",
    ("POST", "/authprofile/addupdateuser"): "with a key of the portal's: test_portal_users",
    ("PUT", "/api/profile/password"): "one's own, and no other: test_passwords",
    ("GET", "/api/profile"): "says who one is: test_logging_in",
    ("PUT", "/ocs-store/{bucket}/{path:path}"): "with a signature, and no token: test_ingesters",
    ("POST", "/upload"): "whose a file is its name says; what it replaces is kept",
    ("POST", "/upload/form"): "a form is the right to store one file",
    ("GET", "/"): "a greeting",
    ("GET", "/all/config"): "what sites say of themselves, for everybody",
    ("GET", "/{site}/config"): "what sites say of themselves, for everybody",
    ("PUT", "/{site}/config"): "test_sites: for whoever may upload for the site",
    ("DELETE", "/{site}/config"): "test_sites: for whoever may upload for the site",
    ("GET", "/control_room/{site}"): "test_control_rooms: for every user",
    ("DELETE", "/control_room/{site}"): "test_control_rooms: for whoever may upload for the site",
    ("GET", "/control_room/{site}/restart"): "test_control_rooms: for whoever may upload for the site",
    ("POST", "/new_remotehq_browser"): "makes what did not exist",
    ("GET", "/{site}/config/versions"): "what sites said of themselves, for everybody",
    **dict.fromkeys(
        [
            ("GET", "/allopenstatus"),
            ("GET", "/logs/recent-logs"),
            ("GET", "/nightlog/{site}"),
            ("GET", "/phase_status/{site}"),
            ("GET", "/status/allopenstatus"),
            ("GET", "/status/phase_status/{site}"),
            ("GET", "/status/{site}/complete_status"),
            ("GET", "/status/{site}/{kind}"),
            ("GET", "/status/{site}/{kind}/history"),
        ],
        "how sites are and what they say, for everybody",
    ),
    **dict.fromkeys(
        [
            ("POST", "/logs/newlog"),
            ("POST", "/phase_status"),
            ("POST", "/status/phase_status"),
            ("POST", "/status/{site}/status"),
            ("POST", "/test/{site}/status"),
        ],
        "for the site's own software: test_site_logs, test_site_status",
    ),
    **dict.fromkeys(
        [("POST", "/nightlog/{site}"), ("DELETE", "/nightlog/{site}"), ("GET", "/nightlog/{site}/history")],
        "for the site's staff: test_night_logs",
    ),
    **dict.fromkeys(
        [
            ("POST", "/pipe/queue"),
            ("POST", "/pipe/enqueue"),
            ("GET", "/pipe/queues"),
            ("GET", "/pipe/queue/{name}"),
            ("DELETE", "/pipe/queue/{name}"),
            ("POST", "/pipe/queue/{name}/dequeue"),
            ("POST", "/pipe/queue/{name}/acknowledge"),
            ("POST", "/pipe/queue/{name}/renew"),
            ("POST", "/pipe/queue/{name}/release"),
            ("GET", "/api/queues"),
            ("GET", "/api/queues/{name}"),
            ("GET", "/api/queues/{name}/items"),
            ("POST", "/api/queues/{name}/requeue"),
            ("POST", "/pipe/status"),
            ("GET", "/pipe/statuses"),
            ("GET", "/pipe/status/{pipe_id}"),
            ("DELETE", "/pipe/status/{pipe_id}"),
        ],
        "test_queues: for whoever may upload for the site; how many there are, and how machines are, for everybody",
    ),
    ("POST", "/jobs/newjob"): "test_jobs: any user may ask an observatory",
    ("POST", "/jobs/getnewjobs"): "test_jobs: for whoever may upload for the site",
    ("POST", "/jobs/updatejobstatus"): "test_jobs: for whoever may upload for the site",
    ("POST", "/jobs/getrecentjobs"): "what observatories are asked, for everybody",
    ("GET", "/upload/form/{form_id}"): "a form is the right to know what became of its file",
}


def routes_of_the_application():
    app = create_app(SessionApiSettings())
    return sorted(
        {(method, route.path) for route in app.routes if isinstance(route, APIRoute) for method in route.methods}
    )


@pytest.fixture(scope="module")
async def owned(world, alice):
    """The ids of a session of alice with a finished and a running operation, and how it looks."""
    bucket = await world.bus.key_value(ANALYSIS_OFFERS)
    await bucket.put("wcs", AnalysisDescribed(action="wcs", description="", parameters_schema={}).encode())
    session_id = await world.session(alice, name="private", input_data=[archive("f1")])
    done = await world.operation(alice, session_id)
    await world.succeed(alice, session_id, done, result("private-result"))
    running = await world.operation(alice, session_id)
    await world.start(alice, session_id, running)
    upload = {"file_name": "private-upload.fits", "size_bytes": 1, "sha256": "a" * 64}
    upload_id = body_of(await alice.post("/api/frames/upload/", json=upload))["id"]
    ids = {"session_id": session_id, "operation_id": running, "username": "alice", "action": "wcs"}
    private = frame_document("private-frame", public_date=None, proposal_id="P1")
    await world.add_frames(private)
    of_the_frame = {"basename": "private-frame", "frame_id": private["frame_id"]}
    group_id = body_of(await alice.post("/api/groups/", json={"name": "private-group"}))["id"]
    return {**ids, "upload_id": upload_id, "group_id": group_id, "number": 1, **of_the_frame}


@pytest.mark.parametrize(("method", "path"), routes_of_the_application())
async def test_every_route_keeps_strangers_out(world, alice, bob, owned, method, path):
    if (method, path) in NOBODYS:
        return
    body, expected = AS_A_STRANGER[method, path]
    before = await everything(alice, owned)
    reply = await send(bob, method, path, body, owned)
    assert (reply.status_code, body_of(reply)) == expected
    if expected != FORBIDDEN:
        guessed = await send(bob, method, path, body, {**owned, **GUESSED})
        assert (guessed.status_code, body_of(guessed)) == expected
        own = await world.session(bob)
        mixed = await send(bob, method, path, body, {**owned, "session_id": own})
        if "{operation_id}" in path:
            assert (mixed.status_code, body_of(mixed)) == expected
    async with world.client() as nobody:
        assert (await send(nobody, method, path, body, owned)).status_code == 401
    assert await everything(alice, owned) == before


async def test_an_operation_is_not_found_through_another_session_of_its_owner(world, alice, owned):
    other = await world.session(alice)
    for method, path in (key for key in AS_A_STRANGER if "{operation_id}" in key[1]):
        reply = await send(alice, method, path, None, {**owned, "session_id": other})
        assert (reply.status_code, body_of(reply)) == NO_OPERATION


async def test_bulk_delete_leaves_operations_of_others_alone(world, alice, bob, owned):
    own = await world.session(bob)
    before = await everything(alice, owned)
    reply = await bob.post(f"/api/datasessions/{own}/operations/bulk_delete/", json={"ids": [owned["operation_id"]]})
    assert body_of(reply) == {"deleted": 0}
    assert await everything(alice, owned) == before


async def test_lists_show_nothing_of_others(bob, root, owned):
    for stranger in (bob, root):
        for parameters in ({}, {"user": "alice"}, {"user_exact": "alice"}, {"name": "private"}):
            sessions = body_of(await stranger.get("/api/datasessions/", params=parameters))["results"]
            assert owned["session_id"] not in [session["id"] for session in sessions]
            assert "private-result" not in str(sessions)
        assert "private-upload" not in (await stranger.get("/api/frames/upload/")).text
        assert "private-group" not in (await stranger.get("/api/groups/")).text


async def test_a_superuser_is_no_owner_either(root, owned):
    reply = await root.get(f"/api/datasessions/{owned['session_id']}/")
    assert (reply.status_code, body_of(reply)) == NO_SESSION


async def send(client, method, path, body, ids):
    text = None if body is None else json.dumps(body).replace('"{operation_id}"', str(ids["operation_id"]))
    return await client.request(method, path.format(**ids) + "/", content=text)


async def everything(client, ids):
    """Return all that can be seen of a session, but for the time it was looked at."""
    sessions = body_of(await client.get("/api/datasessions/"))["results"]
    (session,) = [session for session in sessions if session["id"] == ids["session_id"]]
    return {key: value for key, value in session.items() if key != "accessed"} | {
        "operations": [
            {key: value for key, value in operation.items() if key != "output"} for operation in session["operations"]
        ]
    }
