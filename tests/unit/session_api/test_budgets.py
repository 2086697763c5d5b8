"""One process holds a bounded amount of bodies and answers, and one user a part of it."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import Route

from datalab.errors import TransientError
from session_api.web.access import Access, access
from session_api.web.answer_limit import AnswerLimit
from session_api.web.budget import ByteBudget
from session_api.web.user import User

PIECE = 64 * 1024


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 120), st.booleans()), max_size=60))
def test_never_more_is_lent_than_there_is_and_all_comes_back(asked):
    budget = ByteBudget(total=100, per_user=60)
    held = []
    for user, size, keep in asked:
        before = sum(each for _, each in held)
        of_user = sum(each for name, each in held if name == user)
        lent = budget.try_take(user, size)
        assert lent is (before == 0 or (before + size <= 100 and of_user + size <= 60))
        if lent:
            held.append((user, size))
        if not keep and held:
            budget.give_back(*held.pop(0))
    for user, size in held:
        budget.give_back(user, size)
    assert budget.try_take("d", 1000), "alone, one may have more than there is"


async def test_who_has_too_much_holds_up_nobody_and_others_come_in_turn():
    budget = ByteBudget(total=100, per_user=60)
    await budget.take("a", 60, timeout_s=5)
    order = []

    async def take(user, size):
        await budget.take(user, size, timeout_s=5)
        order.append(user)

    greedy = asyncio.create_task(take("a", 40))
    await asyncio.sleep(0)
    await take("b", 40)
    assert order == ["b"]
    budget.give_back("b", 40)
    assert not greedy.done()
    budget.give_back("a", 60)
    await greedy
    assert order == ["b", "a"]


async def test_asking_often_does_not_help():
    budget = ByteBudget(total=100, per_user=100)
    await budget.take("greedy", 100, timeout_s=5)
    order = []

    async def take(user):
        await budget.take(user, 100, timeout_s=5)
        order.append(user)
        budget.give_back(user, 100)

    waiting = [asyncio.create_task(take(user)) for user in ("greedy", "greedy", "greedy", "modest")]
    await asyncio.sleep(0)
    budget.give_back("greedy", 100)
    await asyncio.gather(*waiting)
    assert order == ["modest", "greedy", "greedy", "greedy"]


async def test_who_waits_in_vain_is_told_and_forgotten():
    budget = ByteBudget(total=100, per_user=100)
    assert budget.try_take("a", 100)
    with pytest.raises(TransientError):
        await budget.take("b", 50, timeout_s=0.01)
    cancelled = asyncio.create_task(budget.take("c", 50, timeout_s=5))
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.wait([cancelled])
    budget.give_back("a", 100)
    assert budget.try_take("d", 40)
    assert budget.try_take("e", 60), "nothing was lent to those who left"


@access(Access.USER, large_answer=True)
async def endpoint(request):
    raise NotImplementedError


class Client:
    """Asks an application that answers with so many bytes, and takes the messages one by one."""

    def __init__(self, budget, size, *, user="ada", chunks=1):
        app = Starlette(routes=[Route("/", endpoint)])
        self.scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "app": app}
        self.scope["state"] = {"user": User(user)}
        self.size = size
        self.chunks = chunks
        self.messages = asyncio.Queue(1)
        self.asking = asyncio.create_task(
            AnswerLimit(self.answer, unread=budget, max_answer_bytes=10)(self.scope, None, self.messages.put)
        )

    async def answer(self, _scope, _receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for left in reversed(range(self.chunks)):
            await send({"type": "http.response.body", "body": b"x" * self.size, "more_body": left > 0})

    async def read(self):
        """Return status and length of the whole answer."""
        start = await self.messages.get()
        length = 0
        while True:
            message = await self.messages.get()
            length += len(message["body"])
            assert len(message["body"]) <= PIECE
            if not message.get("more_body", False):
                await self.asking
                return start["status"], length


@pytest.mark.parametrize("size", [0, 1, PIECE, PIECE + 1, 10 * PIECE, 10 * PIECE + 7])
async def test_an_answer_goes_out_whole_in_small_pieces(size):
    budget = ByteBudget(total=20 * PIECE, per_user=20 * PIECE)
    assert await Client(budget, size).read() == (200, size)
    assert budget.try_take("anybody", 20 * PIECE)


async def test_answers_that_are_not_read_leave_no_room_for_more_of_the_same_user():
    budget = ByteBudget(total=20 * PIECE, per_user=12 * PIECE)
    unread = Client(budget, 10 * PIECE)
    await unread.messages.get()
    status, _ = await Client(budget, 10 * PIECE).read()
    assert status == 503
    assert await Client(budget, PIECE).read() == (200, PIECE), "small ones are always there"
    assert await Client(budget, 10 * PIECE, user="bob").read() == (200, 10 * PIECE)
    unread.asking.cancel()
    await asyncio.wait([unread.asking])
    assert await Client(budget, 10 * PIECE).read() == (200, 10 * PIECE)


async def test_streams_that_are_not_read_take_no_room_and_are_not_refused():
    budget = ByteBudget(total=20 * PIECE, per_user=12 * PIECE)
    streams = [Client(budget, 10 * PIECE, user="", chunks=3) for _ in range(5)]
    for stream in streams:
        assert (await stream.messages.get())["status"] == 200
    assert await Client(budget, 10 * PIECE, user="").read() == (200, 10 * PIECE)
    for stream in streams:
        stream.asking.cancel()
    await asyncio.wait([stream.asking for stream in streams])
    assert await Client(budget, 10 * PIECE, user="", chunks=3).read() == (200, 30 * PIECE)
