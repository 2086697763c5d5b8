import json
from io import BytesIO

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from jsonschema import Draft202012Validator

from datalab.astro.sky.gaia import read_stars
from datalab.errors import TransientError, UsageError
from operation_runner.operations.hr_diagram import HRDiagram
from support.gaia_server import archive_stars, votable
from support.operations import run
from support.star_cluster import (
    ARCSEC,
    CENTRE,
    COS_DEC,
    EPOCH_GAIA,
    HEADER,
    east,
    simulated_field,
    sources,
    write_image,
)

CLUSTER = {"name": "NGC 1", "ra": CENTRE[0], "dec": CENTRE[1]}
EPOCH = 2026.5


def gaia_with(rows):
    """Return what answers for Gaia, and the regions it was asked for."""
    asked = []

    def stars(region):
        asked.append(region)
        return read_stars(BytesIO(votable(rows)), region)

    return stars, asked


NO_GAIA = archive_stars(ra=[], dec=[])


def diagram(tmp_path, blue, red, *, rows=NO_GAIA, stars=None, red_filter="rp", cluster=CLUSTER, **parameters):
    """Run the operation on two catalogues (or paths of images) and return its outcome."""
    files = [
        given if not isinstance(given, dict) else write_image(tmp_path / f"{colour}.fits", filter_name, given)
        for given, colour, filter_name in ((blue, "blue", "gp"), (red, "red", red_filter))
    ]
    return run(
        HRDiagram(),
        {"blue_filter_files": files[:1], "red_filter_files": files[1:], "cluster": cluster} | parameters,
        work_dir=tmp_path / "work",
        stars=stars or gaia_with(rows)[0],
    )


#: Five stars in both images, 30" apart, and a crowded pair of blue sources at one red one.
BLUE = sources([east(30 * n) for n in range(5)] + [east(200), east(201)], [15.0, 15.5, 16.0, 16.5, 17.0, 18.0, 19.0])
RED = sources([east(30 * n + 0.2) for n in range(5)] + [east(200.1)], [14.5, 14.8, 15.2, 15.6, 16.0, 17.0], magerr=0.03)
#: Gaia knows the first four of them, and one that is in neither image.
GAIA = archive_stars(
    ra=[*(east(30 * n + 0.3) for n in range(4)), east(300)],
    dec=[CENTRE[1]] * 5,
    pmra=[0.0] * 5,
    pmdec=[0.0] * 5,
    parallax=[1.0] * 5,
    r_med_geo=[1000.0] * 5,
    g_sdss_mag=[16.2] * 5,
    g_sdss_flux=[1000.0] * 5,
    g_sdss_flux_error=[10.0] * 5,
    r_sdss_mag=[15.4] * 5,
    r_sdss_flux=[1000.0] * 5,
    r_sdss_flux_error=[10.0] * 5,
)


def test_the_numbers_of_a_small_field(tmp_path):
    outcome = diagram(tmp_path, BLUE, RED, rows=GAIA)
    content = outcome.content
    images = [row for row in content["cmd"] if not row["gaia_only"]]
    assert (content["n_stars"], content["n_stars_matched"]) == (6, 6)
    assert [row["mag"] for row in images] == [14.5, 14.8, 15.2, 15.6, 16.0, 17.0]
    assert [row["color"] for row in images] == [0.5, 0.7, 0.8, 0.9, 1.0, 1.0]
    assert {row["color_err"] for row in images} == {0.0361}
    assert [row["gaia_match"] for row in images] == [True] * 4 + [False] * 2
    (only,) = (row for row in content["cmd"] if row["gaia_only"])
    assert (only["color"], only["mag"], only["gaia_match"]) == (0.8, 15.4, True)
    assert only["magerr"] == pytest.approx(np.hypot(0.010857, 0.03), abs=5e-5)
    assert (content["n_gaia_matched"], content["n_gaia_only"]) == (4, 1)
    assert content["membership_guess"] is None
    assert content["n_members"] == 0
    assert not outcome.products


def test_the_output_has_every_key_clients_read(tmp_path):
    content = diagram(tmp_path, BLUE, RED, rows=GAIA).content
    assert content["cluster"] == {**CLUSTER, "radius_arcmin": 15.0}
    assert content["source"] == CLUSTER
    assert (content["blue_filter"], content["red_filter"], content["mag_band"]) == ("gp", "rp", "rp")
    assert content["notes"] == []
    keys = "ra dec color color_err mag magerr pmra pmra_err pmdec pmdec_err parallax parallax_err "
    keys += "distance distance_lo distance_hi g_mag probability gaia_match gaia_only member"
    assert {tuple(row) for row in content["cmd"]} == {tuple(keys.split())}
    assert content["cmd"][0]["parallax"] == 1.017
    assert content["cmd"][0]["ra"] == round(east(0.2), 6)


