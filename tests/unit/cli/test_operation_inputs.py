"""From the words of a command line to what the API takes."""

import pytest

from datalab.cli.operation_inputs import InputError, frame_item, input_data, operation_named, session_items

OUTPUT = "Median-M_31-rp-20260314-1f0a9c3b7d"
SUBTRACTION = {
    "name": "Subtraction",
    "inputs": {
        "input_files": {"type": "fits", "minimum": 1, "maximum": 999},
        "subtraction_file": {"type": "fits", "minimum": 1, "maximum": 1},
        "source": {"type": "source"},
        "radius": {"type": "float"},
        "iterations": {"type": "int"},
        "combine": {"type": "select", "options": ["sum", "Sigma-Clipped"]},
        "expression": {"type": "string"},
    },
}
FRAMES = [
    {"source": "archive", "basename": "m31_1", "filter": "rp"},
    {"source": "archive", "basename": "m31_2"},
    {"source": "archive", "basename": "m33_1"},
    {"source": "datalab", "operation": 4},
]
SESSION = {
    "input_data": FRAMES,
    "operations": [{"output": {"output_files": [{"basename": OUTPUT}]}}, {"output": None}],
}
NO_SESSION = {"input_data": [], "operations": []}


def archive(*names):
    return [{"source": "archive", "basename": name} for name in names]


@pytest.mark.parametrize(
    ("word", "item"),
    [
        ("m31_1", {"source": "archive", "basename": "m31_1"}),
        ("m31.blue", {"source": "archive", "basename": "m31.blue"}),
        ("@12", {"source": "datalab", "operation": 12}),
        ("@12.3", {"source": "datalab", "operation": 12, "output": 3}),
        ("night/m31_1.fits.fz", {"source": "archive", "basename": "m31_1"}),
        ("M31.FIT.fits", {"source": "archive", "basename": "M31.FIT"}),
        (
            "tst-cam01-20260504-00000042-EX00.fits.fz",
            {"source": "archive", "basename": "tst-cam01-20260504-00000042"},
        ),
        ("cpt0m406-kb84-20260504-0042-e91.fits", {"source": "archive", "basename": "cpt0m406-kb84-20260504-0042-e91"}),
    ],
)
def test_a_word_stands_for_a_frame_or_an_output(word, item):
    assert frame_item(word) == item


@pytest.mark.parametrize("word", ["@", "@0", "@x", "@12.", "@12.0", "@-1", "@12.1.1"])
def test_what_is_no_output_is_said(word):
    with pytest.raises(InputError, match="@12 is all that operation 12 makes"):
        frame_item(word)


def test_patterns_choose_among_the_frames_of_the_session_each_once():
    assert session_items(["m31_*", "m31_2", "m??_1"], SESSION) == archive("m31_1", "m31_2", "m33_1")


def test_the_name_of_an_output_of_the_session_is_that_output():
    assert session_items([OUTPUT, f"{OUTPUT}0"], SESSION) == [
        {"source": "datalab", "basename": OUTPUT},
        *archive(f"{OUTPUT}0"),
    ]


def test_a_pattern_that_fits_nothing_is_said():
    with pytest.raises(InputError, match=r"no frame of the session fits 'ngc\*'"):
        session_items(["ngc*"], SESSION)


def test_files_are_the_first_input_and_settings_all_others():
    settings = [
        "subtraction_file=@7",
        "source=132.846,-11.814",
        "radius=2.5",
        "iterations=3",
        "combine=sigma-clipped",
        "expression=a = b",
    ]
    assert input_data(SUBTRACTION, ["m31_1"], settings, SESSION) == {
        "input_files": archive("m31_1"),
        "subtraction_file": [{"source": "datalab", "operation": 7}],
        "source": {"ra": 132.846, "dec": -11.814},
        "radius": 2.5,
        "iterations": 3,
        "combine": "Sigma-Clipped",
        "expression": "a = b",
    }


def test_what_a_form_would_have_filled_in_is():
    radius = {"type": "float", "required": True, "default": 7.64}
    form = {"name": "Photometry", "inputs": {"radius": radius, "stars": {"type": "int", "default": 5}}}
    assert input_data(form, [], [], NO_SESSION) == {"radius": 7.64}
    assert input_data(form, [], ["radius=3"], NO_SESSION) == {"radius": 3}


def test_files_add_up_and_may_be_json():
    red = '{"source": "archive", "basename": "red", "color": {"r": 255, "g": 0, "b": 0}}'
    made = input_data(SUBTRACTION, ["m31_1"], ["input_files=m31_2", f"input_files=[{red}]", "source={}"], NO_SESSION)
    assert [item["basename"] for item in made["input_files"]] == ["m31_1", "m31_2", "red"]
    assert made["input_files"][2]["color"] == {"r": 255, "g": 0, "b": 0}
    assert made["source"] == {}


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("radius", "is not KEY=VALUE"),
        ("=1", "is not KEY=VALUE"),
        ("radius=wide", "radius has to be a number, not 'wide'"),
        ("iterations=2.5", "iterations has to be a whole number"),
        ("combine=product", "it is sum or Sigma-Clipped"),
        ("source=M 31", "source has to be RA,DEC in degrees"),
        ("source={", "source is no JSON"),
        ("radios=1", "did you mean radius?"),
    ],
)
def test_a_setting_that_cannot_be_is_said(setting, reason):
    with pytest.raises(InputError, match=reason.replace("?", r"\?")):
        input_data(SUBTRACTION, [], [setting], NO_SESSION)


def test_inputs_no_form_shows_are_left_to_the_api():
    made = input_data(SUBTRACTION, [], ["zzz=[1, 2]", "yyyy=text"], NO_SESSION)
    assert made == {"zzz": [1, 2], "yyyy": "text"}


def test_an_operation_without_files_takes_none():
    with pytest.raises(InputError, match="Nothing takes no files"):
        input_data({"name": "Nothing", "inputs": {}}, ["m31_1"], [], NO_SESSION)


def test_a_misspelled_operation_is_told_with_those_like_it():
    known = {name: {"name": name} for name in ("Median", "Normalization", "Light Curve")}
    assert operation_named(" light curve ", known) == {"name": "Light Curve"}
    with pytest.raises(InputError, match=r"no operation 'Medain': did you mean Median\?"):
        operation_named("Medain", known)
    with pytest.raises(InputError, match="`datalab ops available` lists them"):
        operation_named("xyzzy", known)


@pytest.mark.parametrize("name", ["Color Image", "color image", "color-image", "Color_Image"])
def test_an_operation_may_be_named_in_one_word(name):
    assert operation_named(name, {"Color Image": {"name": "Color Image"}}) == {"name": "Color Image"}


@pytest.mark.parametrize(
    "setting", ["radius=nan", "radius=inf", "iterations=1e999", "source=nan,1", 'source={"ra": NaN}']
)
def test_a_number_that_is_none_is_said(setting):
    with pytest.raises(InputError, match=r"has to be|no JSON"):
        input_data(SUBTRACTION, [], [setting], NO_SESSION)


def test_a_setting_without_its_option_is_said():
    with pytest.raises(InputError, match="say --set 'radius=4'"):
        input_data(SUBTRACTION, ["m31_1", "radius=4"], [], NO_SESSION)
