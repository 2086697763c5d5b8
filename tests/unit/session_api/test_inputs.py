import pytest

from session_api.offers.model import Offer
from session_api.operations.input_checks import MAX_FILES, check_inputs, without_surplus
from session_api.operations.input_cleaning import OutputsOf, clean_inputs
from session_api.operations.inputs import NamedFile
from session_api.web.failures import InputRefusedError
from support.session_api import COLOR, LIGHT_CURVE, MEDIAN, STACKING, archive, described, made_by

MEASURE = described(
    "Measure",
    {
        "sigma": {"name": "Sigma", "description": "", "type": "float", "default": 3},
        "count": {"name": "Count", "description": "", "type": "int"},
        "word": {"name": "Word", "description": "", "type": "string"},
    },
    required=[],
    scalars={
        "sigma": {"type": "number", "default": 3},
        "count": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "word": {"type": "string"},
    },
)
measure = Offer.from_description(MEASURE)
median, stacking, color, curve = map(Offer.from_description, (MEDIAN, STACKING, COLOR, LIGHT_CURVE))


def refused(check, *arguments, **options):
    with pytest.raises(InputRefusedError) as caught:
        check(*arguments, **options)
    return caught.value.text


def filters(inputs, *names):
    """Return what we know of the files, in their order; all of one filter if none is named."""
    files = inputs.named_files()
    return dict(zip(files, names or ["rp"] * len(files), strict=True))


def test_what_may_be_said_about_a_file_is_what_the_schema_declares():
    assert color.item_keys("color_channels") == {"source", "basename", "color", "zmin", "zmax"}
    assert median.item_keys("input_files") == {"source", "basename"}
    assert median.item_keys("nothing") == frozenset()


def test_files_are_sorted_and_stripped():
    items = [archive("b", zmin=1, url="x", id=2), archive("a", filter="rp", operationInputData={"deep": {}})]
    clean = clean_inputs(color, {"color_channels": items})
    assert clean.parameters == {"color_channels": [archive("a"), archive("b", zmin=1)]}
    assert clean.shown == {"color_channels": [archive("a", filter="rp"), archive("b", zmin=1, id=2)]}
    assert clean.named_files() == [NamedFile("archive", "a"), NamedFile("archive", "b")]


@pytest.mark.parametrize(
    ("offer", "given", "key"),
    [
        (measure, {"sigma": "wide"}, "sigma"),
        (measure, {"nothing": 1}, None),
        (median, {"input_files": [archive("a")]}, "input_files"),
        (median, {"input_files": "a"}, "input_files"),
        (median, {"input_files": [{"source": "archive"}]}, "input_files"),
        (curve, {"input_files": [archive("a")]}, "source"),
    ],
)
def test_a_refusal_names_the_input_it_is_about(offer, given, key):
    def check():
        inputs = clean_inputs(offer, given)
        check_inputs(offer, inputs, filters(inputs))

    with pytest.raises(InputRefusedError) as caught:
        check()
    assert caught.value.input_key == key


@pytest.mark.parametrize(
    ("given", "read"),
    [("3.5", 3.5), (" 4 ", 4), ("-.5e1", -5), ("+2.", 2), (2.5, 2.5), ("wide", "wide"), ("nan", "nan"), ("1,5", "1,5"),
     ("0x10", "0x10"), ("1" * 50, "1" * 50), (True, True)],
)  # fmt: skip
def test_numbers_may_be_texts_where_numbers_are_wanted(given, read):
    clean = clean_inputs(color, {"color_channels": [archive("1", zmin=given, filter="2", color={"r": given})]})
    (item,) = clean.parameters["color_channels"]
    assert (item["basename"], item["zmin"], item["color"]["r"]) == ("1", read, given)  # the schema says nothing of r
    assert clean.shown["color_channels"][0]["filter"] == "2"
    parameters = clean_inputs(measure, {"sigma": given, "count": given, "word": given}).parameters
    assert parameters == {"sigma": read, "count": read, "word": given}


def test_what_nobody_filled_in_has_its_default():
    assert clean_inputs(measure, {"sigma": "", "count": "  ", "word": ""}).parameters == {"word": ""}
    deep = {}
    for _ in range(5000):
        deep = {"deep": deep}
    assert clean_inputs(median, {"input_files": [archive("a", deep=deep)]}).parameters == {
        "input_files": [archive("a")]
    }


