import asyncio

import pytest

from datalab.errors import OutageError
from datalab.platform.together import Together


class Answers:
    """Doubles numbers, and notes what it was asked at once; 13 it refuses."""

    def __init__(self):
        self.batches = []
        self.asked = asyncio.Event()
        self.away = None

    async def __call__(self, numbers):
        self.batches.append(list(numbers))
        self.asked.set()
        await asyncio.sleep(0)
        if self.away:
            raise self.away
        return [ValueError("unlucky") if number == 13 else 2 * number for number in numbers]


@pytest.fixture
def answers():
    return Answers()


async def test_everybody_is_answered_and_those_who_ask_meanwhile_together(answers):
    together = Together(answers)
    first = asyncio.create_task(together.ask(1))
    await answers.asked.wait()
    others = await asyncio.gather(*map(together.ask, range(2, 6)))
    assert (await first, others) == (2, [4, 6, 8, 10])
    assert answers.batches == [[1], [2, 3, 4, 5]]
    assert await together.ask(7) == 14


async def test_what_one_is_refused_is_not_the_others_trouble(answers):
    outcomes = await asyncio.gather(*map(Together(answers).ask, (1, 13, 2)), return_exceptions=True)
    assert [outcomes[0], type(outcomes[1]), outcomes[2]] == [2, ValueError, 4]


async def test_a_failure_is_told_to_all_who_asked_and_to_none_after(answers):
    together = Together(answers)
    answers.away = OutageError("away")
    outcomes = await asyncio.gather(*map(together.ask, (1, 2)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [OutageError] * 2
    answers.away = None
    assert await together.ask(3) == 6


async def test_no_call_is_larger_than_it_may_be_but_for_a_single_one(answers):
    together = Together(answers, most=5, size=lambda number: number)
    await asyncio.gather(*map(together.ask, (2, 3, 9, 1, 4, 1)))
    assert answers.batches == [[2, 3], [9], [1, 4], [1]]


async def test_who_stops_asking_holds_up_nobody_and_is_not_asked_for(answers):
    together = Together(answers)
    asking = [asyncio.create_task(together.ask(number)) for number in range(4)]
    await asyncio.sleep(0)
    asking[0].cancel()
    asking[2].cancel()
    outcomes = await asyncio.gather(*asking, return_exceptions=True)
    assert [outcomes[1], outcomes[3]] == [2, 6]
    assert answers.batches == [[1, 3]]


async def test_what_nobody_waits_for_any_more_is_unwanted_before_the_next_are_answered(answers):
    steps = []

    async def unwanted(left):
        steps.append((left, list(answers.batches)))

    together = Together(answers, unwanted=unwanted)
    asking = [asyncio.create_task(together.ask(number)) for number in (1, 2, 13)]
    await answers.asked.wait()
    late = asyncio.create_task(together.ask(3))
    asking[0].cancel()
    asking[2].cancel()
    outcomes = await asyncio.gather(*asking, late, return_exceptions=True)
    assert (outcomes[1], outcomes[3]) == (4, 6)
    assert steps == [([2], [[1, 2, 13]])]
