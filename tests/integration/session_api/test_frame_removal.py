"""Frames are removed by whoever may; what is in use is not, unless they insist."""

import pytest

from datalab.events.frames import FrameRemovalRequested
from datalab.events.topology import REMOVALS
from support.session_api import archive, body_of, frame_document

NO_FRAME = (404, {"detail": "No Frame matches the given query."})
FORBIDDEN = (403, {"detail": "You do not have permission to perform this action."})


@pytest.fixture(scope="module")
async def frames(world):
    """Return numbers of frames by their names."""
    documents = [
        frame_document("of_a_site"),
        frame_document("secret", public_date=None, proposal_id="P9"),
        frame_document("alice~mine", site="uploads", public_date=None, proposal_id="~alice"),
        frame_document("alice~shown", site="uploads", public_date=None, proposal_id="~alice"),
        frame_document("shown_by_both"),
        frame_document("claimed", proposal_id="~alice"),
    ]
    await world.add_frames(*documents)
    return {document["_id"]: document["frame_id"] for document in documents}


async def removed(world):
    """Return who asked for which frames to go."""
    messages = world.bus.replay(REMOVALS, after=0, filter_subjects=REMOVALS.subjects)
    events = [FrameRemovalRequested.decode(message.body) async for message in messages]
    return [(event.basename, event.frame_id, event.requested_by) for event in events]


async def delete(client, frame_id, **parameters):
    reply = await client.delete(f"/api/frames/{frame_id}/", params=parameters)
    return reply.status_code, body_of(reply)


async def test_nobody_removes_what_is_not_theirs(world, alice, bob, frames):
    before = await removed(world)
    assert await delete(alice, frames["of_a_site"], force=True) == FORBIDDEN
    assert await delete(alice, frames["claimed"], force=True) == FORBIDDEN  # only a header says it is alice's
    assert await delete(alice, frames["secret"], force=True) == NO_FRAME
    assert await delete(bob, frames["alice~mine"], force=True) == NO_FRAME
    assert await delete(bob, 10**9) == NO_FRAME
    async with world.client() as nobody:
        assert (await nobody.delete(f"/api/frames/{frames['of_a_site']}/")).status_code == 401
    assert await removed(world) == before


async def test_people_remove_their_own_and_superusers_any(world, alice, root, frames):
    done = (202, {"detail": "The frame is being removed."})
    assert await delete(alice, frames["alice~mine"]) == done
    assert await delete(alice, frames["alice~mine"]) == done  # the same request
    assert await delete(root, frames["of_a_site"]) == done
    asked = await removed(world)
    assert asked.count(("alice~mine", frames["alice~mine"], "alice")) == 1
    assert ("of_a_site", frames["of_a_site"], "root") in asked


async def test_what_sessions_show_goes_only_if_somebody_insists(world, alice, bob, root, frames):
    mine = await world.session(alice, input_data=[archive("alice~shown"), archive("shown_by_both")])
    theirs = await world.session(bob, input_data=[archive("shown_by_both")])
    status, answer = await delete(alice, frames["alice~shown"])
    assert (status, f"session {mine}." in answer["detail"], "force=true" in answer["detail"]) == (409, True, True)
    status, answer = await delete(root, frames["shown_by_both"])
    assert status == 409
    assert f"session {mine} of alice" in answer["detail"]
    assert f"session {theirs} of bob" in answer["detail"]
    assert not [each for each in await removed(world) if each[0] in {"alice~shown", "shown_by_both"}]
    assert (await delete(alice, frames["alice~shown"], force=True))[0] == 202
    await alice.delete(f"/api/datasessions/{mine}/")
    await bob.delete(f"/api/datasessions/{theirs}/")
    assert (await delete(root, frames["shown_by_both"]))[0] == 202
