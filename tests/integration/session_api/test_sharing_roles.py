"""What each role may call, on every route that has to do with sessions, operations, analyses, outputs and downloads.

The routes are the application's own: a new one of these fails here until it says what each role is answered.
"""

import itertools

import pytest
from fastapi.routing import APIRoute

from datalab.events.analysis import AnalysisDescribed
from datalab.events.topology import ANALYSIS_OFFERS
from session_api.main import create_app
from session_api.operations.output_ids import output_id
from session_api.settings import SessionApiSettings
from support.session_api import archive, body_of
from support.sharing import IMAGE, PICTURE, Copies, result_of, store_result

#: Without a token; with one of somebody else, or of a superuser; with a link to the session, alone or besides a token;
#: and with a token of those with whom the session is shared.
ROLES = ("nobody", "stranger", "superuser", "link", "holder", "viewer", "group viewer", "editor", "owner")
_USERS = {
    "stranger": "stranger",
    "superuser": "root",
    "holder": "stranger",
    "viewer": "vera",
    "group viewer": "gina",
    "editor": "eddy",
    "owner": "alice",
}

_SESSION = "/api/datasessions/{session_id}"
_OPERATION = f"{_SESSION}/operations/{{operation_id}}"
_MEDIAN = {"name": "Median", "input_data": {"input_files": [archive("f1"), archive("f2")]}}


def looking(done, *, nobody=401, stranger=404):
    """Whoever may look at the session is answered so."""
    return (nobody, stranger, stranger, *[done] * 6)


def changing(done):
    """Editors may."""
    return (401, 404, 404, 401, 403, 403, 403, done, done)


def owning(done):
    """Only the owner may."""
    return (401, 404, 404, 401, 403, 403, 403, 403, done)


def any_user(done):
    return (401, done, done, 401, *[done] * 5)


def anybody(done):
    """What is in it differs: test_sharing."""
    return (done,) * 9


