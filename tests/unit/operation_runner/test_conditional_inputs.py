"""Inputs that forms show only while another one has some value."""

import pytest

from operation_runner.offers.registry import discover

OPERATIONS = discover(["operation_runner.operations"])
CONDITIONAL = [
    (operation, key)
    for operation, found in OPERATIONS.items()
    for key, described in found.wizard()["inputs"].items()
    if "shown_when" in described
]


def test_there_are_some():
    assert ("Stacking", "sigma") in CONDITIONAL


@pytest.mark.parametrize(("operation", "key"), CONDITIONAL)
def test_what_shows_an_input_is_a_choice_there_is(operation, key):
    inputs = OPERATIONS[operation].wizard()["inputs"]
    for other, values in inputs[key]["shown_when"].items():
        assert inputs[other]["type"] == "select"
        assert set(values) < set(inputs[other]["options"])


@pytest.mark.parametrize(("operation", "key"), CONDITIONAL)
def test_an_input_that_is_hidden_may_be_left_out(operation, key):
    assert not OPERATIONS[operation].Parameters.model_fields[key].is_required()
