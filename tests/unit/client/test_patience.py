"""What may be repeated is sent again, for so long and not longer."""

import httpx
import pytest

from datalab.client import patience
from datalab.client.patience import patient


@pytest.fixture
def pauses(monkeypatch):
    """The pauses that were made, none of which takes time."""
    made = []

    async def sleep(seconds):
        made.append(seconds)

    monkeypatch.setattr(patience.asyncio, "sleep", sleep)
    return made


def answering(*answers):
    """Return what sends, and gives these answers in turn, the last one for ever."""
    left = list(answers)

    async def send():
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return send


LOST = httpx.ConnectError("refused")


@pytest.mark.parametrize("status", [200, 204, 400, 401, 403, 404, 409, 413, 500])
async def test_an_answer_that_lasts_is_taken_at_once(pauses, status):
    assert (await patient(answering(httpx.Response(status)), patience_s=100)).status_code == status
    assert pauses == []


@pytest.mark.parametrize("passing", [LOST, httpx.ReadTimeout("late"), *map(httpx.Response, (408, 429, 502, 503, 504))])
async def test_what_passes_is_waited_for(pauses, passing):
    told = []
    reply = await patient(
        answering(passing, passing, passing, httpx.Response(200)), patience_s=100, on_pause=told.append
    )
    assert (reply.status_code, pauses) == (200, [0.25, 0.5, 1.0])
    assert len(told) == 3
    assert all(told)


async def test_patience_ends_with_the_last_answer(pauses):
    assert (await patient(answering(httpx.Response(503)), patience_s=2)).status_code == 503
    assert pauses == [0.25, 0.5, 1.0]
    with pytest.raises(httpx.ConnectError):
        await patient(answering(LOST), patience_s=0)
    assert len(pauses) == 3


async def test_pauses_grow_to_ten_seconds(pauses):
    await patient(answering(*[LOST] * 9, httpx.Response(200)), patience_s=float("inf"))
    assert pauses == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0]


@pytest.mark.parametrize(("said", "pause_s"), [("7", 7.0), ("0", 0.25), ("soon", 0.25), ("-1", 0.25), ("9" * 7, 0.25)])
async def test_whoever_asks_too_often_waits_as_long_as_is_said(pauses, said, pause_s):
    busy = httpx.Response(429, headers={"Retry-After": said})
    await patient(answering(busy, httpx.Response(200)), patience_s=100)
    assert pauses == [pause_s]


async def test_a_wait_beyond_patience_is_not_begun(pauses):
    busy = httpx.Response(429, headers={"Retry-After": "30"})
    assert (await patient(answering(busy), patience_s=10)).status_code == 429
    assert pauses == []


async def test_an_address_that_is_none_is_not_tried_again(pauses):
    with pytest.raises(httpx.UnsupportedProtocol):
        await patient(answering(httpx.UnsupportedProtocol("ftp")), patience_s=100)
    assert pauses == []