def test_what_names_no_source_is_of_the_archive():
    clean = clean_inputs(median, {"input_files": [{"basename": "f1"}, {"basename": "f2", "source": None}]})
    assert clean.parameters == clean.shown == {"input_files": [archive("f1"), archive("f2")]}


def test_outputs_may_be_named_by_the_operation_that_makes_them():
    items = [made_by(7, output=2, url="x"), archive("f1"), made_by(8), made_by(9, "named")]
    clean = clean_inputs(median, {"input_files": items})
    assert [item.names for item in clean.items()] == [
        OutputsOf(7, 2),
        OutputsOf(8, None),
        NamedFile("archive", "f1"),
        NamedFile("datalab", "named"),
    ]
    assert [item.operation_id for item in clean.items()] == [7, 8, None, 9]
    assert clean.shown["input_files"][0] == made_by(7, output=2)


def test_what_was_made_takes_the_place_of_the_operation():
    channel = {"color": {"r": 1}, "zmin": 2}
    clean = clean_inputs(color, {"color_channels": [made_by(7, **channel), archive("b")]})
    replaced = clean.replaced({OutputsOf(7, None): ["c", "a"]})
    assert clean_inputs(color, replaced).shown == {
        "color_channels": [made_by(7, "a", **channel), archive("b"), made_by(7, "c", **channel)]
    }


@pytest.mark.parametrize("more", [{"operation": 0}, {"operation": "7"}, {"operation": True}, {"operation": 1.5}])
def test_an_operation_has_a_number(more):
    text = refused(clean_inputs, median, {"input_files": [{"source": "datalab", **more}]})
    assert text == '"operation" must be the number of one of your operations.'


@pytest.mark.parametrize("number", [0, -1, "1", 1.5])
def test_an_output_has_a_number(number):
    assert refused(clean_inputs, median, {"input_files": [made_by(7, output=number)]}).startswith('"output" must be 1')


@pytest.mark.parametrize("operation", [None, "x", -1, [], 5])
def test_where_a_file_with_a_name_comes_from_is_only_a_hint(operation):
    clean = clean_inputs(median, {"input_files": [{"source": "datalab", "basename": "b", "operation": operation}]})
    (item,) = clean.items()
    assert item.names == NamedFile("datalab", "b")
    assert item.operation_id == (5 if operation == 5 else None)


def test_clean_inputs_stay_as_they_are():
    items = [made_by(7, output=2), archive("b", zmin=1, id=2), made_by(9, "named", color={"r": 1, "g": 2})]
    once = clean_inputs(color, {"color_channels": items})
    assert clean_inputs(color, once.shown) == once


def test_channels_with_nested_colours_reach_the_runner():
    channel = {
        "type": "object",
        "properties": {
            "source": {"enum": ["archive", "datalab"]},
            "basename": {"type": "string"},
            "color": {"$ref": "#/$defs/Colour"},
            "zmin": {"type": "number"},
            "zmax": {"type": "number"},
        },
        "required": ["source", "basename", "color"],
    }
    parts = {part: {"type": "number", "maximum": 255} for part in "rgba"}
    description = described("Color Image", COLOR.wizard["inputs"])
    schema = {
        "properties": {"color_channels": {"type": "array", "items": {"$ref": "#/$defs/ColourChannel"}}},
        "$defs": {"ColourChannel": channel, "Colour": {"properties": parts, "required": ["r", "g", "b"]}},
    }
    entry = Offer.from_description(description.model_copy(update={"parameters_schema": schema}))
    item = archive("f1", color={"r": 255, "g": 0, "b": 0.5, "a": 1}, zmin=None, zmax=2.5)
    clean = clean_inputs(entry, {"color_channels": [{**item, "url": "x", "filter": "rp"}]})
    assert clean.parameters == {"color_channels": [item]}
    wrong = clean_inputs(entry, {"color_channels": [archive("f1", color={"r": 300, "g": 0, "b": 0})]})
    text = refused(check_inputs, entry, wrong, filters(wrong))
    assert text == "Operation Color Image: Color Channel 1 color r must be at most 255."


