"""Connections that say nothing cost only each other."""

import asyncio

import pytest

from session_api.feed.waiting_room import WaitingRoom


class Sitting:
    """Connections that never say who they are, and how they were sent away."""

    def __init__(self, room):
        self._room = room
        self.sent_away = []

    async def _sit(self, name, address):
        try:
            async with self._room.place(address):
                await asyncio.Event().wait()
        except TimeoutError:
            self.sent_away.append(name)

    async def come(self, *names, address="here"):
        """Let connections sit down, one after the other; return their tasks."""
        tasks = []
        for name in names:
            tasks.append(asyncio.create_task(self._sit(name, address)))
            for _ in range(5):
                await asyncio.sleep(0)
        return tasks


async def test_the_oldest_of_an_address_makes_room():
    room = WaitingRoom(places=100, places_per_address=2, time_limit_s=60)
    sitting = Sitting(room)
    tasks = await sitting.come(1, 2, 3, 4)
    assert sitting.sent_away == [1, 2]
    tasks += await sitting.come("other", address="there")
    assert (sitting.sent_away, len(room)) == ([1, 2], 3)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert len(room) == 0


async def test_of_all_the_oldest_where_most_are_makes_room():
    room = WaitingRoom(places=4, places_per_address=3, time_limit_s=60)
    sitting = Sitting(room)
    tasks = await sitting.come("modest", address="there")
    tasks += await sitting.come(1, 2, 3)
    tasks += await sitting.come("newcomer", address="elsewhere")
    assert sitting.sent_away == [1]
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_who_says_who_they_are_in_time_is_not_sent_away():
    room = WaitingRoom(places=2, places_per_address=2, time_limit_s=60)
    sitting = Sitting(room)
    tasks = await sitting.come(*range(10))
    async with room.place("here"):
        await asyncio.sleep(0)
    assert len(room) == 1
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_time_runs_out():
    room = WaitingRoom(places=2, places_per_address=2, time_limit_s=0.01)
    with pytest.raises(TimeoutError):
        async with room.place("here"):
            await asyncio.Event().wait()
    assert len(room) == 0
