"""Which files are saved, and under which names."""

from pathlib import Path

import pytest
import typer

from datalab.cli.downloads import Rendering, planned
from datalab.cli.operation_text import operation_lines

FOLDER = Path("made")
LINK = "http://store/results/abc/{}?X-Amz-Signature=secret"


def operation(*, output_files=(), output_data=None, state="COMPLETED"):
    output = {"output_files": list(output_files)} | ({"output_data": output_data} if output_data else {})
    return {
        "id": 7,
        "name": "Light Curve",
        "state": state,
        "operation_progress": 1.0,
        "message": "",
        "created": "2026-05-04T22:00:00.123456Z",
        "input_data": {"input_files": [{"source": "archive", "basename": f"m31_{i}"} for i in (1, 2)], "radius": 2.5},
        "output": output if state == "COMPLETED" else None,
    }


IMAGE = {
    "basename": "0" * 64, "type": "fits", "fits_url": LINK.format("a.fits"), "large_url": LINK.format("a.jpg"),
}  # fmt: skip
PICTURE = {"basename": "1" * 64, "type": "image", "fits_url": LINK.format("b.fits"), "tif_url": LINK.format("b.tif")}


def names(*arguments):
    return [(str(file.path), file.link) for file in planned(*arguments)]


def test_images_are_saved_as_fits_and_pictures_as_tiff():
    assert names(operation(output_files=[IMAGE, PICTURE]), FOLDER, None) == [
        ("made/m31_light-curve_1.fits", IMAGE["fits_url"]),
        ("made/m31_light-curve_2.tif", PICTURE["tif_url"]),
    ]


def test_another_form_is_saved_of_those_that_have_it():
    made = operation(output_files=[IMAGE, PICTURE], output_data=[{"a": 1}])
    assert names(made, FOLDER, Rendering.LARGE) == [("made/m31_light-curve_1-large.jpg", IMAGE["large_url"])]


def test_data_are_saved_with_the_names_of_their_pictures():
    item = {"curve": [1, 2], "plots": {"field": LINK.format("c.jpg"), "note": "http://example.org"}}
    picture, data = planned(operation(output_data=[item]), FOLDER, None)
    assert (picture.path, picture.link) == (FOLDER / "m31_light-curve_plots_field.jpg", LINK.format("c.jpg"))
    assert data.path == FOLDER / "m31_light-curve.json"
    assert data.data == {"curve": [1, 2], "plots": {"field": picture.path.name, "note": "http://example.org"}}


@pytest.mark.parametrize(
    ("made", "rendering", "reason"),
    [
        (operation(state="FAILED"), None, "operation 7 is FAILED: there is nothing to save"),
        (operation(), None, "made nothing that can be saved"),
        (operation(output_files=[IMAGE]), Rendering.TIF, "made nothing that can be saved as tif"),
    ],
)
def test_nothing_to_save_is_said(made, rendering, reason, capsys):
    with pytest.raises(typer.Exit):
        planned(made, FOLDER, rendering)
    assert reason in capsys.readouterr().err


def test_an_operation_is_shown_with_inputs_and_outputs_and_without_links():
    image = {**IMAGE, "inputs": ["m31_1", "dark"], "filter": "rp"}
    text = "\n".join(operation_lines(operation(output_files=[image], output_data=[{"period": 0.25, "x": [1]}]), 3))
    assert text == (
        "operation 7  Light Curve  COMPLETED\n"
        "  session   3\n"
        "  created   2026-05-04 22:00:00 UTC\n"
        "  input_files (2)  m31_1, m31_2\n"
        "  radius  2.5\n"
        "outputs\n"
        "  @7.1  m31_1_light-curve.fits  rp  of m31_1, dark\n"
        "  data  m31_light-curve.json: period 0.25, x [1]\n"
        "save them: datalab ops download 7"
    )
