"""Every error text the contract pins (sections 1 to 4), as a user of the existing interface reads it.

Either the request is refused, with the text under `error`, the only key the user interface shows; or the operation ends
FAILED with the text as its message.
"""

import asyncio

import pytest

from support.tour_form import Form, opened, output_items
from support.tour_oddities import BARE, BARE_BLUE, DARK, ELSEWHERE, UNCALIBRATED, UNFILTERED
from support.tour_sky import CENTRE
from support.tour_stops import STOPS, asteroid_text

APERTURE = "Aperture Photometry"
MOVING = "Moving Target Aperture Photometry"
NON_SIDEREAL = "Non-Sidereal Aperture Photometry"
TOO_FEW_POSITIONS = f"Operation {MOVING} requires at least 2 target_positions"
INVALID = f"Operation {APERTURE} received invalid input: {{}} must be a number of arcseconds."
COUNTS_OF_STARS = "min_comparisons and max_comparisons must be positive and min_comparisons <= max_comparisons."
NO_CENTRE = "Operation HR Diagram requires a cluster center with ra and dec."
NO_RADIUS = "The search radius must be a number of arcminutes."
NOT_THERE = {"ra": float(CENTRE.ra.deg), "dec": float(CENTRE.dec.deg) + 5.0}
MJD = 61114.25


class Bench:
    """Inputs that would work for every operation, to be broken in one place, and the frames to break them with."""

    def __init__(self, tour, descriptions, session):
        self.client = tour.alice
        self.archive = tour.archive
        self.descriptions = descriptions
        self.session = session
        self.red = [frame.session_item() for frame in tour.archive.of("colours", filter_name="rp")]
        self.green = [frame.session_item() for frame in tour.archive.of("colours", filter_name="gp")]
        self.asteroid = [frame.session_item() for frame in tour.archive.of("asteroid")]
        self.bias = [frame.session_item() for frame in tour.archive.of("bias")]

    def working(self, name):
        """Return inputs that would work."""
        stop = STOPS[name]
        form = Form(self.descriptions[name], [frame.session_item() for frame in self.archive.of(*stop.groups)])
        form.fill(**stop.known(self.archive, {}))
        for key in form.missing():
            form.fill(**{key: form.example(key)})
        return form.posted()

    def broken(self, name, change):
        """Return inputs with some replaced; those that become `None` are left out."""
        changed = self.working(name) | change(self)
        return {key: value for key, value in changed.items() if value is not None}


@pytest.fixture(scope="module")
async def bench(tour):
    descriptions = await tour.alice.get("available_operations/")
    return Bench(tour, descriptions, await tour.alice.new_session("errors", []))


def items(*odd_frames):
    return [odd.session_item() for odd in odd_frames]


def inputs(**changes):
    """Return what to change in inputs that work; functions are given the bench."""

    def change(bench):
        return {key: value(bench) if callable(value) else value for key, value in changes.items()}

    return change


def positions(*places, times=(MJD, MJD + 0.1)):
    return [{"ra": ra, "dec": dec, "mjd": mjd} for (ra, dec), mjd in zip(places, times, strict=False)]


