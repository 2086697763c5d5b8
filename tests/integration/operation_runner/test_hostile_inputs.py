"""Every operation on frames with everything that can be wrong with a frame: products that hold, or a plain refusal.

All damages for all operations take minutes: `HOSTILE=all pytest ...` runs them. Usually each damage meets one of
`EVERY` requests, another one than the damage before it, and the pairs that once were bugs are tried as well.
"""

import itertools
import json
import os
import re
import time
import warnings

import numpy as np
import pytest
from astropy.io import fits
from jsonschema import Draft202012Validator
from PIL import Image
from pydantic import ValidationError

from operation_runner.sdk import UsageError
from support.hostile import (
    DAMAGES,
    OPERATIONS,
    REQUESTS,
    damaged_frame,
    damages_of,
    gaia_stars,
    request_with,
    write_good_files,
)
from support.operations import run

EVERY = 32
LIMIT_S = 60.0
#: What raised something else than a refusal, hung, or wrote beyond its memory, before it was mended.
ONCE_BUGS = [
    ("Normalization", "quote not closed"),
    ("Normalization", "all inf"),
    ("Normalization", "text columns"),
    ("Subtraction of it", "all NaN"),
    ("Pixel Arithmetic", "text flags"),
    ("Pixel Arithmetic with it", "some inf"),
    ("Cropping", "text everywhere"),
    ("Cropping around", "CD singular"),
    ("Cropping around", "CD tiny"),
    ("Cropping around", "huge SIP"),
    ("Alignment", "positions inf"),
    ("Alignment", "text columns"),
    ("Alignment to it", "CD tiny"),
    ("Alignment by WCS", "empty CAT"),
    ("Alignment by WCS to it", "CD huge"),
    ("Alignment by WCS to it", "huge SIP"),
    ("Stacking", "SATURATE huge"),
    ("Stacking by exposure time", "EXPTIME huge"),
    ("Stacking by variance", "all inf"),
    ("Stacking reprojected", "CD singular"),
    ("Stacking reprojected", "empty CAT"),
    ("Stacking reprojected", "all flagged"),
    ("Color Image", "CD huge"),
    ("Master Frame flat", "huge"),
    ("Master Frame flat", "all NaN"),
    ("Master Frame flat", "no FILTER"),
    ("Master Frame flat", "EXPTIME huge"),
    ("Calibration", "SATURATE huge"),
    ("Calibration, its bias", "all inf"),
    ("Calibration, its bias", "all NaN"),
    ("Calibration, its dark", "EXPTIME tiny"),
    ("Calibration, its flat", "all inf"),
    ("Cosmic Ray Removal", "one row"),
    ("Cosmic Ray Removal", "two by two"),
    ("Cosmic Ray Removal", "huge"),
    ("Plate Solving", "one row"),
    ("Plate Solving", "CD huge"),
    ("Plate Solving", "other part of the sky"),
    ("Plate Solving", "DATE-OBS in the year 9999"),
    ("Variable Star", "DATE-OBS in the year 9999"),
    ("Variable Star", "mag huge"),
    ("Aperture Photometry alone", "sky positions nonsense"),
    ("Aperture Photometry alone", "mag huge"),
    ("Moving Target Aperture Photometry", "MJD-OBS huge"),
    ("HR Diagram", "DATE-OBS in the year 9999"),
]
#: Refusals of the contract that are about all inputs together.
ABOUT_ALL_INPUTS = {
    "No extractable photometry data found for this source.",
    "Aperture photometry requires at least 1 valid input file with SCI and CAT extensions.",
    "No stars matched between the two bands. Choose images of the same field.",
    "The cluster center is outside both image footprints. Choose images that show it, or another center.",
    "No matched stars within 1 arcminutes of the cluster center. Choose a larger radius.",
}
ABOUT_COUNTS = re.compile(
    r"Only found extractable photometry data in \d+ inputs - a period needs at least 8\.|"
    r".*(?:comparison star|stable comparison).*|"
    r"The flats were taken in .*: flats of one filter can be combined\."
)
JARGON = re.compile(
    r"\b(?:None|NaN|nan|inf|dtype|ndarray|numpy|array|astropy|Traceback|\w*Error|\w*Exception|object|axis|tuple|str|"
    r"u?int\d+|float\d+)\b|<\w|[{}]|0x|__"
)


def pairs():
    """Return the requests and damages to be tried; see above."""
    chosen = list(ONCE_BUGS)
    for number, damage in enumerate(DAMAGES):
        able = [name for name in REQUESTS if damage in damages_of(name)]
        every = 1 if os.environ.get("HOSTILE") == "all" else EVERY
        chosen += [(name, damage) for name in able[number % min(every, len(able)) :: every]]
    return list(dict.fromkeys(chosen))


@pytest.fixture(scope="session")
def good_files(tmp_path_factory):
    return write_good_files(tmp_path_factory.mktemp("good"))


@pytest.fixture
def outcome_of(good_files, tmp_path):
    """Return a function that runs a request with one file damaged, and what it says if it refuses."""

    numbers = itertools.count()

    def outcome(name, damage, **changes):
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        one = damaged_frame(REQUESTS[name].kind, damage).write(folder, "damaged")
        parameters = request_with(name, one, *good_files) | changes
        operation = OPERATIONS[REQUESTS[name].operation]
        try:
            return run(operation, parameters, work_dir=folder / "out", stars=gaia_stars), None
        except UsageError as error:
            return None, error.message

    return outcome