def test_what_is_not_known_is_null(tmp_path):
    content = diagram(tmp_path, BLUE, RED, rows=GAIA).content
    unmatched = content["cmd"][4]
    names = ("pmra", "pmra_err", "pmdec", "pmdec_err", "parallax", "parallax_err")
    assert [unmatched[name] for name in (*names, "distance", "distance_lo", "distance_hi", "g_mag")] == [None] * 10
    json.dumps(content, allow_nan=False)


def test_progress_is_told_step_by_step(tmp_path):
    assert diagram(tmp_path, BLUE, RED).progress == [
        (0.2, "Finished cataloging blue image stars"),
        (0.4, "Finished cataloging red image stars"),
        (0.5, "Finished crossmatching blue/red image stars"),
        (0.8, "Finished querying Gaia catalog for field stars"),
        (0.95, "Finished matching Gaia and Image stars"),
        (1.0, "Finished operation"),
    ]


def test_flagged_and_saturated_stars_are_left_out(tmp_path):
    blue = BLUE | {"flag": np.array([0, 1, 0, 0, 0, 0, 0])}
    red = RED | {"peak": np.array([1000, 1000, 60000, 1000, 1000, 1000.0])}
    assert [row["mag"] for row in diagram(tmp_path, blue, red).content["cmd"]] == [14.5, 15.6, 16.0, 17.0]


def test_the_search_radius_keeps_what_is_inside(tmp_path):
    positions = [east(0), east(50), east(70)]
    blue, red = sources(positions, [15.0, 16.0, 17.0]), sources(positions, [14.5, 15.4, 16.3])
    content = diagram(tmp_path, blue, red, search_radius_arcmin=1).content
    assert [row["mag"] for row in content["cmd"]] == [14.5, 15.4]
    assert content["cluster"]["radius_arcmin"] == 1


def test_only_the_brightest_five_thousand_are_shown(tmp_path):
    """Two rows of stars, 2.8 degrees long, and as many that only Gaia has."""
    ra = CENTRE[0] + np.tile(np.arange(-1275, 1275) * 4.0, 2) * ARCSEC / COS_DEC
    dec = CENTRE[1] + np.repeat([-5.0, 5.0], 2550) * ARCSEC
    magnitudes = np.random.default_rng(3).permutation(np.linspace(14, 20, 5100))
    content = diagram(
        tmp_path,
        sources(ra, magnitudes + 1, dec=dec),
        sources(ra, magnitudes, dec=dec),
        search_radius_arcmin=90,
        rows=archive_stars(ra=ra, dec=dec + 0.1, phot_g_mean_mag=magnitudes),
    ).content
    assert (content["n_stars"], content["n_stars_matched"], content["n_gaia_only"]) == (5000, 5100, 5000)
    brightest = np.sort(magnitudes)[:5000].round(4).tolist()
    assert [row["mag"] for row in content["cmd"][:5000]] == brightest
    assert [row["g_mag"] for row in content["cmd"][5000:]] == pytest.approx(brightest, abs=1e-4)


def test_a_fast_star_is_matched_where_it_is_now(tmp_path):
    there, now = east(0), CENTRE[0] + 0.3 * (EPOCH - EPOCH_GAIA) * ARCSEC / COS_DEC  # 3.15" farther east
    rows = archive_stars(ra=[there], dec=[CENTRE[1]], pmra=[300.0], pmdec=[0.0])
    content = diagram(tmp_path, sources([now], [15.0]), sources([now], [14.5]), rows=rows).content
    assert content["n_gaia_matched"] == 1
    assert content["cmd"][0]["pmra"] == 300
    there_only = diagram(tmp_path, sources([there], [15.0]), sources([there], [14.5]), rows=rows).content
    assert there_only["n_gaia_matched"] == 0
    assert there_only["cmd"][1]["ra"] == pytest.approx(now, abs=1e-6)