REFUSED = {
    "too few files": (
        "Median",
        inputs(input_files=lambda b: b.red[:1]),
        "Operation Median requires at least 2 Input Files input file(s).",
    ),
    "no file": ("Median", inputs(input_files=[]), "Operation Median requires at least 2 Input Files input file(s)."),
    "too few for a period": (
        "Variable Star",
        inputs(input_files=lambda b: b.asteroid[:7]),
        "Operation Variable Star requires at least 8 Input Files input file(s).",
    ),
    "too many files": (
        "Subtraction",
        inputs(subtraction_file=lambda b: b.red[:2]),
        "Operation Subtraction accepts at most 1 Subtraction File input file(s).",
    ),
    "no filter": (
        "Light Curve",
        inputs(input_files=items(UNFILTERED)),
        (
            "Operation Light Curve needs to know the filter of every Input Files, "
            "but odd_unfiltered does not report a filter."
        ),
    ),
    "wrong filter": (
        "Light Curve",
        inputs(input_files=lambda b: b.bias[:1]),
        (
            "Operation Light Curve requires the Input Files to be taken in one of the rp, ip, gp, zs filters, "
            "but got opaque."
        ),
    ),
    "wrong filter of one of several inputs": (
        "HR Diagram",
        inputs(blue_filter_files=lambda b: b.red[:1]),
        "Operation HR Diagram requires the Blue Band Image to be taken in one of the gp filters, but got rp.",
    ),
    "mixed filters": (
        "Light Curve",
        inputs(input_files=lambda b: b.red[:1] + b.green[:1]),
        (
            "Operation Light Curve requires every Input Files to be taken in the same filter, "
            "but the input files use rp, gp."
        ),
    ),
    "a frame that is not there": (
        "Median",
        inputs(input_files=lambda b: [*b.red[:1], {"source": "archive", "basename": "nobody-took-this"}]),
        "Could not find nobody-took-this in the archive",
    ),
    "an output that is not there": (
        "Median",
        inputs(input_files=lambda b: [*b.red[:1], {"source": "datalab", "basename": "nobody-made-this"}]),
        "Could not find nobody-made-this among the outputs of your operations",
    ),
    "a file from nowhere": (
        "Median",
        inputs(input_files=lambda b: [*b.red[:1], {"source": "drawer", "basename": "x"}]),
        'x: Source drawer not recognized; "archive" or "datalab" is right.',
    ),
    "an operation that is not there": (
        "Median",
        inputs(input_files=[{"source": "datalab", "operation": 10**6}]),
        "Could not find operation 1000000 among your operations",
    ),
    "a colour without an image": (
        "Color Image",
        inputs(color_channels=[{"color": {"r": 0, "g": 0, "b": 255}}]),
        "Channel 1 has no image: choose one or remove the channel.",
    ),
    "an image without a colour": (
        "Color Image",
        inputs(color_channels=lambda b: b.red[:1]),
        "Operation Color Image: Color Channel 1 needs color.",
    ),
    "a colour out of range": (
        "Color Image",
        inputs(color_channels=lambda b: [b.red[0] | {"color": {"r": 300, "g": 0, "b": 0}}]),
        "Operation Color Image: Color Channel 1 color r must be at most 255.",
    ),
    "unknown stacking mode": (
        "Stacking",
        inputs(stacking_mode="magic"),
        "Operation Stacking: Stacking Mode must be simple or reproject.",
    ),
    "an input that the operation does not have": (
        "Median",
        inputs(colour="red"),
        "Operation Median has no input 'colour'; it takes input_files.",
    ),
    "light curve of nothing": (
        "Light Curve",
        inputs(source=None),
        "Operation Light Curve requires a source.",
    ),
    "period of nothing": ("Variable Star", inputs(source=None), "Operation Variable Star requires a source."),
    "no cluster": ("HR Diagram", inputs(cluster=None), NO_CENTRE),
    "half a cluster": ("HR Diagram", inputs(cluster={"ra": 12.0}), NO_CENTRE),
    "a cluster in words": ("HR Diagram", inputs(cluster={"ra": "here", "dec": "there"}), NO_CENTRE),
    "a radius in words": ("HR Diagram", inputs(search_radius_arcmin="wide"), NO_RADIUS),
    "a radius below nothing": (
        "HR Diagram",
        inputs(search_radius_arcmin=-3),
        "The search radius must be greater than zero arcminutes.",
    ),
    "no aperture": (APERTURE, inputs(aperture_radius=None), INVALID.format("aperture_radius")),
    "an aperture in words": (APERTURE, inputs(aperture_radius="wide"), INVALID.format("aperture_radius")),
    "an annulus in words": (APERTURE, inputs(annulus_outer_radius="wide"), INVALID.format("annulus_outer_radius")),
    "an aperture of nothing": (APERTURE, inputs(aperture_radius=0), "aperture_radius must be > 0."),
    "no comparison stars": (APERTURE, inputs(min_comparisons=0), COUNTS_OF_STARS),
    "no position": (MOVING, inputs(target_positions=None), TOO_FEW_POSITIONS),
    "one position": (MOVING, inputs(target_positions=positions((172.9, 24.7))), TOO_FEW_POSITIONS),
    "one position in words": (MOVING, inputs(target_positions="172.9 24.7 61114.25"), TOO_FEW_POSITIONS),
    "a position that is not in a list": (
        MOVING,
        inputs(target_positions={"ra": 172.9, "dec": 24.7, "mjd": MJD}),
        f"Operation {MOVING} requires target_positions to be a text or a list of positions with ra, dec and mjd.",
    ),
    "positions in other words": (
        MOVING,
        inputs(target_positions="172.9 24.7 61114.25; near Regulus"),
        f'Operation {MOVING}: Target Positions entry 2 ("near Regulus") is not "RA Dec time", RA and Dec in degrees …',
    ),
    "a position without a time": (
        MOVING,
        inputs(target_positions=[*positions((172.9, 24.7)), {"ra": 172.9, "dec": 24.7}]),
        f"Operation {MOVING}: Target Positions 2 needs mjd.",
    ),
    "a position nowhere on the sky": (
        MOVING,
        inputs(target_positions=positions((172.9, 120.0), (172.9, 24.7))),
        f"Operation {MOVING}: Target Positions 1 dec must be at most 90.",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_request_that_cannot_be_is_refused_in_words(bench, case):
    name, change, text = REFUSED[case]
    assert reads(await bench.client.refused(bench.session, name, bench.broken(name, change)), text)


FAILED = {
    "nobody knows the source": (
        "Light Curve",
        inputs(source=NOT_THERE),
        "No extractable photometry data found for this source.",
    ),
    "too few points for a period": (
        "Variable Star",
        inputs(input_files=lambda b: [*b.asteroid[:7], *items(BARE)]),
        "Only found extractable photometry data in 7 inputs - a period needs at least 8.",
    ),
    "a catalogue without magnitudes": (
        "HR Diagram",
        inputs(blue_filter_files=items(BARE_BLUE)),
        "The catalog of odd_bare_blue has no zero-point calibrated magnitudes (columns mag and magerr).",
    ),
    "a catalogue without a star": (
        "HR Diagram",
        inputs(blue_filter_files=items(UNCALIBRATED)),
        "No calibrated sources found in the catalog of odd_uncalibrated.",
    ),
    "a cluster elsewhere": (
        "HR Diagram",
        inputs(cluster=NOT_THERE),
        "The cluster center is outside both image footprints. Choose images that show it, or another center.",
    ),
    "two different fields": (
        "HR Diagram",
        inputs(blue_filter_files=items(ELSEWHERE)),
        "No stars matched between the two bands. Choose images of the same field.",
    ),
    "a cluster that is too small": (
        "HR Diagram",
        inputs(search_radius_arcmin=0.001),
        "No matched stars within 0.001 arcminutes of the cluster center. Choose a larger radius.",
    ),
    "an aperture that reaches into the annulus": (
        APERTURE,
        inputs(aperture_radius=13.0),
        "annulus_inner_radius must be greater than aperture_radius.",
    ),
    "an annulus of nothing": (
        APERTURE,
        inputs(annulus_outer_radius=12.73),
        "annulus_outer_radius must be greater than annulus_inner_radius.",
    ),
    "more stars at least than at most": (APERTURE, inputs(min_comparisons=11), COUNTS_OF_STARS),
    "no target": (
        APERTURE,
        inputs(source=None),
        f"Operation {APERTURE} requires at least 1 target_positions",
    ),
    "an empty list of targets": (
        APERTURE,
        inputs(source=None, target_positions=[]),
        f"Operation {APERTURE} requires at least 1 target_positions",
    ),
    "no usable frame": (
        APERTURE,
        inputs(input_files=items(BARE)),
        "Aperture photometry requires at least 1 valid input file with SCI and CAT extensions.",
    ),
    "too few stars": (
        APERTURE,
        inputs(min_comparisons=500, max_comparisons=500),
        "… 500 are needed: too few for the minimum comparison ensemble.",
    ),
    "a target that does not move": (
        NON_SIDEREAL,
        inputs(input_files=lambda b: b.red[:3]),
        f"… is not an image of a non-sidereal target (SRCTYPE is EXTRASOLAR): use {MOVING} and give its positions.",
    ),
    "positions of one time": (
        MOVING,
        inputs(target_positions=positions((172.9, 24.7), (172.91, 24.7), times=(MJD, MJD))),
        "Target positions 1 and 2 are of the same time.",
    ),
    "positions on two sides of the sky": (
        MOVING,
        inputs(target_positions=positions((0.0, 0.0), (180.0, 0.0))),
        "The target positions are more than 90 degrees apart: no track leads through them.",
    ),
    "a stack without coordinates": (
        "Stacking",
        inputs(input_files=items(BARE, DARK), stacking_mode="reproject"),
        "odd_bare has no valid celestial WCS in its header, so nobody knows which part of the sky it shows. …",
    ),
    "nothing to divide by": ("Normalization", inputs(input_files=items(DARK)), "odd_dark cannot be normalized: …"),
    "limits in the wrong order": (
        "Color Image",
        inputs(color_channels=lambda b: [b.red[0] | {"color": {"r": 255, "g": 0, "b": 0}, "zmin": 9, "zmax": 1}]),
        "… zmax 1 is below zmin 9.",
    ),
    "a formula that is none": ("Pixel Arithmetic", inputs(expression="a +"), "Operation Pixel Arithmetic: …"),
    "images that cannot be aligned": (
        "Color Image",
        inputs(
            color_channels=lambda b: [
                item | {"color": {"r": 255, "g": 0, "b": 0}} for item in [*b.red[:1], *items(BARE)]
            ]
        ),
        "odd_bare cannot be aligned to sim-sq001ms-20260316-00000001: …",
    ),
    "calibration with nothing": (
        "Calibration",
        inputs(bias_file=[], dark_file=[], flat_file=[]),
        "Operation Calibration requires a bias, a dark or a flat frame.",
    ),
    "Gaia is silent": (
        "HR Diagram",
        inputs(search_radius_arcmin=7.0),
        "… Could not fetch Gaia data for the cluster field: …",
    ),
}


@pytest.fixture(scope="module")
async def failures(tour, bench):
    """Every operation of `FAILED`, ended, while Gaia is down."""
    numbers = {}
    tour.gaia.day = "down"
    try:
        async with bench.client.waiting_for_all([bench.session]) as started:
            for case, (name, change, _) in FAILED.items():
                numbers[case] = await bench.client.start(bench.session, name, bench.broken(name, change))
                started.append(numbers[case])
    finally:
        tour.gaia.day = "good"
    return {case: await bench.client.operation(bench.session, number) for case, number in numbers.items()}


@pytest.mark.parametrize("case", FAILED)
async def test_an_operation_that_cannot_work_fails_in_words(failures, case):
    operation, text = failures[case], FAILED[case][2]
    assert operation["status"] == "FAILED", operation["message"]
    assert reads(operation["message"], text), operation["message"]
    assert operation["output"] is None


def reads(message, text):
    """Tell whether a message is this text; an ellipsis stands for particulars of the frames or of the world."""
    core = text.strip("…").strip()
    before, after = text.startswith("…"), text.endswith("…")
    return core in message and (before or message.startswith(core)) and (after or message.endswith(core))


async def test_both_spellings_of_a_position_work(bench):
    """Clients of the reference send `target_positions`, the user interface sends `source`; a single one may be bare."""
    given = bench.working(APERTURE) | {"input_files": bench.red}
    target = given.pop("source")
    wanted = [{"source": target}, {"target_positions": [target]}, {"target_positions": target}]
    made = await asyncio.gather(*(bench.client.made(bench.session, APERTURE, given | spelling) for spelling in wanted))
    curves = [operation["output"]["output_data"][0]["light_curve"] for operation in made]
    assert curves[0] == curves[1] == curves[2]
    text = asteroid_text(bench.archive)
    parts = [list(map(float, entry.split())) for entry in text.split("; ")]
    listed = [{"ra": ra, "dec": dec, "mjd": mjd} for ra, dec, mjd in parts]
    given = bench.working(MOVING) | {"input_files": bench.asteroid[:4]}
    wanted = [given | {"target_positions": spelling} for spelling in (text, listed)]
    one, other = await asyncio.gather(*(bench.client.made(bench.session, MOVING, each) for each in wanted))
    assert one["output"]["output_data"][0]["light_curve"] == other["output"]["output_data"][0]["light_curve"]


# --- requests -------------------------------------------------------------------------------------------------------


async def test_an_operation_nobody_knows(bench):
    path = f"datasessions/{bench.session}/operations/"
    answer = await bench.client.post(path, {"name": "Bogus", "input_data": {}}, status=400)
    assert answer == {"name": ['"Bogus" is not a valid choice.']}


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (b'{"name": "Median", "input_data": {"input_files": NaN}}', "JSON parse error - "),
        (b'{"name": "Median", "input_data": {"input_files": -Infinity}}', "JSON parse error - "),
        (b"{", "JSON parse error - "),
    ],
)
async def test_what_is_no_json_is_refused(bench, body, answer):
    refused = await bench.client.post(f"datasessions/{bench.session}/operations/", body, status=400)
    assert refused["detail"].startswith(answer)
    refused = await bench.client.post("analysis/raw-data/", body, status=400)
    assert refused["error"].startswith(f"raw-data Error: {answer}")


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({"name": "Median"}, {"input_data": ["This field is required."]}),
        ({"input_data": {}}, {"name": ["This field is required."]}),
        (
            {"name": "Median", "input_data": []},
            {"input_data": ['Expected a dictionary of items but got type "list".']},
        ),
    ],
)
async def test_missing_fields_are_named(bench, body, answer):
    """The reference answered with 500."""
    assert await bench.client.post(f"datasessions/{bench.session}/operations/", body, status=400) == answer


