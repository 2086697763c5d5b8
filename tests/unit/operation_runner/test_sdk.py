import math
from typing import Annotated, Literal

import pytest
from jsonschema import Draft202012Validator
from pydantic import Field, ValidationError

from datalab.events.operations import InputSource
from operation_runner.operations.median import Median
from operation_runner.sdk import (
    FitsFile,
    Hint,
    Lane,
    Operation,
    OperationParameters,
    Progress,
    SkyPosition,
    WizardKeys,
)
from operation_runner.sdk.analysis import AnalysisParameters


class Toy(Operation):
    name = "Toy"
    description = "Every kind of input"
    version = 3
    lane = Lane.FAST

    class Parameters(OperationParameters):
        images: Annotated[list[FitsFile], Field(title="Files", min_length=1, max_length=2)]
        radius_arcsec: Annotated[float, Field(title="Radius", description="How far", ge=0.5, le=60)] = 15.0
        count: Annotated[int, Field(title="Count", gt=1, lt=9)]
        mode: Annotated[Literal["simple", "reproject"], Field(title="Mode")] = "simple"
        label: str
        note: str | None = None
        filtered: Annotated[
            list[FitsFile],
            WizardKeys({"single_filter": True, "filter_options": ["rp", "ip"], "required": True}),
        ] = ()

    def compute(self, inputs, parameters, progress):
        yield from ()


def test_the_wizard_of_median_is_what_clients_know():
    wizard = Median.wizard()
    assert list(wizard) == ["name", "description", "category", "inputs"]
    assert wizard["name"] == "Median"
    assert wizard["category"] == "image"
    assert list(wizard["inputs"]) == ["input_files"]
    assert list(wizard["inputs"]["input_files"].items()) == [
        ("name", "Input Files"),
        ("description", "The input files to operate on"),
        ("type", "fits"),
        ("minimum", 2),
        ("maximum", 999),
    ]


def test_every_kind_of_field_has_its_wizard_input():
    inputs = Toy.wizard()["inputs"]
    assert list(inputs) == ["images", "radius_arcsec", "count", "mode", "label", "note", "filtered"]
    assert inputs["images"] == {"name": "Files", "description": "", "type": "fits", "minimum": 1, "maximum": 2}
    assert inputs["radius_arcsec"] == {
        "name": "Radius",
        "description": "How far",
        "type": "float",
        "minimum": 0.5,
        "maximum": 60,
        "default": 15.0,
    }
    assert inputs["count"] == {"name": "Count", "description": "", "type": "int", "minimum": 1, "maximum": 9}
    assert inputs["mode"] == {
        "name": "Mode",
        "description": "",
        "type": "select",
        "options": ["simple", "reproject"],
        "default": "simple",
    }
    assert inputs["label"] == {"name": "label", "description": "", "type": "string"}
    assert inputs["note"] == {"name": "note (optional)", "description": "", "type": "string"}
    assert inputs["filtered"]["filter_options"] == ["rp", "ip"]
    assert inputs["filtered"]["single_filter"] is True
    assert inputs["filtered"]["required"] is True


def test_the_label_says_what_the_form_does_not_show():
    class Labels(OperationParameters):
        formula: Annotated[str, Field(title="Formula"), Hint("for example a - b")]
        extra: Annotated[list[FitsFile], Field(title="Extra", max_length=1, default_factory=list)]
        place: Annotated[SkyPosition | None, Field(title="Place")] = None
        target: Annotated[SkyPosition | None, Field(title="Target"), WizardKeys({"required": True})] = None
        radius: Annotated[float, Field(title="Radius")] = 1.5

    class Labelled(Operation):
        name = "Labelled"
        description = ""
        Parameters = Labels

    assert [described["name"] for described in Labelled.wizard()["inputs"].values()] == [
        "Formula: for example a - b",
        "Extra (optional)",
        "Place (optional)",
        "Target",
        "Radius",
    ]
    titles = [described["title"] for described in Labels.model_json_schema()["properties"].values()]
    assert titles == ["Formula", "Extra", "Place", "Target", "Radius"]  # what errors call them


GOOD = {"images": [{"source": "archive", "basename": "a"}], "count": 2, "label": "x"}


@pytest.mark.parametrize(
    "change",
    [
        {"images": []},
        {"images": GOOD["images"] * 3},
        {"count": 1},
        {"count": 9},
        {"mode": "other"},
        {"radius_arcsec": 61},
        {"unknown": 1},
        {"images": [{"source": "elsewhere", "basename": "a"}]},
    ],
    ids=str,
)
def test_the_json_schema_accepts_and_refuses_what_the_parameters_do(change):
    schema = Toy.Parameters.model_json_schema()
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    assert validator.is_valid(GOOD)
    assert not validator.is_valid(GOOD | change)
    with pytest.raises(ValidationError):
        Toy.Parameters.model_validate(GOOD | change)


def test_files_are_sorted_by_name_so_that_the_order_of_clicks_does_not_count():
    def parameters(*names):
        return Median.Parameters(input_files=[FitsFile(source=InputSource.ARCHIVE, basename=name) for name in names])

    assert parameters("c", "a", "b") == parameters("a", "b", "c")
    assert [file.basename for file in parameters("c", "a", "b").files()] == ["a", "b", "c"]


def test_all_files_are_found_in_the_order_of_the_fields():
    a, b = ({"source": "archive", "basename": name} for name in "ab")
    parameters = Toy.Parameters(images=[b], filtered=[a], count=2, label="x")
    assert [file.basename for file in parameters.files()] == ["b", "a"]


@pytest.mark.parametrize(
    ("annotation", "complaint"),
    [(bytes, "no input for value"), (dict[str, int], "no input for value"), (list[int], "no input for value")],
)
def test_a_type_without_wizard_input_is_refused(annotation, complaint):
    class Odd(Operation):
        name = "Odd"
        description = ""
        Parameters = type("Parameters", (OperationParameters,), {"__annotations__": {"value": annotation}})

    with pytest.raises(TypeError, match=complaint):
        Odd.wizard()


def test_progress_of_a_part_spans_its_part_only():
    seen = []
    whole = Progress(lambda fraction, text: seen.append((fraction, text)))
    part = whole.part(0.5, 1.0).part(0.0, 0.5)
    for fraction in (0, 0.5, 1, 7, -3, math.nan):
        part(fraction, "at work")
    assert [fraction for fraction, _ in seen] == [0.5, 0.625, 0.75, 0.75, 0.5, 0.5]
    assert {type(fraction) for fraction, _ in seen} == {float}
    assert {text for _, text in seen} == {"at work"}


def test_a_plane_is_part_of_parameters_only_if_it_was_chosen():
    """So results and files made before keep their names."""
    file = FitsFile(source="archive", basename="m31")
    assert file.model_dump(mode="json") == {"source": "archive", "basename": "m31"}
    assert file.model_copy(update={"plane": "red"}).model_dump(mode="json")["plane"] == "red"
    assert AnalysisParameters().model_dump(mode="json") == {}
    with pytest.raises(ValidationError):
        FitsFile(source="archive", basename="m31", plane="alpha")
