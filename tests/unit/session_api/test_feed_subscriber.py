"""The queue of one client is bounded, whatever happens."""

import pytest

from session_api.feed.client_queue import ClientQueue
from session_api.feed.model import CloseCode, FeedItem
from support.feed_fakes import Meter
from support.feed_fakes import stored as stored_message

SUBJECT = "datalab.feed.v1.session.1"


def item(sequence):
    return FeedItem.read(stored_message(sequence, SUBJECT))


SIZE = item(1).size_bytes


@pytest.fixture
def meter():
    return Meter()


@pytest.fixture
def subscriber(meter):
    subscriber = ClientQueue(max_events=3, max_bytes=100 * SIZE, meter=meter)
    subscriber.floors[SUBJECT] = 0
    return subscriber


def drained(subscriber, **limits):
    sequences = []
    while popped := subscriber.pop(**limits):
        sequences.append(popped.sequence)
    return sequences


def test_events_come_out_in_order(subscriber):
    for sequence in (1, 2, 3):
        subscriber.offer(item(sequence))
    assert drained(subscriber, up_to=2) == [1, 2]
    assert drained(subscriber) == [3]


def test_events_that_are_not_wanted_do_not_get_in(subscriber):
    subscriber.floors[SUBJECT] = 2
    subscriber.offer(item(2))
    del subscriber.floors[SUBJECT]
    subscriber.offer(item(3))
    assert not subscriber.has_work


def test_what_waits_on_a_dropped_subject_is_taken_out(subscriber):
    other = "datalab.feed.v1.session.2"
    subscriber.floors[other] = 0
    subscriber.offer(item(1))
    subscriber.offer(FeedItem.read(stored_message(2, other)))
    subscriber.drop({SUBJECT})
    subscriber.floors[SUBJECT] = 2
    subscriber.offer(item(3))
    assert drained(subscriber) == [2, 3]


async def test_one_event_too_many_ends_the_conversation_and_frees_the_memory(subscriber, meter):
    for sequence in range(1, 5):
        subscriber.offer(item(sequence))
    assert (await subscriber.ended()).code is CloseCode.TOO_SLOW
    assert drained(subscriber) == []
    assert meter.most_waiting == 3
    subscriber.offer(item(5))
    assert drained(subscriber) == []


async def test_one_byte_too_many_does_the_same(meter):
    subscriber = ClientQueue(max_events=100, max_bytes=2 * SIZE, meter=meter)
    subscriber.floors[SUBJECT] = 0
    subscriber.offer(item(1))
    subscriber.offer(item(2))
    assert drained(subscriber, up_to=1) == [1]
    subscriber.offer(item(3))
    assert meter.most_waiting == 2
    subscriber.offer(item(4))
    assert (await subscriber.ended()).code is CloseCode.TOO_SLOW


def test_an_overflow_while_catching_up_is_a_loss_to_be_read_again(subscriber):
    subscriber.begin_catching_up()
    for sequence in range(1, 5):
        subscriber.offer(item(sequence))
    assert subscriber.lost
    assert subscriber.has_work
    subscriber.offer(item(5))
    assert drained(subscriber) == []
    subscriber.recover()
    subscriber.offer(item(6))
    assert drained(subscriber) == [6]


async def test_catching_up_ends_when_the_queue_has_been_empty_once(subscriber):
    subscriber.begin_catching_up()
    subscriber.offer(item(1))
    assert drained(subscriber) == [1]
    for sequence in range(2, 6):
        subscriber.offer(item(sequence))
    assert (await subscriber.ended()).code is CloseCode.TOO_SLOW