async def test_bulk_delete_without_numbers_is_refused(bench):
    path = f"datasessions/{bench.session}/operations/bulk_delete/"
    assert await bench.client.post(path, {}, status=400) == {"ids": ["This field is required."]}
    assert "ids" in await bench.client.post(path, {"ids": None}, status=400)
    assert "ids" in await bench.client.post(path, {"ids": ["one"]}, status=400)


# --- what belongs to others -----------------------------------------------------------------------------------------


async def test_other_users_see_neither_sessions_nor_operations(tour, bench, failures):
    bob = tour.bob.http
    missing = {"detail": "No DataSession matches the given query."}
    number = next(iter(failures.values()))["id"]
    for path in (f"datasessions/{bench.session}/", f"datasessions/{bench.session}/operations/"):
        reply = await bob.get(path)
        assert (reply.status_code, reply.json()) == (404, missing)
    reply = await bob.get(f"datasessions/{bench.session}/operations/{number}/")
    assert reply.status_code == 404
    body = {"name": "Median", "input_data": {"input_files": bench.red}}
    reply = await bob.post(f"datasessions/{bench.session}/operations/", json=body)
    assert (reply.status_code, reply.json()) == (404, missing)
    reply = await bob.post(f"datasessions/{bench.session}/operations/bulk_delete/", json={"ids": [number]})
    assert reply.status_code == 404
    reply = await bob.delete(f"datasessions/{bench.session}/operations/{number}/")
    assert reply.status_code == 404
    assert (await tour.alice.operation(bench.session, number))["id"] == number


