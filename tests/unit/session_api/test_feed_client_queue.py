"""The queue of one client is bounded, whatever happens."""

import pytest

from session_api.feed.client_queue import ClientQueue
from session_api.feed.model import CloseCode, FeedItem
from support.feed_fakes import Metrics
from support.feed_fakes import stored as stored_message

SUBJECT = "datalab.feed.v1.session.1"


def item(sequence):
    return FeedItem.read(stored_message(sequence, SUBJECT))


SIZE = item(1).size_bytes


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def queue(metrics):
    queue = ClientQueue(max_events=3, max_bytes=100 * SIZE, metrics=metrics)
    queue.floors[SUBJECT] = 0
    return queue


def drained(queue, **limits):
    sequences = []
    while popped := queue.pop(**limits):
        sequences.append(popped.sequence)
    return sequences


def test_events_come_out_in_order(queue):
    for sequence in (1, 2, 3):
        queue.offer(item(sequence))
    assert drained(queue, up_to=2) == [1, 2]
    assert drained(queue) == [3]


def test_events_that_are_not_wanted_do_not_get_in(queue):
    queue.floors[SUBJECT] = 2
    queue.offer(item(2))
    del queue.floors[SUBJECT]
    queue.offer(item(3))
    assert not queue.has_work


def test_what_waits_on_a_dropped_subject_is_taken_out(queue):
    other = "datalab.feed.v1.session.2"
    queue.floors[other] = 0
    queue.offer(item(1))
    queue.offer(FeedItem.read(stored_message(2, other)))
    queue.drop({SUBJECT})
    queue.floors[SUBJECT] = 2
    queue.offer(item(3))
    assert drained(queue) == [2, 3]


async def test_one_event_too_many_ends_the_conversation_and_frees_the_memory(queue, metrics):
    for sequence in range(1, 5):
        queue.offer(item(sequence))
    assert (await queue.ended()).code is CloseCode.TOO_SLOW
    assert drained(queue) == []
    assert metrics.value("queue_high_water") == 3
    queue.offer(item(5))
    assert drained(queue) == []


async def test_one_byte_too_many_does_the_same(metrics):
    queue = ClientQueue(max_events=100, max_bytes=2 * SIZE, metrics=metrics)
    queue.floors[SUBJECT] = 0
    queue.offer(item(1))
    queue.offer(item(2))
    assert drained(queue, up_to=1) == [1]
    queue.offer(item(3))
    assert metrics.value("queue_high_water") == 2
    queue.offer(item(4))
    assert (await queue.ended()).code is CloseCode.TOO_SLOW


def test_an_overflow_while_catching_up_is_a_loss_to_be_read_again(queue):
    queue.begin_catching_up()
    for sequence in range(1, 5):
        queue.offer(item(sequence))
    assert queue.lost
    assert queue.has_work
    queue.offer(item(5))
    assert drained(queue) == []
    queue.recover()
    queue.offer(item(6))
    assert drained(queue) == [6]


async def test_catching_up_ends_when_the_queue_has_been_empty_once(queue):
    queue.begin_catching_up()
    queue.offer(item(1))
    assert drained(queue) == [1]
    for sequence in range(2, 6):
        queue.offer(item(sequence))
    assert (await queue.ended()).code is CloseCode.TOO_SLOW