def test_an_optional_list_of_files_declares_its_items_too():
    item = {"properties": {"weight": {"type": "number"}}}
    schema = {"properties": {"files": {"anyOf": [{"type": "array", "items": item}, {"type": "null"}]}}}
    description = described("Toy", {"files": {"name": "Files", "type": "fits"}})
    entry = Offer.from_description(description.model_copy(update={"parameters_schema": schema}))
    assert entry.item_keys("files") == {"weight"}


def test_equal_requests_look_equal_to_the_runners():
    def parameters(*items):
        return clean_inputs(median, {"input_files": list(items)}).parameters

    signed = [archive("f1", url="https://a?X-Amz-Signature=1"), archive("f2", id=5)]
    assert parameters(*signed) == parameters(archive("f2", largeCachedUrl="blob:1"), archive("f1"))


def test_what_is_null_counts_as_not_given():
    clean = clean_inputs(stacking, {"input_files": None, "stacking_mode": None})
    assert clean.shown == clean.parameters == {}
    assert clean.files == {"input_files": []}


def test_other_inputs_pass_as_they_are():
    clean = clean_inputs(curve, {"source": {"ra": 1.5, "dec": -2, "name": "M 33"}, "input_files": []})
    assert clean.parameters == {"source": {"ra": 1.5, "dec": -2, "name": "M 33"}, "input_files": []}


def test_lists_and_hidden_inputs_pass_as_they_are():
    wizard = {
        "target_positions": {"name": "Target", "type": "target_positions"},
        "label": {"name": "", "type": "string"},
    }
    scalars = {"target_positions": {"type": "array"}, "label": {"type": "string"}, "hidden": {"type": "integer"}}
    entry = Offer.from_description(described("Toy", wizard, scalars=scalars))
    targets = [{"basename": "f1", "source": "archive", "ra": 1.5, "dec": 2, "url": "kept"}]
    inputs = {"target_positions": targets, "label": "x", "hidden": 5}
    clean = clean_inputs(entry, inputs)
    assert clean.parameters == clean.shown == inputs
    check_inputs(entry, clean, {})
    assert clean.files == {}


def offer_of(wizard, properties, name="Toy"):
    schema = {"type": "object", "properties": properties}
    return Offer.from_description(described(name, wizard).model_copy(update={"parameters_schema": schema}))


def test_an_entry_without_a_file_is_told_by_its_place():
    items = [archive("f2"), {"color": {"r": 1}}, archive("f1")]
    assert refused(clean_inputs, median, {"input_files": items}) == (
        'Input Files: entry 2 has no image: choose one (its "basename") or remove the entry.'
    )
    files = {"type": "array", "x-refusals": {"noFile": "Channel {number} has no image."}}
    entry = offer_of({"channels": {"name": "Channel", "type": "fits"}}, {"channels": files})
    for empty in ({}, {"basename": None, "zmin": 1}, {"basename": ""}, {"source": "archive"}, {"source": "datalab"}):
        assert refused(clean_inputs, entry, {"channels": [archive("a"), archive("b"), empty]}) == (
            "Channel 3 has no image."
        )
    assert "needs a" in refused(clean_inputs, entry, {"channels": [{"basename": 5}]})
    assert "needs a" in refused(clean_inputs, entry, {"channels": ["f1"]})


TEXT = {
    "type": "string",
    "x-entries": {"separator": "[;\n]+", "entry": r"\s*\d+ \d+\s*", "minimum": 2, "right": "two numbers, such as 1 2"},
}
PAIRS = {
    "title": "Pairs",
    "anyOf": [TEXT, {"type": "array", "minItems": 2, "items": {"type": "object", "required": ["x"]}}],
    "x-refusals": {"minItems": "Two pairs at least.", "type": "A text or a list."},
}
pairs = offer_of({"pairs": {"name": "Pairs: x y; x y", "type": "string"}}, {"pairs": PAIRS})