async def test_frames_and_outputs_of_others_cannot_be_used(tour, bench):
    tonight = [frame.session_item() for frame in tour.archive.of("tonight")]
    made = await bench.client.made(bench.session, "Normalization", {"input_files": tonight})
    (output,) = output_items(made)
    session = await tour.bob.new_session("curious", [])
    name = tonight[0]["basename"]
    refused = await tour.bob.refused(session, "Normalization", {"input_files": tonight})
    assert refused == f"Could not find {name} in the archive"
    own = [opened(item) for item in items(BARE)]
    for stolen in (output, {"source": "datalab", "basename": output["basename"]}):
        refused = await tour.bob.refused(session, "Median", {"input_files": [*own, stolen]})
        assert refused == f"Could not find {output['basename']} among the outputs of your operations"
    refused = await tour.bob.refused(
        session, "Median", {"input_files": [{"source": "datalab", "operation": made["id"]}]}
    )
    assert refused == f"Could not find operation {made['id']} among your operations"
    for action, place, text in (
        ("raw-data", {"basename": name}, f"Could not find {name} in the archive"),
        ("get-tif", {"basename": name}, f"Could not find {name} in the archive"),
        (
            "wcs",
            {"basename": output["basename"], "source": "datalab"},
            f"Could not find {output['basename']} among the outputs of your operations",
        ),
    ):
        answer = await tour.bob.post(f"analysis/{action}/", place, status=400)
        assert answer == {"error": f"{action} Error: {text}"}