#: Route: its body, and the status each role is answered with.
EXPECTED = {
    ("GET", "/api/datasessions"): (None, any_user(200)),
    ("POST", "/api/datasessions"): ({"name": "mine"}, any_user(201)),
    ("GET", _SESSION): (None, looking(200)),
    ("GET", f"{_SESSION}/frames"): (None, looking(200)),
    ("PUT", _SESSION): ({"name": "other"}, changing(200)),
    ("PATCH", _SESSION): ({"input_data": [archive("f3")]}, changing(200)),
    ("DELETE", _SESSION): (None, owning(204)),
    ("GET", f"{_SESSION}/shares"): (None, owning(200)),
    ("PUT", f"{_SESSION}/shares/users/{{username}}"): ({"role": "editor"}, owning(200)),
    ("DELETE", f"{_SESSION}/shares/users/{{username}}"): (None, owning(204)),
    ("PUT", f"{_SESSION}/shares/groups/{{group_id}}"): ({"role": "editor"}, owning(200)),
    ("DELETE", f"{_SESSION}/shares/groups/{{group_id}}"): (None, owning(204)),
    ("POST", f"{_SESSION}/link"): (None, owning(201)),
    ("DELETE", f"{_SESSION}/link"): (None, owning(204)),
    ("PUT", f"{_SESSION}/owner"): ({"user": "fred"}, owning(200)),
    ("GET", f"{_SESSION}/operations"): (None, looking(200)),
    ("POST", f"{_SESSION}/operations"): (_MEDIAN, changing(201)),
    ("POST", f"{_SESSION}/operations/bulk_delete"): ({"ids": [1]}, changing(200)),
    ("GET", _OPERATION): (None, looking(200)),
    ("DELETE", _OPERATION): (None, changing(204)),
    ("POST", f"{_OPERATION}/cancel"): (None, changing(200)),
    ("POST", f"{_OPERATION}/retry"): (None, changing(200)),
    ("GET", "/api/analysis"): (None, any_user(200)),
    ("POST", "/api/analysis/{action}"): ({"basename": PICTURE, "source": "datalab"}, looking(200, stranger=400)),
    ("GET", "/api/frames"): (None, anybody(200)),
    ("GET", "/frames"): (None, anybody(200)),
    ("GET", "/api/frames/aggregate"): (None, anybody(200)),
    ("GET", "/api/thumbnails"): (None, anybody(200)),
    ("GET", "/api/frames/{frame_id}"): (None, looking(200, nobody=404)),
    ("GET", "/frames/{frame_id}"): (None, looking(200, nobody=404)),
    ("GET", "/api/frames/{frame_id}/headers"): (None, looking(200, nobody=404)),
    ("GET", "/api/frames/{frame_id}/related"): (None, looking(200, nobody=404)),
    ("GET", "/api/pictures/{basename}"): (None, looking(200, nobody=404)),
    ("POST", "/api/frames/zip"): ({"frame_ids": []}, looking(200, nobody=404)),
    # No runner is there to cut: who may see the image is told so.
    ("GET", "/api/frames/{frame_id}/cutout"): (None, looking(503, nobody=404)),
}
#: Routes near these on which no session bears: they are about frames and people's own files.
UNCONCERNED = {
    *(("DELETE", "/api/frames/{frame_id}"), ("POST", "/api/frames"), ("POST", "/api/thumbnails")),
    *(("GET", "/api/frames/upload"), ("POST", "/api/frames/upload"), ("GET", "/api/frames/upload/{upload_id}")),
    *(("DELETE", "/api/frames/upload/{upload_id}"), ("PUT", "/api/frames/upload/{upload_id}/parts/{number}")),
    *(("POST", "/api/frames/upload/{upload_id}/complete"), ("GET", "/api/frames/upload/replaced/{basename}")),
    *(("GET", "/api/frame-funpack/{version_id}/funpack"), ("POST", "/download"), ("POST", "/downloadzip")),
}
#: Routes of groups: by who calls, nobody, a stranger (also a superuser), a member, the owner.
GROUPS = {
    ("GET", "/api/groups"): (None, (401, 200, 200, 200)),
    ("POST", "/api/groups"): ({"name": "{word}"}, (401, 201, 201, 201)),
    ("GET", "/api/groups/{group_id}"): (None, (401, 404, 200, 200)),
    ("PATCH", "/api/groups/{group_id}"): ({"name": "{word}"}, (401, 404, 403, 200)),
    ("DELETE", "/api/groups/{group_id}"): (None, (401, 404, 403, 204)),
    ("PUT", "/api/groups/{group_id}/owner"): ({"user": "vera"}, (401, 404, 403, 200)),
    ("PUT", "/api/groups/{group_id}/members/{username}"): (None, (401, 404, 403, 200)),
    ("DELETE", "/api/groups/{group_id}/members/{username}"): (None, (401, 404, 403, 204)),
}
_NEAR = (
    *(
        "/api/datasessions",
        "/api/analysis",
        "/api/groups",
        "/api/frames",
        "/frames",
        "/api/thumbnails",
        "/api/pictures",
    ),
    *("/api/frame-funpack", "/download"),
)


def routes():
    """Return the routes that have to do with sessions and what is in them."""
    app = create_app(SessionApiSettings())
    return sorted(
        (method, route.path)
        for route in app.routes
        if isinstance(route, APIRoute)
        and (route.path.startswith(_NEAR) or "{session_id}" in route.path or "{operation_id}" in route.path)
        for method in route.methods
    )


