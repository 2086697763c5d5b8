"""Ids of items and of jobs, and what a job looks like."""

import json
from datetime import UTC, datetime

import pytest

from session_api.feed.model import FeedItem, may_hear
from session_api.jobs.model import Job, JobQueue, changed, new_ulid
from session_api.queues.model import digest_of, is_queue_name, new_item_id, notice
from session_api.web.user import NOBODY, User

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def job(**changes):
    fields = {
        "ulid": new_ulid(1580411916506, 1),
        "site": "tst",
        "sequence": 1,
        "timestamp_ms": 1580411916506,
        "device_type": "camera",
        "device_instance": "camera1",
        "action": "expose",
        "user_name": "Ada",
        "user_id": "auth0|1",
        "user_roles": ("admin",),
        "optional_params": '{"bin":"1,1"}',
        "required_params": '{"time":"1"}',
        "requested_by": "ada",
        "expires_at": NOW,
    }
    return Job(**{**fields, **changes})


def test_ids_of_items_are_in_the_order_of_their_coming():
    ids = [new_item_id(1741550137123, sequence) for sequence in range(1, 3000)]
    assert ids == sorted(ids)
    assert new_item_id(1741550137122, 9) < ids[0] < new_item_id(1741550137124, 1)


def test_ids_of_jobs_are_ulids_in_their_order():
    ids = [new_ulid(1580411916506, sequence) for sequence in range(1, 3000)]
    assert ids == sorted(ids)
    assert {len(each) for each in ids} == {26}
    assert {each[:10] for each in ids} == {"01DZVY846T"}  # of the example in the first service's description
    assert not set("".join(ids)) & set("ILOU")
    assert new_ulid(1580411916505, 9) < ids[0] < new_ulid(1580411916507, 1)


def test_what_is_sent_and_who_sends_it_are_told_apart():
    assert digest_of(b'"a"', "b") != digest_of(b'"', 'a"b')


@pytest.mark.parametrize(("name", "right"), [("aro1", True), ("a b", True), ("a#b", True), ("", False), (".", False)])
def test_a_queue_can_be_called_what_a_path_can_name(name, right):
    assert is_queue_name(name) is right


def test_a_job_is_shown_as_clients_know_it():
    shown = job(seconds_until_complete=60.0, alternate_status="RECEIVED").shown()
    ulid = shown["ulid"]
    assert shown == {
        "site": "tst",
        "ulid": ulid,
        "statusId": f"UNREAD#{ulid}",
        "replicaStatusId": f"RECEIVED#{ulid}",
        "user_name": "Ada",
        "user_id": "auth0|1",
        "user_roles": ["admin"],
        "timestamp_ms": 1580411916506,
        "deviceType": "camera",
        "deviceInstance": "camera1",
        "action": "expose",
        "optional_params": {"bin": "1,1"},
        "required_params": {"time": "1"},
        "secondsUntilComplete": 60,
    }
    assert "secondsUntilComplete" not in job().shown()
    assert [job(seconds_until_complete=each).shown()["secondsUntilComplete"] for each in (-1, 2.5)] == [-1, 2.5]


def test_what_is_said_of_a_job_in_one_queue_leaves_the_other_alone():
    said = job().spoken_of(JobQueue.ALTERNATE, "STARTED", again_at=NOW, seconds_until_complete=5)
    assert (said.status, said.alternate_status, said.revision) == ("UNREAD", "STARTED", 2)
    assert (said.status_again_at, said.alternate_status_again_at) == (None, NOW)


def test_everybody_hears_of_jobs_and_of_items_only_who_speaks_for_the_site():
    (item,) = notice("1_0", queue_name="tst", sender="tst")
    news = changed(job())
    ingester, other = User("cam", observatories=frozenset({"tst"})), User("ada")
    assert [may_hear(user, item, lambda: NOW) for user in (NOBODY, other, ingester)] == [False, False, True]
    assert all(may_hear(user, news, lambda: NOW) for user in (NOBODY, other, ingester))
    assert notice("1_0", queue_name="no site", sender="x") == []


class Message:
    sequence = 7

    def __init__(self, event):
        self.subject, self.body = event.subject, event.encode()


def test_the_datastream_tells_jobs_as_its_clients_know_them():
    news = changed(job())
    text, _ = FeedItem.read(Message(news)).datastream
    assert json.loads(text) == {"site": "tst", "topic": "jobs", "data": job(ulid=news.job["ulid"]).shown()}
    (item,) = notice("1_0", queue_name="tst", sender="tst")
    assert FeedItem.read(Message(item)).datastream is None