async def test_nobody_gets_in_without_a_token(tour):
    for path in ("datasessions/", "available_operations/", "analysis/"):
        reply = await tour.bob.http.get(path, headers={"Authorization": ""})
        assert reply.status_code == 401
    reply = await tour.bob.http.get("available_operations/", headers={"Authorization": "Token nonsense"})
    assert (reply.status_code, reply.json()) == (401, {"detail": "Invalid token."})
    assert reply.headers["WWW-Authenticate"] == "Token"


# --- analyses -------------------------------------------------------------------------------------------------------

DISPLAY = {"width": 120, "height": 100}
BAD_ANALYSES = {
    "unknown action": ("tea-leaves", {"basename": BARE.basename}, "Analysis action 'tea-leaves' not found"),
    "no basename": ("raw-data", {}, "raw-data Error: 'basename' is missing"),
    "unknown source": (
        "raw-data",
        {"basename": BARE.basename, "source": "drawer"},
        "raw-data Error: Source drawer not recognized",
    ),
    "a frame that is not there": (
        "raw-data",
        {"basename": "nobody-took-this"},
        "raw-data Error: Could not find nobody-took-this in the archive",
    ),
    "no coordinates": ("wcs", {"basename": BARE.basename}, "wcs Error: No WCS solution found for this image"),
    "no display": (
        "source-catalog",
        {"basename": BARE.basename},
        "source-catalog Error: 'width', 'height' are missing",
    ),
    "half a line": (
        "line-profile",
        {"basename": BARE.basename, **DISPLAY, "x1": 1, "y1": 1},
        "line-profile Error: 'x2', 'y2' are missing",
    ),
    "no click": ("centroiding", {"basename": BARE.basename, **DISPLAY}, "centroiding Error: 'x', 'y' are missing"),
    "a click beside the image": (
        "centroiding",
        {"basename": BARE.basename, **DISPLAY, "x": 500, "y": 10},
        "centroiding Error: The position is outside of the image.",
    ),
    "limits in the wrong order": (
        "get-jpg",
        {"basename": BARE.basename, "zmin": 9, "zmax": 1},
        "get-jpg Error: zmin 9 lies above zmax 1.",
    ),
    "far too many pixels": (
        "raw-data",
        {"basename": BARE.basename, "max_size": 5000},
        "raw-data Error: 'max_size' is wrong: Input should be less than or equal to 2048",
    ),
}