def test_a_star_that_came_into_the_circle_since_gaia_is_matched_and_one_that_left_is_not_shown(tmp_path):
    edge = 60.0
    rows = archive_stars(
        ra=[east(edge + 2), east(edge - 2)], dec=[CENTRE[1]] * 2, pmra=[-300.0, 300.0], pmdec=[0.0, 0.0]
    )
    now = east(edge + 2 - 3.15)
    stars, asked = gaia_with(rows)
    content = diagram(
        tmp_path, sources([now], [15.0]), sources([now], [14.5]), stars=stars, search_radius_arcmin=1
    ).content
    assert (content["n_gaia_matched"], content["n_gaia_only"]) == (1, 0)
    assert asked[0].radius_deg > 1 / 60


def test_without_dates_gaia_stays_where_it_was(tmp_path):
    rows = archive_stars(ra=[east(0)], dec=[CENTRE[1]], pmra=[300.0], pmdec=[0.0])
    files = [
        write_image(tmp_path / f"{name}.fits", name, sources([east(0)], [15.0]), **{"DATE-OBS": None})
        for name in ("gp", "rp")
    ]
    assert diagram(tmp_path, *files, rows=rows).content["n_gaia_matched"] == 1


def test_solutions_of_gaia_that_do_not_fit_are_not_used(tmp_path):
    rows = GAIA | {"ruwe": np.array([1.0, 1.41, np.nan, 1.39, 2.0])}
    content = diagram(tmp_path, BLUE, RED, rows=rows).content
    assert (content["n_gaia_matched"], content["n_gaia_only"]) == (2, 0)


def test_a_field_with_more_stars_than_can_be_fetched_has_a_note(tmp_path):
    def stars(region):
        table = gaia_with(GAIA)[0](region)
        table.meta["truncated"] = True
        return table

    (note,) = diagram(tmp_path, BLUE, RED, stars=stars).content["notes"]
    assert "faintest are missing" in note


def test_positions_are_computed_where_the_catalogue_has_none(tmp_path):
    wcs = WCS(fits.Header(HEADER))
    catalogues = []
    for columns in (BLUE, RED):
        x, y = wcs.all_world2pix(columns["ra"], columns["dec"], 1)
        catalogues.append({name: columns[name] for name in ("mag", "magerr")} | {"x": x, "y": y})
    with_positions = diagram(tmp_path, BLUE, RED, rows=GAIA).content
    without = diagram(tmp_path, *catalogues, rows=GAIA).content
    assert without == with_positions


@pytest.mark.parametrize("red_filter", ["ip", "zs"])
def test_the_synthetic_magnitudes_are_those_of_the_filters(tmp_path, red_filter):
    band = red_filter[0]
    rows = GAIA | {f"{band}_sdss_{what}": GAIA[f"r_sdss_{what}"] - 0.5 for what in ("mag", "flux", "flux_error")}
    content = diagram(tmp_path, BLUE, RED, rows=rows, red_filter=red_filter).content
    assert content["mag_band"] == red_filter
    assert (content["cmd"][-1]["mag"], content["cmd"][-1]["color"]) == (14.9, 1.3)


def test_a_simulated_cluster_is_recovered(tmp_path):
    """150 members among 1000 other stars (1 in 8), down to G = 18: complete and pure above 90 %."""
    member, truth = simulated_field(members=150, others=1000, seed=11)
    rng = np.random.default_rng(12)
    years = EPOCH - EPOCH_GAIA
    now_ra = truth["ra"] + truth["pmra"] / 3.6e6 * years / np.cos(np.radians(truth["dec"]))
    now_dec = truth["dec"] + truth["pmdec"] / 3.6e6 * years
    g_r, r = truth["g_r"], truth["phot_g_mean_mag"] - 0.3
    images = [
        sources(
            now_ra + rng.normal(0, 0.05, 1150) * ARCSEC / COS_DEC,
            mag + rng.normal(0, 0.02, 1150),
            dec=now_dec + rng.normal(0, 0.05, 1150) * ARCSEC,
        )
        for mag in (r + g_r, r)
    ]
    names = ("ra", "dec", "phot_g_mean_mag", "pmra", "pmra_error", "pmdec", "pmdec_error", "parallax_error")
    rows = archive_stars(
        **{name: truth[name] for name in names},
        parallax=truth["parallax"] - 0.017,
        r_med_geo=truth["distance"],
        r_lo_geo=truth["distance_lo"],
        r_hi_geo=truth["distance_hi"],
    )
    content = diagram(tmp_path, *images, rows=rows).content
    assert content["n_gaia_matched"] > 1100
    guess = content["membership_guess"]
    assert (guess["pmra"], guess["pmdec"]) == pytest.approx((-5, 3), abs=0.1)
    assert guess["parallax_min"] < 1.25 < guess["parallax_max"]
    assert guess["distance_min"] < 800 < guess["distance_max"]
    shown = [row for row in content["cmd"] if row["gaia_match"]]
    identities = [
        np.argmin(np.hypot(truth["parallax"] - row["parallax"], truth["pmra"] - row["pmra"])) for row in shown
    ]
    assert len(set(identities)) == len(identities)
    truly = member[identities]
    chosen = np.array([row["member"] for row in shown])
    assert np.count_nonzero(truly & chosen) / np.count_nonzero(member) > 0.9
    assert np.count_nonzero(truly & chosen) / np.count_nonzero(chosen) > 0.9
    assert content["n_members"] == np.count_nonzero(chosen)
    assert all((row["probability"] >= content["member_threshold"]) == row["member"] for row in shown)
    assert content["expected_purity"] > 0.9
    main_sequence = [abs(row["color"] - (0.2 + 0.15 * (row["mag"] + 0.3 - 11))) for row in shown if row["member"]]
    assert np.median(main_sequence) < 0.03


