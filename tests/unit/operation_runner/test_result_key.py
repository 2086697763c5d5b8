import pytest

from datalab.events.operations import InputFile
from operation_runner.execution.result_key import result_key
from operation_runner.operations.median import Median
from operation_runner.sdk import OperationParameters


def file(basename="a", *, source="archive", key="data/a", sha256="1" * 64, size_bytes=10):
    return InputFile(source=source, basename=basename, key=key, sha256=sha256, size_bytes=size_bytes)


def key(**changes):
    return result_key(
        **{"operation": "Toy", "version": 1, "parameters": {"x": 1.0}, "inputs": [file("a"), file("b")]} | changes
    )


def test_what_does_not_decide_the_result_does_not_change_the_key():
    assert key(inputs=[file("b"), file("a")]) == key()
    assert key(inputs=[file("a", key="elsewhere/a", size_bytes=11), file("b")]) == key()
    assert key(parameters=dict(reversed(list({"x": 1, "y": 2}.items())))) == key(parameters={"x": 1, "y": 2})


@pytest.mark.parametrize(
    "change",
    [
        {"operation": "Other"},
        {"version": 2},
        {"parameters": {"x": 1.5}},
        {"parameters": {"y": 1.0}},
        {"inputs": [file("a")]},
        {"inputs": [file("a"), file("c")]},
        {"inputs": [file("a"), file("b", sha256="2" * 64)]},
        {"inputs": [file("a"), file("b", source="datalab")]},
    ],
)
def test_everything_that_decides_the_result_changes_the_key(change):
    assert key(**change) != key()


def test_a_number_means_the_same_however_it_was_written():
    class Parameters(OperationParameters):
        radius: float

    dumped = [Parameters(radius=value).model_dump(mode="json") for value in (1, 1.0, "1")]
    assert len({key(parameters=parameters) for parameters in dumped}) == 1


def test_the_order_of_files_does_not_count_after_normalisation():
    def normalised(*names):
        return Median.Parameters.model_validate(
            {"input_files": [{"source": "archive", "basename": name, "url": f"https://x/{name}"} for name in names]}
        ).model_dump(mode="json")

    assert key(parameters=normalised("b", "a")) == key(parameters=normalised("a", "b"))


def test_a_value_that_json_does_not_know_is_refused():
    with pytest.raises(ValueError, match="JSON compliant"):
        key(parameters={"x": float("nan")})


def test_another_way_to_read_files_is_another_result(monkeypatch):
    before = key()
    monkeypatch.setattr("operation_runner.execution.result_key.READING", 10**6)
    assert key() != before