@pytest.mark.parametrize("given", ["1 2; 3 4", " 1 2;;\n3 4 ;", [{"x": 1}, {"x": 2}]])
def test_a_text_that_has_the_form_the_operation_declares_is_taken(given):
    check_inputs(pairs, clean_inputs(pairs, {"pairs": given}), {})


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("1 2; three 4", 'Operation Toy: Pairs entry 2 ("three 4") is not two numbers, such as 1 2.'),
        ("1 2; 3 4; 5", 'Operation Toy: Pairs entry 3 ("5") is not two numbers, such as 1 2.'),
        ("9" * 100, f'Operation Toy: Pairs entry 1 ("{"9" * 60}…") is not two numbers, such as 1 2.'),
        ("1 2", "Two pairs at least."),
        ("", "Two pairs at least."),
        ([{"x": 1}], "Two pairs at least."),
        (7, "A text or a list."),
        ([{"x": 1}, {"y": 1}], "Operation Toy: Pairs 2 needs x."),
    ],
)
def test_another_text_is_refused_with_what_would_be_right(given, text):
    assert refused(check_inputs, pairs, clean_inputs(pairs, {"pairs": given}), {}) == text


def test_a_long_text_is_refused_in_no_time():
    many = "; ".join(["1 2"] * 100_000)
    check_inputs(pairs, clean_inputs(pairs, {"pairs": many}), {})
    assert "entry 100001" in refused(check_inputs, pairs, clean_inputs(pairs, {"pairs": f"{many}; x"}), {})


def test_users_are_told_the_title_of_an_input_not_the_hint_in_its_label():
    wizard = {"extra": {"name": "Dark Frame (optional)", "type": "fits", "minimum": 1}}
    entry = offer_of(wizard, {"extra": {"type": "array", "title": "Dark Frame"}})
    assert entry.inputs["extra"].name == "Dark Frame"
    assert refused(check_inputs, entry, clean_inputs(entry, {}), {}) == (
        "Operation Toy requires at least 1 Dark Frame input file(s)."
    )


def test_counts_have_limits_at_both_ends():
    def count(number):
        return clean_inputs(stacking, {"input_files": [archive(str(each)) for each in range(number)]})

    def check(number):
        check_inputs(stacking, count(number), filters(count(number)))

    check(2)
    check(3)
    assert "at least 2" in refused(check, 1)
    assert "at most 3" in refused(check, 4)
    assert refused(check, MAX_FILES + 1) == "An operation takes at most 1000 input files, not 1001."


def test_inputs_that_are_not_known_yet_are_not_checked_and_the_others_are():
    waiting = clean_inputs(stacking, {"input_files": [made_by(7)], "stacking_mode": "simple"})
    check_inputs(stacking, waiting, {}, unknown={"input_files"})
    wrong = clean_inputs(stacking, {"input_files": [made_by(7)], "stacking_mode": "worse"})
    assert "must be simple or reproject" in refused(check_inputs, stacking, wrong, {}, unknown={"input_files"})
    many = clean_inputs(stacking, {"input_files": [made_by(7)] * (MAX_FILES + 1)})
    assert "at most 1000" in refused(check_inputs, stacking, many, {}, unknown={"input_files"})


@pytest.mark.parametrize(
    ("schema", "value", "text"),
    [
        ({"type": "number"}, "x", "must be of type number"),
        ({"type": ["number", "null"]}, "x", "must be of type number or null"),
        ({"anyOf": [{"type": "number"}, {"type": "null"}]}, "x", "must be of type number"),
        ({"minimum": 3}, 2, "must be at least 3"),
        ({"exclusiveMinimum": 3}, 3, "must be more than 3"),
        ({"maximum": 3}, 4, "must be at most 3"),
        ({"exclusiveMaximum": 3}, 3, "must be less than 3"),
        ({"enum": ["a", "b"]}, "c", "must be a or b"),
        ({"const": 1}, 2, "must be 1"),
        ({"minLength": 2}, "a", "must have at least 2 characters"),
        ({"maxItems": 1}, [1, 2], "must have at most 1 entries"),
        ({"pattern": "^a"}, "b" * 10**6, "does not satisfy pattern"),
        ({"items": {"properties": {"x": {"type": "integer"}}}}, [{"x": 1}, {"x": 1.5}], "2 x must be of type integer"),
    ],
)
def test_texts_say_what_would_be_right_without_repeating_what_was_wrong(schema, value, text):
    inputs = {"radius": {"name": "Aperture Radius", "type": "float"}}
    entry = Offer.from_description(described("Toy", inputs, scalars={"radius": schema}))
    told = refused(check_inputs, entry, clean_inputs(entry, {"radius": value}), {})
    assert told.startswith("Operation Toy: Aperture Radius ")
    assert text in told
    assert len(told) < 200


