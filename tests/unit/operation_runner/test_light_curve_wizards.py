"""The forms of the light curve operations, as section 3.3 of the contract has them, and what requests may carry."""

import jsonschema
import pytest

from operation_runner.operations.light_curve import LightCurve
from operation_runner.operations.moving_target_aperture_photometry import MovingTargetAperturePhotometry
from operation_runner.operations.non_sidereal_aperture_photometry import NonSiderealAperturePhotometry
from operation_runner.operations.variable_star import VariableStar
from operation_runner.sdk import Lane

FILTERS = ["rp", "ip", "gp", "zs"]
SHARED_BLOCK = [
    "input_files",
    "aperture_radius",
    "annulus_inner_radius",
    "annulus_outer_radius",
    "min_comparisons",
    "max_comparisons",
]
FILE = {"source": "archive", "basename": "a"}
RADII = {"aperture_radius": 7.64, "annulus_inner_radius": 12.73, "annulus_outer_radius": 19.1}
POSITIONS = [{"ra": 1.0, "dec": 2.0, "mjd": 61114.0}, {"ra": 1.1, "dec": 2.0, "mjd": 61114.1}]


@pytest.mark.parametrize(("operation", "least"), [(LightCurve, 1), (VariableStar, 8)])
def test_the_catalogue_light_curves_ask_for_a_source_and_files(operation, least):
    wizard = operation.wizard()
    assert (operation.lane, wizard["category"]) == (Lane.SLOW, "image")
    assert list(wizard["inputs"]) == ["source", "input_files"]
    source, files = wizard["inputs"].values()
    assert source | {"description": ""} == {
        "name": "Source Star",
        "description": "",
        "type": "source",
        "name_lookup": True,
    }
    assert files | {"description": ""} == {
        "name": "Input Files",
        "description": "",
        "type": "fits",
        "single_filter": True,
        "filter_options": FILTERS,
        "minimum": least,
        "maximum": 999,
    }


@pytest.mark.parametrize("operation", [LightCurve, VariableStar])
def test_a_request_without_a_source_is_refused_in_the_known_words(operation):
    refusals = operation.Parameters.model_json_schema()["properties"]["source"]["x-refusals"]
    text = f"Operation {operation.name} requires a source."
    assert refusals == {"required": text, "type": text}


@pytest.mark.parametrize("value", [None, "M 51", {"ra": 1.0}, {"ra": "1", "dec": 2}, {"ra": 1, "dec": 91}])
def test_what_is_no_source_breaks_the_schema(value):
    schema = LightCurve.Parameters.model_json_schema()
    jsonschema.validate({"source": {"ra": 1, "dec": 2}, "input_files": [FILE]}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"source": value, "input_files": [FILE]}, schema)


def test_the_non_sidereal_form_is_the_shared_block():
    assert list(NonSiderealAperturePhotometry.wizard()["inputs"]) == SHARED_BLOCK


def test_the_moving_target_form_can_be_filled_in_by_clients_that_only_know_text():
    inputs = MovingTargetAperturePhotometry.wizard()["inputs"]
    assert list(inputs) == [*SHARED_BLOCK, "target_positions", "track_search_radius"]
    positions, radius = inputs["target_positions"], inputs["track_search_radius"]
    assert (positions["type"], positions["required"], positions["minimum"]) == ("string", True, 2)
    assert positions["name"] == "Target Positions: RA Dec time; RA Dec time"
    assert (radius["name"], radius["type"], radius["default"]) == ("Target Search Radius", "float", 10.0)


@pytest.mark.parametrize("positions", [POSITIONS, [*POSITIONS, POSITIONS[0] | {"name": "Ceres", "more": 1}]])
def test_positions_may_come_as_objects(positions):
    parameters = {"input_files": [FILE], "target_positions": positions} | RADII
    jsonschema.validate(parameters, MovingTargetAperturePhotometry.Parameters.model_json_schema())
    given = MovingTargetAperturePhotometry.Parameters.model_validate(parameters).given_positions()
    assert [(each["ra"], each["dec"], each["mjd"]) for each in given] == [
        (each["ra"], each["dec"], each["mjd"]) for each in positions
    ]


def test_positions_may_come_as_text_whose_form_is_declared():
    text = "1 2 61114; 1.1 2 61114.1"
    parameters = {"input_files": [FILE], "target_positions": text} | RADII
    schema = MovingTargetAperturePhotometry.Parameters.model_json_schema()
    jsonschema.validate(parameters, schema)
    assert MovingTargetAperturePhotometry.Parameters.model_validate(parameters).given_positions() == text
    (form,) = [each["x-entries"] for each in schema["properties"]["target_positions"]["anyOf"] if "x-entries" in each]
    assert (form["minimum"], set(form)) == (2, {"separator", "entry", "minimum", "right"})
    assert "RA Dec time" in form["right"]


@pytest.mark.parametrize(
    "positions", [None, 7, True, POSITIONS[0], POSITIONS[:1], [1, "two"], [POSITIONS[0] | {"dec": 91}] * 2]
)
def test_other_positions_break_the_schema(positions):
    parameters = {"input_files": [FILE], "target_positions": positions} | RADII
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(parameters, MovingTargetAperturePhotometry.Parameters.model_json_schema())


def test_the_example_in_the_form_can_be_read():
    from datalab.astro.photometry.target_positions import timed_positions

    description = MovingTargetAperturePhotometry.wizard()["inputs"]["target_positions"]["description"]
    first, second = timed_positions(description.partition("Example:")[2])
    assert second.mjd - first.mjd == pytest.approx(3 / 24, abs=1e-4)
    assert (second.ra_deg, second.dec_deg) == pytest.approx((first.ra_deg, first.dec_deg), abs=0.05)
