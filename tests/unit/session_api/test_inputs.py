import pytest

from session_api.domain.catalogue import CatalogueEntry
from session_api.domain.errors import InputRefusedError
from session_api.services.input_checks import check_counts, check_filters, check_parameters
from session_api.services.input_cleaning import clean_inputs
from support.session_api import COLOR, LIGHT_CURVE, MEDIAN, STACKING, archive, described

median, stacking, color, curve = map(CatalogueEntry.from_description, (MEDIAN, STACKING, COLOR, LIGHT_CURVE))


def refused(check, *arguments):
    with pytest.raises(InputRefusedError) as caught:
        check(*arguments)
    return caught.value.text


def test_what_may_be_said_about_a_file_is_what_the_schema_declares():
    assert color.item_keys("color_channels") == {"source", "basename", "color", "zmin", "zmax"}
    assert median.item_keys("input_files") == {"source", "basename"}
    assert median.item_keys("nothing") == frozenset()


def test_files_are_sorted_and_stripped():
    items = [archive("b", zmin=1, url="x", id=2), archive("a", filter="rp", operationInputData={"deep": {}})]
    clean = clean_inputs(color, {"color_channels": items})
    assert clean.parameters == {"color_channels": [archive("a"), archive("b", zmin=1)]}
    assert clean.shown == {"color_channels": [archive("a", filter="rp"), archive("b", zmin=1, id=2)]}
    assert [file.basename for file in clean.all_files()] == ["a", "b"]


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


def test_counts_have_limits_at_both_ends():
    def count(number):
        return clean_inputs(stacking, {"input_files": [archive(str(each)) for each in range(number)]})

    check_counts(stacking, count(2))
    check_counts(stacking, count(3))
    assert "at least 2" in refused(check_counts, stacking, count(1))
    assert "at most 3" in refused(check_counts, stacking, count(4))


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
    entry = CatalogueEntry.from_description(described("Toy", inputs, scalars={"radius": schema}))
    told = refused(check_parameters, entry, clean_inputs(entry, {"radius": value}))
    assert told.startswith("Operation Toy: Aperture Radius ")
    assert text in told
    assert len(told) < 200


def test_a_filter_nobody_asks_for_does_not_matter():
    inputs = clean_inputs(median, {"input_files": [archive("f1"), archive("f2")]})
    check_filters(median, inputs, dict.fromkeys(inputs.all_files()))


def test_one_of_the_filters_and_the_same_for_all():
    inputs = clean_inputs(curve, {"input_files": [archive("f1"), archive("f2")]})
    first, second = inputs.all_files()
    check_filters(curve, inputs, {first: "rp", second: "rp"})
    assert "but the input files use rp, ip." in refused(check_filters, curve, inputs, {first: "rp", second: "ip"})
    assert "but got V." in refused(check_filters, curve, inputs, {first: "rp", second: "V"})
    assert "f1 does not report a filter." in refused(check_filters, curve, inputs, {first: None, second: "rp"})
