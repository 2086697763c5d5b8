"""The demonstration on a system that has seen it: frames are known, the user stays, there are two operations more."""

import pytest

from datalab.cli.work.demo import Demo
from datalab.client.rest import Datalab

FRAMES = 12


@pytest.mark.parametrize("turn", [1, 2])
async def test_a_simulated_night_may_be_repeated(tour, turn):
    said = []
    figures = await Demo(tour.system, say=said.append).run(None)
    assert figures.refused == {}
    assert len(figures.arrivals) + len(figures.known) == FRAMES  # other tests may have sent one of the same night
    assert turn == 1 or len(figures.known) == FRAMES
    assert (f"{FRAMES} frames were in the archive before" in said) == (turn == 2)
    assert [result.largest_difference for result in figures.results] == [0]
    async with Datalab(tour.system.api_url, tour.system.admin_token) as admin:
        assert [user["username"] for user in await admin.users()].count("demo") == 1
        async with admin.as_user(await admin.add_token("demo")) as demo:
            assert [len(session["operations"]) for session in await demo.sessions()] == [2 * turn]
