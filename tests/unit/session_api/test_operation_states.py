from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datalab.events.operations import (
    FailureKind,
    Lane,
    OperationCancelled,
    OperationFailed,
    OperationProgressed,
    OperationResult,
    OperationStarted,
    OperationSucceeded,
)
from session_api.operations.events import changed_event, start_events
from session_api.operations.model import Draft, Operation, OperationRequest, OperationStatus, Parent, first_state

NOW = datetime(2026, 11, 20, tzinfo=UTC)
RESULT = OperationResult(result_key="a" * 64)
NEW = Operation(
    id=1,
    session_id=2,
    owner="ada",
    name="Median",
    status=OperationStatus.PENDING,
    message="",
    progress=0.0,
    input_data={},
    request=OperationRequest(lane=Lane.FAST, parameters={}, input_files=()),
    attempt=2,
    result=None,
    failure_kind=None,
    created=NOW,
    requested_at=NOW,
    started_at=None,
    finished_at=None,
    last_news_at=NOW,
    correlation_id="c",
    revision=1,
)
ABOUT = {"operation_id": 1, "attempt": 2, "correlation_id": "c"}

STARTED = OperationStarted(**ABOUT)
SUCCEEDED = OperationSucceeded(**ABOUT, result=RESULT, reused=False, compute_s=1)
FAILED = OperationFailed(**ABOUT, kind=FailureKind.LIMIT, message="too slow")
CANCELLED = OperationCancelled(**ABOUT)
ENDS = {
    SUCCEEDED: OperationStatus.COMPLETED,
    FAILED: OperationStatus.FAILED,
    CANCELLED: OperationStatus.CANCELLED,
}

progress = st.builds(
    OperationProgressed,
    operation_id=st.just(1),
    attempt=st.just(2),
    correlation_id=st.just("c"),
    fraction=st.floats(0, 1),
    message=st.sampled_from(["", "reading", "stacking"]),
)
reports = st.lists(st.one_of(st.just(STARTED), progress, st.sampled_from(list(ENDS))), max_size=12)


def replay(operation, heard):
    states = [operation]
    for report in heard:
        states.append(states[-1].after(report, now=NOW))
    return states


@given(reports)
def test_the_first_end_is_the_end_and_progress_never_falls(heard):
    states = replay(NEW, heard)
    for before, after in pairwise(states):
        assert after.progress >= before.progress
        if before.finished:
            assert after is before
    end = next((report for report in heard if report in ENDS), None)
    assert states[-1].finished is (end is not None)
    if end is not None:
        assert states[-1].status is ENDS[end]
    elif heard:
        assert states[-1].status is OperationStatus.IN_PROGRESS


@given(reports)
def test_hearing_everything_again_changes_nothing_a_client_sees_once_it_has_ended(heard):
    states = replay(NEW, [*heard, SUCCEEDED])
    assert replay(states[-1], heard)[-1] is states[-1]


@pytest.mark.parametrize("report", [STARTED, SUCCEEDED, FAILED, CANCELLED])
@pytest.mark.parametrize("attempt", [1, 3])
def test_other_attempts_are_other_stories(report, attempt):
    assert NEW.after(report.model_copy(update={"attempt": attempt}), now=NOW) is NEW


def test_what_each_end_leaves():
    completed = NEW.after(SUCCEEDED, now=NOW)
    assert (completed.progress, completed.result, completed.finished_at) == (1.0, RESULT, NOW)
    failed = NEW.after(FAILED, now=NOW)
    assert (failed.message, failed.failure_kind, failed.result) == ("too slow", FailureKind.LIMIT, None)
    assert NEW.after(CANCELLED, now=NOW) == NEW.cancelled(now=NOW)


def test_progress_without_words_keeps_the_last_words():
    said = NEW.after(OperationProgressed(**ABOUT, fraction=0.1, message="reading"), now=NOW)
    assert said.after(OperationProgressed(**ABOUT, fraction=0.2), now=NOW).message == "reading"


def test_the_start_is_kept_though_progress_was_heard_first():
    early = NEW.after(OperationProgressed(**ABOUT, fraction=0.1), now=NOW)
    started = early.after(STARTED, now=NOW)
    assert started.started_at == STARTED.occurred_at
    assert started.looks_like(early)


def test_a_retry_starts_from_nothing():
    retried = NEW.after(FAILED, now=NOW).retried(by="bob", now=NOW)
    assert retried == NEW.model_copy(update={"attempt": 3, "revision": 3, "owner": "bob"})


DRAFT = Draft(parents=(Parent(7, "Median"), Parent(8, "Stacking")), found=())
WAITING = NEW.resolved({"input_files": []}, DRAFT, now=NOW)


def test_an_operation_that_waits_looks_as_if_it_had_not_begun():
    assert WAITING.status is OperationStatus.WAITING
    assert not WAITING.finished
    assert WAITING.message == "Waiting for operation 7 (Median), operation 8 (Stacking)"
    assert changed_event(WAITING).status == "PENDING"
    assert WAITING.looks_like(WAITING.model_copy(update={"status": OperationStatus.PENDING}))
    assert not WAITING.looks_like(NEW)


def test_nobody_is_asked_for_an_operation_before_its_inputs_are_known():
    assert [event.type for event in start_events(WAITING)] == ["feed.operation_changed.v1"]
    ready = WAITING.resolved({"input_files": ["x"]}, NEW.request, now=NOW)
    assert (ready.status, ready.message, ready.input_data) == (OperationStatus.PENDING, "", {"input_files": ["x"]})
    assert [event.type for event in start_events(ready)] == ["operation.requested.v1", "feed.operation_changed.v1"]
    failed = WAITING.failed("no stars", FailureKind.USAGE, now=NOW)
    assert [event.type for event in start_events(failed)] == ["feed.operation_changed.v1"]


@pytest.mark.parametrize(
    "ended",
    [WAITING.failed("no stars", FailureKind.USAGE, now=NOW), WAITING.cancelled(now=NOW)],
    ids=["failed", "cancelled"],
)
def test_a_retry_waits_again_for_what_was_not_there(ended):
    assert ended.finished
    retried = ended.retried(by=ended.owner, now=NOW)
    assert retried == WAITING.model_copy(update={"attempt": 3, "revision": WAITING.revision + 2})


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (1, "Waiting for operation 1 (A)"),
        (3, "Waiting for operation 1 (A), operation 2 (A), operation 3 (A)"),
        (5, "Waiting for operation 1 (A), operation 2 (A), operation 3 (A) and 2 more"),
    ],
)
def test_what_is_waited_for_is_named_up_to_a_point(count, text):
    parents = tuple(Parent(number, "A") for number in range(1, count + 1))
    assert first_state(Draft(parents=parents, found=())) == (OperationStatus.WAITING, text)