@pytest.fixture(scope="module")
async def copies(world, alice):
    """A session of alice's, shared with one of each role, with a finished, a running and a failed operation."""
    bucket = await world.bus.key_value(ANALYSIS_OFFERS)
    await bucket.put("get-tif", AnalysisDescribed(action="get-tif", description="", parameters_schema={}).encode())
    for name in ("stranger", "vera", "gina", "eddy", "fred"):
        await world.add_user(name)
    session_id = await world.session(alice, input_data=[archive("f1"), archive("f2")])
    group = body_of(await alice.post("/api/groups/", json={"name": "class"}))["id"]
    await alice.put(f"/api/groups/{group}/members/gina/")
    path = f"/api/datasessions/{session_id}"
    for who, role in (("users/vera", "viewer"), ("users/fred", "viewer"), ("users/eddy", "editor")):
        assert (await alice.put(f"{path}/shares/{who}/", json={"role": role})).status_code == 200
    assert (await alice.put(f"{path}/shares/groups/{group}/", json={"role": "viewer"})).status_code == 200
    assert (await alice.post(f"{path}/link/")).status_code == 201
    done = await world.operation(alice, session_id)
    await store_result(world, "shared")
    await world.succeed(alice, session_id, done, result_of("shared"))
    await world.start(alice, session_id, await world.operation(alice, session_id))
    await world.fail(alice, session_id, await world.operation(alice, session_id))
    made = await Copies.of(world, session_id)
    made.group = group
    # The outputs are known by their names: those of the copies are the only ones.
    await alice.delete(f"{path}/")
    return made


@pytest.fixture(scope="module")
async def clients(world, copies):
    """A client of each role; those with a link are given one with each request."""
    opened = {role: world.client(_USERS.get(role)) for role in ROLES}
    yield opened
    for client in opened.values():
        await client.aclose()


@pytest.mark.parametrize(("method", "path"), routes())
async def test_each_role_is_answered_as_is_said_here(world, copies, clients, method, path):
    if (method, path) in UNCONCERNED or (method, path) in GROUPS:
        return
    body, statuses = EXPECTED[method, path]
    answered = {}
    for role in ROLES:
        session_id, (done, running, failed), link = await copies.make()
        operation_id = failed if path.endswith("/retry") else running
        ids = {
            "session_id": session_id,
            "operation_id": operation_id,
            "username": "fred",
            "group_id": copies.group,
            "action": "get-tif",
            # Of the picture the header is asked for, which nobody has to read; of the image a part.
            "frame_id": output_id(done, 1 if path.endswith("cutout") else 2),
            "basename": PICTURE.format("shared"),
        }
        sent = body
        if body == {"frame_ids": []}:
            sent = {"frame_ids": [output_id(done, 1)]}
        elif body and "basename" in body:
            sent = {**body, "basename": PICTURE.format("shared")}
        headers = {"X-Session-Link": link} if role in {"link", "holder"} else {}
        params = {"frame_basename": IMAGE.format("shared")} if path == "/api/thumbnails" else {}
        reply = await clients[role].request(method, path.format(**ids) + "/", json=sent, headers=headers, params=params)
        answered[role] = reply.status_code
        await world.database["sessions"].delete_one({"_id": session_id})
        await world.database["operations"].delete_many({"session_id": session_id})
    assert answered == dict(zip(ROLES, statuses, strict=True))


words = (f"group-{number}" for number in itertools.count())


@pytest.mark.parametrize(("method", "path"), [route for route in routes() if "/api/groups" in route[1]])
async def test_of_a_group_each_is_answered_as_is_said_here(world, copies, alice, method, path):
    body, statuses = GROUPS[method, path]
    answered = []
    for name in (None, "stranger", "vera", "alice"):
        group = body_of(await alice.post("/api/groups/", json={"name": next(words)}))["id"]
        for member in ("vera", "fred"):
            await alice.put(f"/api/groups/{group}/members/{member}/")
        sent = {"name": next(words)} if body == {"name": "{word}"} else body
        async with world.client(name) as client:
            reply = await client.request(method, path.format(group_id=group, username="fred") + "/", json=sent)
        answered.append(reply.status_code)
    assert tuple(answered) == statuses


def test_what_is_said_here_is_of_routes_there_are():
    assert {*EXPECTED, *UNCONCERNED, *GROUPS} <= set(routes())