def test_a_filter_nobody_asks_for_does_not_matter():
    inputs = clean_inputs(median, {"input_files": [archive("f1"), archive("f2")]})
    check_inputs(median, inputs, filters(inputs, None, None))


def test_one_of_the_filters_and_the_same_for_all():
    inputs = clean_inputs(curve, {"input_files": [archive("f1"), archive("f2")], "source": {"ra": 1, "dec": 2}})

    def check(*names):
        check_inputs(curve, inputs, filters(inputs, *names))

    check("rp", "rp")
    assert "but the input files use rp, ip." in refused(check, "rp", "ip")
    assert "but got V." in refused(check, "V", "rp")
    assert "f1 does not report a filter." in refused(check, None, "rp")


def one_image():
    """Return an operation on one image of one filter, as the bands of an HR diagram are."""
    wizard = {"name": "Blue Band Image", "type": "fits", "single_filter": True, "minimum": 1, "maximum": 1}
    return Offer.from_description(described("Toy", {"blue": {**wizard, "filter_options": ["gp"]}}))


def test_of_more_files_than_allowed_in_one_filter_the_first_are_kept():
    entry = one_image()
    inputs = clean_inputs(entry, {"blue": [archive("c"), archive("a", id=5), archive("b")]})
    assert without_surplus(entry, inputs, filters(inputs, "gp", "gp", "gp")) == {"blue": [archive("a", id=5)]}


@pytest.mark.parametrize("names", [("gp", "rp", "gp"), ("gp", None, "gp")])
def test_files_of_several_filters_are_not_chosen_from(names):
    entry = one_image()
    inputs = clean_inputs(entry, {"blue": [archive("c"), archive("a"), archive("b")]})
    assert without_surplus(entry, inputs, filters(inputs, *names)) is None
    assert "at most 1 Blue Band Image" in refused(check_inputs, entry, inputs, filters(inputs, *names))


def test_only_where_there_is_one_filter_files_are_left_out():
    inputs = clean_inputs(stacking, {"input_files": [archive(str(each)) for each in range(9)]})
    assert without_surplus(stacking, inputs, filters(inputs)) is None
    allowed = clean_inputs(one_image(), {"blue": [archive("a")]})
    assert without_surplus(one_image(), allowed, filters(allowed)) is None


REFUSING = Offer.from_description(
    described(
        "Toy",
        {"source": {"name": "Source Star", "type": "source"}, "radius": {"name": "Radius", "type": "float"}},
        required=["source", "radius"],
        scalars={
            "source": {
                "$ref": "#/$defs/Position",
                "x-refusals": {"required": "Operation Toy requires a source.", "*": "A source has ra {and} dec."},
            },
            "radius": {
                "anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "null"}],
                "x-refusals": {"type": "The radius must be a number.", "exclusiveMinimum": "A radius is more than 0."},
            },
        },
        definitions={
            "Position": {"type": "object", "properties": {"ra": {"type": "number"}}, "required": ["ra", "dec"]}
        },
    )
)


@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        ({"radius": 1}, "Operation Toy requires a source."),
        ({"radius": 1, "source": None}, "Operation Toy requires a source."),
        ({"radius": 1, "source": "x"}, "A source has ra {and} dec."),
        ({"radius": 1, "source": {"ra": "x", "dec": 1}}, "A source has ra {and} dec."),
        ({"radius": "x", "source": {"ra": 1, "dec": 1}}, "The radius must be a number."),
        ({"radius": 0, "source": {"ra": 1, "dec": 1}}, "A radius is more than 0."),
        ({"source": {"ra": 1, "dec": 1}}, "Operation Toy: needs radius."),
    ],
)
def test_operations_may_have_their_own_words(inputs, text):
    assert refused(check_inputs, REFUSING, clean_inputs(REFUSING, inputs), {}) == text


def test_a_missing_nested_value_is_told_in_the_words_for_missing_or_any():
    inputs = clean_inputs(REFUSING, {"radius": 1, "source": {"ra": 1}})
    assert refused(check_inputs, REFUSING, inputs, {}) == "Operation Toy requires a source."
