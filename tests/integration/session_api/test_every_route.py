"""Every route, asked what nobody would ask: no answer is a 5xx, none is another than the OpenAPI document promises.

`make fuzz` asks for longer, and something else each time.
"""

import asyncio
import contextlib
import os
import re

import pytest

from datalab.events.asyncapi import EVENTS
from datalab.events.topology import STREAMS, subject_matches
from session_api.web.access import declared_rules
from support.fuzzing import faults
from support.routes import described_routes
from support.session_api import COLOR, LIGHT_CURVE, MEDIAN, STACKING, archive, frame_document, running_world

#: For `make fuzz`: seconds for each kind of caller. Without it the same few requests are made each time.
LONG_S = float(os.environ.get("FUZZ_SECONDS", "0")) / 3
#: What is there for the others is not taken away; these are called with made-up ids only.
_TAKE_AWAY = (
    "DELETE /api/datasessions/{session_id}",
    "DELETE /api/frames/{frame_id}",
    "DELETE /api/users/{username}",
)


@pytest.fixture(scope="module")
async def world(module_settings_environment):
    nobody_listens = "http://127.0.0.1:9/"
    async with running_world(
        module_settings_environment,
        open_upload_sites=["tst"],
        name_service_url=nobody_listens,
        download_patience_s=0.2,
        uploads_at_once=2,
    ) as world:
        await world.add_user("root", superuser=True, ingests=["*"])
        await world.add_user("ada", proposals=["P1"])
        await world.add_user("bob")
        await world.describe(MEDIAN, STACKING, COLOR, LIGHT_CURVE)
        header = {"OBJECT": "M 31", "EXPTIME": 12.5, "SITEID": "tst"}
        basename = "tst-cam1-20261118-00000001"
        await world.add_frames(
            frame_document("f1"), frame_document("f2"), frame_document(basename, header=header, target_name="M 31")
        )
        await world.add_headers({basename: header})
        yield world


async def owned(world, user):
    """Make what a user may have, and return its ids as the paths name them."""
    async with world.client(user) as client:
        session = await world.session(client, input_data=[archive("f1")])
        operation = await world.operation(client, session)
    frame = await world.database["frames"].find_one({"_id": "f1"})
    return {
        "path.session_id": session,
        "path.operation_id": operation,
        "path.frame_id": frame["frame_id"],
        "path.basename": "f1",
        "path.base_filename": "tst-cam1-20261118-00000001",
        "path.site": "tst",
        "path.username": "bob",
    }


@pytest.mark.parametrize(("user", "examples"), [("root", 2), ("ada", 2), (None, 1)])
async def test_no_answer_is_undocumented_and_none_a_failure(world, user, examples):
    document = world.app.openapi()
    asking = {f"{method} {path}" for method, path, route in described_routes(world.app) if _asks_others(route)}
    with open("fuzz-faults.txt", "a") if LONG_S else contextlib.nullcontext() as log:  # noqa: ASYNC230, PTH123
        found, requests = await asyncio.to_thread(
            faults,
            document,
            world.url,
            token=world.tokens.get(user),
            phases=("fuzzing", "coverage") if LONG_S else ("fuzzing",),
            examples=10_000 if LONG_S else examples,
            seconds=LONG_S or 20,
            seed=int.from_bytes(os.urandom(4)) if LONG_S else None,
            values=await owned(world, user) if user else {},
            leave_out=_TAKE_AWAY if user else (),
            may_be_away=asking,  # no runner is there, and no ingest
            log=log,
        )
        if log is not None:
            log.write(f"{user or 'nobody'}: {requests} requests, {len(found)} faults\n")
    assert not found, "\n\n".join([f"{len(found)} faults in {requests} requests", *found])
    assert requests > 0


def _asks_others(route):
    """Tell whether a call asks a runner or ingest something: no stream stores such events."""
    subjects = (re.sub(r"\{\w+\}", "x", dict(EVENTS)[event]) for event in declared_rules(route).emits)
    stored = [each for stream in STREAMS for each in stream.subjects]
    return any(not any(subject_matches(each, subject) for each in stored) for subject in subjects)
