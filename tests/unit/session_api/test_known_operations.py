"""Operations as this process wrote them last."""

from datetime import UTC, datetime

import pytest

from datalab.events.operations import FailureKind, InputFile, InputSource, Lane
from session_api.operations import known as known_operations
from session_api.operations.known import KnownOperations
from session_api.operations.model import Operation, OperationRequest, OperationStatus

NOW = datetime(2026, 11, 29, tzinfo=UTC)


def operation(number, status=OperationStatus.PENDING):
    file = InputFile(source=InputSource.ARCHIVE, basename="a", key="data/a", sha256="0" * 64, size_bytes=1)
    return Operation(
        id=number,
        session_id=1,
        owner="ada",
        name="Median",
        status=status,
        input_data={"input_files": ["a"]},
        request=OperationRequest(lane=Lane.SLOW, parameters={"input_files": ["a"]}, input_files=(file,)),
        created=NOW,
        requested_at=NOW,
        last_news_at=NOW,
        correlation_id="c",
    )


@pytest.fixture
def known():
    return KnownOperations()


def test_what_a_runner_has_is_known_without_its_inputs(known):
    known.keep(operation(1))
    found = known.find(1)
    assert (found.id, found.owner, found.lane, found.attempt) == (1, "ada", Lane.SLOW, 1)
    assert (found.input_data, found.request.input_files, found.request.parameters) == ({}, (), {})
    assert known.find(2) is None


def test_what_no_runner_has_any_more_is_forgotten(known):
    for number, status in enumerate(OperationStatus):
        known.keep(operation(number, status))
    assert {status for number, status in enumerate(OperationStatus) if known.find(number)} == {"PENDING", "IN_PROGRESS"}
    known.keep(operation(10))
    known.keep(operation(10).failed("No stars.", FailureKind.USAGE, now=NOW))
    assert known.find(10) is None


def test_only_so_many_are_known(known, monkeypatch):
    monkeypatch.setattr(known_operations, "_MOST", 2)
    for number in (1, 2, 3):
        known.keep(operation(number))
    assert [known.find(number) is not None for number in (1, 2, 3)] == [False, True, True]
