"""Names of saved files: of what something was made, and safe whatever the names were."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datalab.cli.output_names import data_stem, output_stems, safe_name

RESULT = "Alignment-M_31-rp-20260314-1f0a9c3b7d"


def operation(name, frames, outputs=1, *, inputs=None, number=7):
    """Return an operation as the API shows it; `inputs` are of each output, None if all."""
    files = [{"basename": f"{RESULT}-{i}", "type": "fits"} for i in range(outputs)]
    for file, made_of in zip(files, inputs or [], strict=False):
        file["inputs"] = made_of
    items = [frame if isinstance(frame, dict) else {"source": "archive", "basename": frame} for frame in frames]
    return {"id": number, "name": name, "input_data": {"input_files": items}, "output": {"output_files": files}}


@pytest.mark.parametrize(
    ("frames", "stem"),
    [
        (["m31_1", "m31_2"], "m31_median"),
        (["m31_1"], "m31_1_median"),
        (["m31", "m31_2"], "m31_median"),
        (["tst-cam01-20260504-00000041", "tst-cam01-20260504-00000042"], "tst-cam01-20260504_median"),
        (["red", "green"], "median_7"),
        (["reduced", "red"], "red_median"),
        (["rel1", "red"], "median_7"),
        ([{"source": "datalab", "operation": 4}], "op4_median"),
        ([{"source": "datalab", "operation": 4, "output": 2}], "op4.2_median"),
        ([{"source": "datalab", "operation": 4, "basename": f"{RESULT}-1"}], "op4_median"),
        ([{"source": "datalab", "basename": f"{RESULT}-1"}], f"{RESULT}-1_median"),
        ([], "median_7"),
    ],
)
def test_a_name_says_what_it_is_of(frames, stem):
    assert output_stems(operation("Median", frames)) == [stem]


def test_each_output_is_named_by_the_image_it_was_made_of():
    made = operation("Subtraction", ["b_1", "a_1", "dark"], 2, inputs=[["a_1", "dark"], ["b_1", "dark"]])
    assert output_stems(made) == ["a_1_subtraction", "b_1_subtraction"]


def test_outputs_of_the_same_are_told_apart():
    assert output_stems(operation("Master Frame", ["x_1", "x_2"], 2)) == ["x_master-frame_1", "x_master-frame_2"]


def test_data_have_a_name_too():
    assert data_stem(operation("Light Curve", ["m31_1", "m31_2"], 0)) == "m31_light-curve"


@given(st.text())
def test_no_name_leaves_its_folder_or_hides(name):
    safe = safe_name(name)
    assert safe
    assert not set(safe) & set("/\\\0\n")
    assert not safe.startswith((".", "-"))
    assert len(safe) <= 100