@pytest.mark.parametrize("case", BAD_ANALYSES)
async def test_an_analysis_that_cannot_be_says_why(tour, case):
    action, body, text = BAD_ANALYSES[case]
    assert await tour.alice.post(f"analysis/{action}/", body, status=400) == {"error": text}


async def test_an_image_without_a_catalogue_has_no_sources(tour):
    body = {"basename": BARE.basename, **DISPLAY}
    assert await tour.alice.post("analysis/source-catalog/", body, status=200) == []


async def test_an_analysis_is_asked_by_post(tour):
    reply = await tour.alice.http.get("analysis/wcs/")
    assert (reply.status_code, reply.json()) == (405, {"detail": 'Method "GET" not allowed.'})


async def test_a_picture_is_no_image_to_compute_with(bench):
    channels = [bench.red[0] | {"color": {"r": 255, "g": 255, "b": 255}}]  # one channel is enough
    made = await bench.client.made(bench.session, "Color Image", {"color_channels": channels})
    (picture,) = output_items(made)
    refused = await bench.client.refused(bench.session, "Median", {"input_files": [*bench.red[:1], picture]})
    assert refused == f"{picture['basename']} is a picture; operations need FITS data"
    answer = await bench.client.post(
        "analysis/wcs/", {"basename": picture["basename"], "source": "datalab"}, status=400
    )
    assert answer["error"].startswith("wcs Error: ")