def starry(count=300, *, seed=1, spread_arcsec=600, colour=0.7):
    """Return catalogues of a blue and a red image of the same stars, and Gaia's rows of them."""
    rng = np.random.default_rng(seed)
    ra = CENTRE[0] + rng.uniform(-spread_arcsec, spread_arcsec, count) * ARCSEC / COS_DEC
    dec = CENTRE[1] + rng.uniform(-spread_arcsec, spread_arcsec, count) * ARCSEC
    red = rng.uniform(13, 18, count)
    blue = red + colour + rng.uniform(-0.5, 0.8, count)
    rows = archive_stars(
        ra=ra,
        dec=dec,
        pmra=np.zeros(count),
        pmdec=np.zeros(count),
        phot_g_mean_mag=red + 0.2,
        g_sdss_mag=blue,
        r_sdss_mag=red,
        **{
            f"{band}_sdss_{what}": np.full(count, value)
            for band in "gr"
            for what, value in (("flux", 1e3), ("flux_error", 10.0))
        },
    )
    return sources(ra, blue, dec=dec), sources(ra, red, dec=dec), rows


def moved(columns, *, east_arcsec=0.0, north_arcsec=0.0):
    return columns | {
        "ra": columns["ra"] + east_arcsec * ARCSEC / COS_DEC, "dec": columns["dec"] + north_arcsec * ARCSEC
    }  # fmt: skip


def brighter(columns, magnitudes):
    return columns | {"mag": columns["mag"] - magnitudes}


def test_how_many_stars_are_in_both_images_is_told(tmp_path):
    blue, red, rows = starry()
    content = diagram(tmp_path, blue, red, rows=rows).content
    assert (content["n_blue_stars"], content["n_red_stars"], content["n_stars_matched"]) == (300, 300, 300)
    assert content["notes"] == []
    few = {name: values[:100] for name, values in blue.items()}
    scattered = starry(200, seed=2)[0]
    mixed = {name: np.concatenate([few[name], scattered[name]]) for name in few}
    (note,) = diagram(tmp_path, mixed, red, rows=rows).content["notes"]
    assert note == "Only 100 of 296 stars were found in both blue and red."


@pytest.mark.parametrize("off", [{"east_arcsec": 3.0}, {"north_arcsec": -12.0, "east_arcsec": 20.0}])
def test_a_wcs_that_is_off_is_refused_with_how_much(tmp_path, off):
    blue, red, rows = starry()
    with pytest.raises(UsageError, match=r"The positions in blue and red disagree by (3\.0|23\.3) arcsec"):
        diagram(tmp_path, blue, moved(red, **off), rows=rows)


def test_a_turned_wcs_leaves_pairs_by_chance_and_is_refused(tmp_path):
    blue, red, rows = starry()
    turned = red | {"ra": 2 * CENTRE[0] - red["ra"], "dec": 2 * CENTRE[1] - red["dec"]}
    with pytest.raises(UsageError, match=r"no more than by chance|No stars matched"):
        diagram(tmp_path, blue, turned, rows=rows)


def test_images_both_off_gaia_are_matched_where_they_are_and_that_is_told(tmp_path):
    blue, red, rows = starry()
    content = diagram(tmp_path, moved(blue, north_arcsec=3.0), moved(red, north_arcsec=3.0), rows=rows).content
    assert content["n_gaia_matched"] == 300
    (note,) = content["notes"]
    assert note.startswith("The positions of the images are 3.0 arcsec off those of Gaia")