def check_files(outcome, *, may_be_blank=False):
    """Check that what was made can be used: by any reader of FITS, JPEG and JSON."""
    for product in outcome.products:
        for role, file in product.files.items():
            if role == "fits":
                check_fits(file.path, may_be_blank=may_be_blank)
            else:
                check_picture(file.path)
    for data in outcome.data:
        json.dumps(data.content, allow_nan=False)
        for picture in data.pictures:
            check_picture(picture.file.path)
    assert outcome.products or outcome.data


def check_fits(path, *, may_be_blank):
    with warnings.catch_warnings(), fits.open(path, checksum=True) as hdus:
        warnings.simplefilter("error")
        hdus.verify("exception")
        for hdu in hdus:
            for card in hdu.header.cards:
                _ = card.value
        assert may_be_blank or np.isfinite(hdus["SCI"].data).any(), "the result is blank"
        if "CAT" in hdus:
            assert len(hdus["CAT"].columns) >= 0


def check_picture(path):
    with Image.open(path) as picture:
        picture.load()


def check_refusal(text, name, parameters=()):
    assert not JARGON.search(text), text
    about_a_file = re.search(r"\b(?:damaged|frame-\d|second-(?:bias|flat)|bias|dark|flat)\b", text)
    about_a_parameter = any(each in text for each in parameters)
    known = text in ABOUT_ALL_INPUTS or ABOUT_COUNTS.fullmatch(text)
    assert about_a_file or about_a_parameter or known, text


def is_blank(frame):
    return frame.pixels.dtype.kind == "f" and not np.isfinite(frame.pixels).any()


def test_every_operation_and_every_damage_is_in_the_table():
    assert {request.operation for request in REQUESTS.values()} == set(OPERATIONS)
    assert {damage for _, damage in pairs()} == set(DAMAGES)


@pytest.mark.parametrize("name", REQUESTS)
def test_good_frames_give_products(outcome_of, name):
    outcome, refusal = outcome_of(name, None)
    assert refusal is None
    check_files(outcome)


@pytest.mark.parametrize(("name", "damage"), pairs())
def test_a_damaged_frame_gives_products_that_hold_or_a_refusal_that_helps(outcome_of, name, damage):
    began = time.monotonic()
    outcome, refusal = outcome_of(name, damage)
    assert time.monotonic() - began < LIMIT_S
    if refusal is None:
        check_files(outcome, may_be_blank=is_blank(damaged_frame(REQUESTS[name].kind, damage)))
    else:
        check_refusal(refusal, name)


def number_kind(schema):
    """Return "integer" or "number" for a field of numbers, also one that may be null; None for any other."""
    kinds = schema.get("type", ())
    return next(
        (kind for kind in ("integer", "number") if kind in ([kinds] if isinstance(kinds, str) else kinds)), None
    )


def numeric_fields():
    """Yield a request and a numeric parameter; those that operations share, once."""
    seen = []
    for name, request in REQUESTS.items():
        schemas = OPERATIONS[request.operation].Parameters.model_json_schema()["properties"]
        for field, schema in schemas.items():
            described = field, schema["title"], request.operation.endswith("Aperture Photometry") or request.operation
            if number_kind(schema) and described not in seen:
                seen.append(described)
                yield name, field


def extremes(operation, field):
    """Return the extreme values that the schema allows."""
    schema = operation.Parameters.model_json_schema()["properties"][field]
    whole = number_kind(schema) == "integer"
    limits = [schema.get(key) for key in ("minimum", "maximum", "exclusiveMinimum")]
    tried = [limit for limit in limits if limit is not None]
    tried += [0, 1, -1, 2**63 - 1] if whole else [0.0, -1.0, 5e-324, 1e9, 1e300, -1e300]
    return [value for value in dict.fromkeys(tried) if Draft202012Validator(schema).is_valid(value)]


@pytest.mark.parametrize(("name", "field"), list(numeric_fields()))
def test_extreme_parameters_give_products_that_hold_or_a_refusal_that_helps(outcome_of, name, field):
    operation = OPERATIONS[REQUESTS[name].operation]
    values = extremes(operation, field)
    assert values
    for value in values:
        began = time.monotonic()
        outcome, refusal = outcome_of(name, None, **{field: value})
        assert time.monotonic() - began < LIMIT_S, value
        if refusal is None:
            check_files(outcome)
        else:
            inputs = operation.wizard()["inputs"]
            check_refusal(refusal, name, [*inputs, *(described["name"] for described in inputs.values())])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize(("name", "field"), list(numeric_fields()))
def test_numbers_that_are_none_are_refused(good_files, name, field, value):
    sky, others = good_files
    operation = OPERATIONS[REQUESTS[name].operation]
    given = {
        key: value_
        for key, value_ in request_with(name, sky[0], sky, others).items()
        if key not in operation.Parameters.model_fields or not isinstance(value_, list)
    }
    with pytest.raises(ValidationError) as refused:
        operation.Parameters.model_validate(given | {field: value})
    assert field in {error["loc"][0] for error in refused.value.errors()}