@pytest.mark.parametrize(("filters", "refusal"), [
    (("rp", "rp"), "Both images were taken in the filter rp"),
    (("rp", "gp"), "The blue image was taken in rp and the red image in gp, which is bluer: exchange the two."),
    (("V", "B"), "exchange the two"),
    (("I", "rp"), "exchange the two"),
])  # fmt: skip
def test_filters_in_the_wrong_order_are_refused(tmp_path, filters, refusal):
    files = [
        write_image(tmp_path / f"{number}.fits", name, columns)
        for number, (name, columns) in enumerate(zip(filters, (BLUE, RED), strict=True))
    ]
    with pytest.raises(UsageError, match=refusal):
        diagram(tmp_path, *files)


def test_the_same_image_twice_is_refused(tmp_path):
    file = write_image(tmp_path / "one.fits", "rp", RED)
    with pytest.raises(UsageError, match="one is given as both images"):
        diagram(tmp_path, file, file)
    renamed = write_image(tmp_path / "other.fits", "gp", RED)
    with pytest.raises(UsageError, match="it is the same image twice"):
        diagram(tmp_path, renamed, file)


def test_an_unknown_filter_is_noted(tmp_path):
    blue = write_image(tmp_path / "blue.fits", "Clear", BLUE)
    (note,) = diagram(tmp_path, blue, RED).content["notes"]
    assert note.startswith("blue states the filter Clear, which is not known here")


def test_images_whose_filters_are_exchanged_in_the_headers_are_refused(tmp_path):
    blue, red, rows = starry(colour=0.0)
    with pytest.raises(UsageError, match="The colours run against those Gaia has"):
        diagram(tmp_path, red, blue, rows=rows)


@pytest.mark.parametrize("with_gaia", [True, False])
@pytest.mark.parametrize(("instrumental", "named"), [("blue", "blue"), ("red", "red"), ("both", "red")])
def test_instrumental_magnitudes_are_refused(tmp_path, with_gaia, instrumental, named):
    blue, red, rows = starry()
    blue = brighter(blue, 25.0) if instrumental != "red" else blue
    red = brighter(red, 25.0) if instrumental != "blue" else red
    with pytest.raises(UsageError, match=f"The magnitudes of {named} are not calibrated"):
        diagram(tmp_path, blue, red, rows=rows if with_gaia else NO_GAIA)


def test_a_zero_point_that_is_off_is_noted_or_refused(tmp_path):
    blue, red, rows = starry()
    (note,) = diagram(tmp_path, brighter(blue, 0.5), red, rows=rows).content["notes"]
    assert note.startswith("The magnitudes of blue differ from Gaia's in gp by -0.50")
    with pytest.raises(
        UsageError, match=r"The magnitudes of red are not calibrated \(they differ from Gaia's by -4\.0\)"
    ):
        diagram(tmp_path, brighter(blue, 4.0), brighter(red, 4.0), rows={**rows, "g_sdss_mag": np.full(300, np.nan)})


@pytest.mark.parametrize(("given", "radius"), [(None, 15), ("", 15), (" ", 15), (0, 15), ("7.5", 7.5), (30, 30)])
def test_a_radius_nobody_filled_in_is_fifteen_arcminutes(tmp_path, given, radius):
    content = diagram(tmp_path, BLUE, RED, search_radius_arcmin=given).content
    assert content["cluster"]["radius_arcmin"] == radius


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"blue": None}, "The catalog of blue has no zero-point calibrated magnitudes"),
        (
            {"red": {name: RED[name] for name in ("ra", "dec", "mag")}},
            "The catalog of red has no zero-point calibrated",
        ),
        ({"red": RED | {"flag": np.ones(6)}}, "No calibrated sources found in the catalog of red."),
        ({"blue": sources([], [])}, "No calibrated sources found in the catalog of blue."),
        ({"blue": {name: BLUE[name] for name in ("mag", "magerr")}}, "The stars of blue cannot be placed on the sky"),
        ({"cluster": {"ra": 10.0, "dec": 20.0}}, "The cluster center is outside both image footprints"),
        ({"blue": sources([east(500)], [15.0])}, "No stars matched between the two bands"),
        (
            {"cluster": {"ra": east(-600), "dec": CENTRE[1]}, "search_radius_arcmin": 2.5},
            "No matched stars within 2.5 arcminutes",
        ),
    ],
)
def test_what_cannot_work_is_said(tmp_path, changes, refusal):
    catalogues = {"blue": BLUE, "red": RED} | {name: changes[name] for name in ("blue", "red") if name in changes}
    files = {
        name: write_image(tmp_path / f"{name}.fits", filter_name, catalogues[name])
        for name, filter_name in (("blue", "gp"), ("red", "rp"))
    }
    others = {name: value for name, value in changes.items() if name not in files}
    with pytest.raises(UsageError) as refused:
        diagram(tmp_path, files["blue"], files["red"], **others)
    assert refused.value.message.startswith(refusal)


def test_without_positions_and_wcs_nothing_can_be_done(tmp_path):
    red = write_image(tmp_path / "red.fits", "rp", {name: RED[name] for name in ("mag", "magerr")}, CTYPE1=None)
    with pytest.raises(UsageError, match="The catalog of red has no columns ra and dec, and its header no WCS"):
        diagram(tmp_path, BLUE, red)


def test_an_image_without_wcs_may_show_the_cluster(tmp_path):
    red = write_image(tmp_path / "red.fits", "rp", RED, CTYPE1=None, CTYPE2=None, CRVAL1=None)
    content = diagram(tmp_path, BLUE, red, cluster={"ra": CENTRE[0], "dec": CENTRE[1] + 0.27}, search_radius_arcmin=30)
    assert content.content["n_stars"] == 6


def test_without_gaia_it_is_tried_later_and_the_user_reads_why(tmp_path):
    def away(region):
        raise TransientError("the Gaia archive did not answer in time")

    with pytest.raises(TransientError) as failed:
        diagram(tmp_path, BLUE, RED, stars=away)
    assert failed.value.message == (
        "Could not fetch Gaia data for the cluster field: the Gaia archive did not answer in time"
    )


def test_the_wizard_asks_for_what_the_specification_says():
    inputs = HRDiagram.wizard()["inputs"]
    assert list(inputs) == ["blue_filter_files", "red_filter_files", "cluster", "search_radius_arcmin"]
    assert [inputs[key]["name"] for key in inputs] == [
        "Blue Band Image", "Red Band Image", "Cluster Center", "Search Radius (arcmin)",
    ]  # fmt: skip
    blue, red, cluster, radius = inputs.values()
    expected = {"type": "fits", "single_filter": True, "minimum": 1, "maximum": 1}
    assert blue.items() >= {**expected, "filter_options": ["gp"]}.items()
    assert red.items() >= {**expected, "filter_options": ["rp", "ip", "zs"]}.items()
    assert cluster["type"] == "source"
    assert (radius["type"], radius["default"]) == ("float", 15.0)


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"cluster": None}, "Operation HR Diagram requires a cluster center with ra and dec."),
        ({"cluster": {"ra": 10.0}}, "Operation HR Diagram requires a cluster center with ra and dec."),
        ({"cluster": {"ra": "x", "dec": 1}}, "Operation HR Diagram requires a cluster center with ra and dec."),
        ({"search_radius_arcmin": "wide"}, "The search radius must be a number of arcminutes."),
        ({"search_radius_arcmin": [15]}, "The search radius must be a number of arcminutes."),
        ({"search_radius_arcmin": -3}, "The search radius must be greater than zero arcminutes."),
        ({"search_radius_arcmin": 1e9}, "The search radius must be at most 90 arcminutes."),
    ],
)
def test_the_schema_refuses_in_words(changes, refusal):
    schema = HRDiagram.Parameters.model_json_schema()
    file = [{"source": "archive", "basename": "x"}]
    given = {"blue_filter_files": file, "red_filter_files": file, "cluster": CLUSTER}
    Draft202012Validator(schema).validate(given)
    (error,) = Draft202012Validator(schema).iter_errors(given | changes)
    texts = schema["properties"][error.absolute_path[0]]["x-refusals"]
    assert texts.get(error.validator, texts["*"]) == refusal


@pytest.mark.parametrize("radius", [float("nan"), float("inf")])
def test_a_radius_that_is_no_number_is_refused(radius):
    file = [{"source": "archive", "basename": "x"}]
    given = {"blue_filter_files": file, "red_filter_files": file, "cluster": CLUSTER, "search_radius_arcmin": radius}
    with pytest.raises(ValueError, match="search_radius_arcmin"):
        HRDiagram.Parameters.model_validate(given)
