"""Plate Solving, on frames of the simulated observatory whose true world coordinates are known."""

import shutil

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS, Sip

from datalab.astro.sky.index_building import build_index
from datalab.astro.sky.sky_index import IndexStars, SkyIndex
from datalab.astro.sky.wcs import read_wcs
from datalab.astro.sky.wcs_header import with_wcs
from datalab.simulation.camera import Camera
from datalab.simulation.observatory import NightPlan, SimulatedObservatory
from operation_runner.operations.plate_solving import PlateSolving
from operation_runner.sdk import TransientError, UsageError
from operation_runner.stars.sky_indexes import BUNDLED_NAME
from support.operations import run
from support.runner import input_file, job

SHAPE = (300, 400)
PLAN = NightPlan(n_exposures=1)
OBSERVATORY = SimulatedObservatory(camera=Camera(rows=SHAPE[0], columns=SHAPE[1]))
SKY = OBSERVATORY.demonstration_field(PLAN.evening)
SKY_RA_DEG = np.array([star.ra_deg for star in SKY.stars])
SKY_DEC_DEG = np.array([star.dec_deg for star in SKY.stars])
SKY_MAGNITUDE = np.array([star.magnitude for star in SKY.stars])
#: All stars move alike: enough to spoil the solution if nobody took it into account in the ten years since 2016.2.
PROPER_MOTION_MAS = 200.0
POSITION_CARDS = ["RA", "DEC", "OBJCTRA", "OBJCTDEC", "CRVAL1", "CRVAL2"]


@pytest.fixture(scope="module")
def exposure():
    return next(iter(OBSERVATORY.exposures(PLAN)))


class Gaia:
    """Answers with the stars of the simulated sky as Gaia lists them, and remembers what was asked."""

    def __init__(self):
        self.regions = []
        self.ra_deg, self.dec_deg, self.magnitude = SKY_RA_DEG, SKY_DEC_DEG.copy(), SKY_MAGNITUDE

    def __call__(self, region):
        self.regions.append(region)
        there = SkyCoord(self.ra_deg, self.dec_deg, unit="deg")
        near = there.separation(SkyCoord(region.ra_deg, region.dec_deg, unit="deg")).deg <= region.radius_deg
        rows = np.flatnonzero(near)[np.argsort(self.magnitude[near])]
        moved_deg = 10.2 * PROPER_MOTION_MAS / 3.6e6
        return Table(
            {
                "ra": self.ra_deg[rows],
                "dec": self.dec_deg[rows] - moved_deg,
                "pmra": np.zeros(rows.size),
                "pmdec": np.full(rows.size, PROPER_MOTION_MAS),
                "ref_epoch": np.full(rows.size, 2016.0),
                "phot_g_mean_mag": self.magnitude[rows],
            }
        )


def wrong_wcs(exposure, *, off_px=(0.0, 0.0), rotation_deg=0.0, scale=1.0):
    """Return the true world coordinates with an error."""
    wcs = WCS(exposure.header)
    cosine, sine = np.cos(np.radians(rotation_deg)), np.sin(np.radians(rotation_deg))
    wrong = wcs.deepcopy()
    wrong.wcs.cd = scale * wcs.wcs.cd @ [[cosine, -sine], [sine, cosine]]
    wrong.wcs.crpix = wcs.wcs.crpix + off_px
    wrong.wcs.set()
    return wrong


def write(path, exposure, *, wcs=None, without=(), catalogue=True, pixels=None, name=None):
    header = exposure.header.copy() if wcs is None else with_wcs(exposure.header, wcs, SHAPE)
    for keyword in without:
        header.remove(keyword, ignore_missing=True)
    hdus = [
        fits.PrimaryHDU(),
        fits.ImageHDU(exposure.pixels if pixels is None else pixels, header, name="SCI"),
    ]
    if catalogue:
        hdus.append(fits.BinTableHDU(exposure.catalogue, name="CAT"))
    target = path / f"{name or 'frame'}.fits"
    fits.HDUList(hdus).writeto(target)
    return target


class SilentStars:
    """Stands for a runner that reaches no archive."""

    async def fetch(self, region, target):
        raise TransientError("the Gaia archive could not be reached")


def solve(paths, folder, gaia=None, *, indexes=(), **parameters):
    gaia = gaia or Gaia()
    return run(
        PlateSolving(),
        {"input_files": paths} | parameters,
        work_dir=folder / "work",
        stars=gaia,
        sky_indexes=lambda: indexes,
    )


def error_arcsec(made, exposure, number=0):
    """Return how wrong the world coordinates of a product are in the worst corner."""
    x, y = np.array([0, SHAPE[1], 0, SHAPE[1]]), np.array([0, 0, SHAPE[0], SHAPE[0]])
    found = WCS(fits.getheader(made.fits(number), "SCI")).pixel_to_world(x, y)
    return WCS(exposure.header).pixel_to_world(x, y).separation(found).arcsec.max()


@pytest.mark.parametrize("catalogue", [True, False])
@pytest.mark.parametrize(
    "wrong",
    [{"off_px": (150.0, -110.0), "scale": 1.04}, {"rotation_deg": 140.0, "off_px": (-40.0, 60.0)}],
)
def test_wrong_world_coordinates_are_put_right(tmp_path, exposure, wrong, catalogue):
    path = write(tmp_path, exposure, wcs=wrong_wcs(exposure, **wrong), catalogue=catalogue)
    made = solve([path], tmp_path)
    assert error_arcsec(made, exposure) < 0.1
    header = fits.getheader(made.fits(), "SCI")
    assert header["WCSERR"] == 0
    assert header["WCSRFCAT"] == "Gaia DR3"
    assert header["WCSMATCH"] > 40
    assert 0 < header["WCSRMS"] < 0.3
    assert header["FILTER"] == "rp"
    assert (
        f"Datalab Plate Solving on frame: {header['WCSMATCH']} stars of Gaia DR3, rms {header['WCSRMS']:.3f} arcsec"
        in str(fits.getheader(made.fits())["COMMENT"]).replace("\n", "")
    )
    np.testing.assert_array_equal(fits.getdata(made.fits(), "SCI"), exposure.pixels)


def test_the_catalogue_gets_true_positions(tmp_path, exposure):
    catalogue = exposure.catalogue.copy()
    path = write(tmp_path, exposure, wcs=wrong_wcs(exposure, off_px=(100, 50)))
    with fits.open(path, mode="update") as hdus:
        hdus["CAT"].data["ra"] += 1.0
    table = Table.read(solve([path], tmp_path).fits(), hdu="CAT")
    found = SkyCoord(table["ra"], table["dec"], unit="deg")
    assert found.separation(SkyCoord(catalogue["ra"], catalogue["dec"], unit="deg")).arcsec.max() < 0.1
    np.testing.assert_array_equal(table["flux"], catalogue["flux"])


def test_a_frame_without_catalogue_gets_one(tmp_path, exposure):
    table = Table.read(solve([write(tmp_path, exposure, catalogue=False)], tmp_path).fits(), hdu="CAT")
    assert len(table) > 60
    assert {"x", "y", "flux", "ra", "dec"} <= set(table.colnames)


def test_pointing_and_nominal_scale_are_enough(tmp_path, exposure):
    without = [keyword for keyword in exposure.header if keyword.startswith(("CTYPE", "CRVAL", "CRPIX", "CD"))]
    turned = np.ascontiguousarray(np.rot90(exposure.pixels))
    path = write(tmp_path, exposure, without=without, catalogue=False, pixels=turned)
    made = solve([path], tmp_path)
    found = WCS(fits.getheader(made.fits(), "SCI"))
    # rot90 puts row y, column x into row columns - 1 - x, column y
    x, y = np.array([0.0, 399.0, 120.0]), np.array([0.0, 20.0, 299.0])
    expected = WCS(exposure.header).pixel_to_world(x, y)
    assert expected.separation(found.pixel_to_world(y, SHAPE[1] - 1 - x)).arcsec.max() < 0.1


def test_the_user_may_know_better_than_the_header(tmp_path, exposure):
    wrong = wrong_wcs(exposure, scale=3.0)
    wrong.wcs.crval = [10.0, -70.0]
    path = write(tmp_path, exposure, wcs=wrong)
    gaia = Gaia()
    source = {"name": "the field", "ra": SKY.centre_ra_deg, "dec": SKY.centre_dec_deg}
    made = solve([path], tmp_path, gaia, source=source, pixel_scale=0.76)
    assert error_arcsec(made, exposure) < 0.1
    assert len(gaia.regions) == 1


def test_an_unknown_scale_is_searched(tmp_path, exposure):
    without = [keyword for keyword in exposure.header if keyword.startswith(("CTYPE", "CRVAL", "CRPIX", "CD"))]
    gaia = Gaia()
    made = solve([write(tmp_path, exposure, without=[*without, "PIXSCALE"])], tmp_path, gaia)
    assert error_arcsec(made, exposure) < 0.1
    assert gaia.regions[0].radius_deg >= 1.0


def test_frames_of_one_field_ask_gaia_once(tmp_path, exposure):
    paths = [write(tmp_path, exposure, wcs=wrong_wcs(exposure, off_px=(off, 0)), name=f"f{off}") for off in (0, 1, 2)]
    gaia = Gaia()
    made = solve(paths, tmp_path, gaia)
    assert len(made.products) == 3
    assert len(gaia.regions) == 1
    assert all(error_arcsec(made, exposure, number) < 0.1 for number in range(3))
    fractions = [fraction for fraction, _ in made.progress]
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1)


def test_a_frame_of_another_field_is_named(tmp_path, exposure):
    path = write(tmp_path, exposure)
    gaia = Gaia()
    gaia.dec_deg = np.random.default_rng(1).permutation(gaia.dec_deg)
    with pytest.raises(
        UsageError,
        match=r"No world coordinates were found for frame: no position, angle and scale brings the \d+ stars .* It was "
        r'looked for around 172\.\d+ \+24\.\d+ with a pixel scale that is 0\.74"; give a better',
    ):
        solve([path], tmp_path, gaia)


def test_a_frame_without_stars_is_named(tmp_path, exposure):
    blank = np.random.default_rng(1).normal(200, 5, SHAPE).astype("f4")
    with pytest.raises(UsageError, match=r"for frame: only \d stars were found in it and 4 are needed"):
        solve([write(tmp_path, exposure, catalogue=False, pixels=blank)], tmp_path)


def test_a_header_without_position_asks_for_one(tmp_path, exposure):
    path = write(tmp_path, exposure, without=POSITION_CARDS)
    with pytest.raises(UsageError, match=r"The header of frame does not say where on the sky it was taken. Give the"):
        solve([path], tmp_path)


@pytest.fixture(scope="module")
def index(index_path):
    return SkyIndex.open(index_path)


@pytest.fixture(scope="module")
def index_path(tmp_path_factory):
    """Return the file of an index of the simulated field, dense enough for it, among stars of the rest of the sky."""
    rng = np.random.default_rng(8)
    gaia = Gaia()
    count = 20_000
    stars = IndexStars(
        ra_deg=np.concatenate([gaia.ra_deg, rng.uniform(0, 360, count)]),
        dec_deg=np.concatenate([gaia.dec_deg, np.degrees(np.arcsin(rng.uniform(-1, 1, count)))]),
        magnitude=np.concatenate([gaia.magnitude, rng.uniform(5, 10, count)]),
        pm_ra_mas_yr=np.zeros(gaia.ra_deg.size + count),
        pm_dec_mas_yr=np.zeros(gaia.ra_deg.size + count),
        epoch_yr=2016.0,
    )
    path = tmp_path_factory.mktemp("index") / "field.sky"
    build_index(path, [stars], least_field_deg=0.06, reference="simulated stars")
    return path


async def test_the_process_that_computes_opens_the_indexes(tmp_path, exposure, index_path, make_computer):
    folder = tmp_path / "indexes"
    folder.mkdir()
    shutil.copy(index_path, folder)
    (folder / BUNDLED_NAME).write_bytes(b"")  # in place of that of the real sky, which takes seconds to make
    computer = await make_computer(packages=["operation_runner.operations"], stars=SilentStars(), sky_index_dir=folder)
    path = write(tmp_path, exposure, without=POSITION_CARDS)
    file = input_file(path)
    work_dir = tmp_path / "work"
    work_dir.mkdir()
    parameters = {"input_files": [{"source": "archive", "basename": file.basename}]}
    places = {(file.source, file.basename): path}
    products = []
    await computer.compute(
        job("Plate Solving", parameters, work_dir=work_dir, files=[file], paths=places),
        on_progress=lambda *_: None,
        on_product=products.append,
    )
    (product,) = products
    assert fits.getheader(product.files["fits"].path, "SCI")["WCSRFCAT"] == "simulated stars"


def test_nobody_says_any_more_that_it_is_not_solved(tmp_path, exposure):
    path = write(tmp_path, exposure, wcs=wrong_wcs(exposure, off_px=(20, 20)))
    with fits.open(path, mode="update") as hdus:
        hdus["SCI"].header.update({"PLTSOLVD": False, "WCSERR": 4, "EPOCH": 2026.3, "LONGPOLE": 0.0})
    made = solve([path], tmp_path)
    header = fits.getheader(made.fits(), "SCI")
    assert (header["PLTSOLVD"], header["WCSERR"]) == (True, 0)
    reading = read_wcs(header, SHAPE)
    x, y = [0.0, SHAPE[1]], [0.0, SHAPE[0]]
    assert reading.wcs.pixel_to_world(x, y).separation(WCS(exposure.header).pixel_to_world(x, y)).arcsec.max() < 0.1
    assert reading.notes == ()


def test_a_header_without_position_is_found_on_the_whole_sky(tmp_path, exposure, index):
    path = write(tmp_path, exposure, without=[*POSITION_CARDS, "PIXSCALE"])
    made = solve([path], tmp_path, indexes=[index])
    assert error_arcsec(made, exposure) < 0.1
    header = fits.getheader(made.fits(), "SCI")
    assert header["WCSRFCAT"] == "Gaia DR3"
    assert "WCSRMS0" not in header
    assert "found on the whole sky (simulated stars)" in str(fits.getheader(made.fits())["COMMENT"]).replace("\n", "")


def test_a_wrong_position_is_no_obstacle(tmp_path, exposure, index):
    wrong = wrong_wcs(exposure)
    wrong.wcs.crval = [10.0, -70.0]
    gaia = Gaia()
    assert error_arcsec(solve([write(tmp_path, exposure, wcs=wrong)], tmp_path, gaia, indexes=[index]), exposure) < 0.1
    assert len(gaia.regions) == 2


def test_an_image_that_is_elsewhere_says_so(tmp_path, exposure, index):
    wrong = wrong_wcs(exposure)
    wrong.wcs.crval = [10.0, -70.0]
    (product,) = solve([write(tmp_path, exposure, wcs=wrong)], tmp_path, indexes=[index]).products
    assert any("degrees from where it was said to be" in note for note in product.notes)


def test_no_gaia_is_no_obstacle_either(tmp_path, exposure, index):
    """The index has stars enough for world coordinates, and says so."""

    asked = []

    def silent(region):
        asked.append(region)
        raise TransientError("the Gaia archive could not be reached")

    made = solve(
        [write(tmp_path, exposure, wcs=wrong_wcs(exposure, off_px=(20, 20)))], tmp_path, silent, indexes=[index]
    )
    assert error_arcsec(made, exposure) < 2.5  # the stars of the index have not moved since 2016
    assert fits.getheader(made.fits(), "SCI")["WCSRFCAT"] == "simulated stars"
    assert len(asked) == 1  # nobody waits for the archive twice
    with pytest.raises(TransientError, match="could not be reached"):
        solve([write(tmp_path, exposure, name="other")], tmp_path, silent)


def test_an_image_that_is_nowhere_says_where_it_was_looked_for(tmp_path, exposure, index):
    mixed = exposure.catalogue.copy()
    mixed["x"] = mixed["xwin"] = np.random.default_rng(3).uniform(1, SHAPE[1], len(mixed))
    path = write(tmp_path, exposure, without=POSITION_CARDS, catalogue=False)
    with fits.open(path, mode="append") as hdus:
        hdus.append(fits.BinTableHDU(mixed, name="CAT"))
    with pytest.raises(
        UsageError,
        match=r"Give the position of the field as source\. Its stars were not found on the whole sky either "
        r"\(simulated stars, for images of 0\.06 degrees and more\)\.",
    ):
        solve([path], tmp_path, indexes=[index])


def test_the_good_ones_are_delivered(tmp_path, exposure):
    """One that is blank, one without any position and one that is no image cost nobody else anything."""
    blank = np.full(SHAPE, 200.0, "f4")
    table_only = tmp_path / "table.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU(exposure.catalogue, name="CAT")]).writeto(table_only)
    made = solve(
        [
            write(tmp_path, exposure, name="blank", pixels=blank, catalogue=False),
            write(tmp_path, exposure, name="good", wcs=wrong_wcs(exposure, off_px=(30, 30))),
            table_only,
            write(tmp_path, exposure, name="nowhere", without=POSITION_CARDS),
        ],
        tmp_path,
    )
    (product,) = made.products
    assert error_arcsec(made, exposure) < 0.1
    assert [note.partition(":")[0] for note in product.notes] == ["table", "nowhere", "blank"]
    assert "blank: left out: No world coordinates were found for blank: only 0 stars" in product.notes[2]
    assert "nowhere: left out: The header of nowhere does not say" in product.notes[1]


def test_a_right_solution_with_distortion_stays_to_the_last_digit(tmp_path, exposure):
    true = WCS(exposure.header)
    rng = np.random.default_rng(4)
    distorted = true.deepcopy()
    a, b = np.zeros((2, 4, 4))
    a[3, 0] = a[1, 2] = b[0, 3] = b[2, 1] = 3.0 / 200**3
    distorted.sip = Sip(a, b, None, None, true.wcs.crpix)
    distorted.wcs.ctype = ["RA---TAN-SIP", "DEC--TAN-SIP"]
    x, y = distorted.all_world2pix(SKY_RA_DEG, SKY_DEC_DEG, 0)
    shown = np.flatnonzero((x > 0) & (y > 0) & (x < SHAPE[1] - 1) & (y < SHAPE[0] - 1))
    shown = shown[np.argsort(SKY_MAGNITUDE[shown])][:60]
    catalogue = Table({"x": x[shown] + 1 + rng.normal(0, 0.05, 60), "y": y[shown] + 1 + rng.normal(0, 0.05, 60)})
    catalogue["flux"] = 10 ** (-0.4 * (SKY_MAGNITUDE[shown] - 25))
    path = tmp_path / "distorted.fits"
    header = with_wcs(exposure.header, distorted, SHAPE)
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(exposure.pixels, header, name="SCI"), fits.table_to_hdu(catalogue)]
    hdus[2].name = "CAT"
    fits.HDUList(hdus).writeto(path)
    made = solve([path], tmp_path)
    found = fits.getheader(made.fits(), "SCI")
    assert found["A_3_0"] == header["A_3_0"]
    assert found["CRVAL1"] == header["CRVAL1"]
    assert found["WCSRMS0"] == found["WCSRMS"] < 0.1
    assert any("no fit to 60 stars is significantly better" in note for note in made.products[0].notes)
    assert "the world coordinates were kept" in str(fits.getheader(made.fits())["COMMENT"]).replace("\n", "")


def test_the_scale_of_another_binning_is_no_obstacle(tmp_path, exposure):
    (product,) = (made := solve([write(tmp_path, exposure, wcs=wrong_wcs(exposure, scale=0.5))], tmp_path)).products
    assert error_arcsec(made, exposure) < 0.1
    assert any("the pixels are 2 times as wide as they were said to be" in note for note in product.notes)


def test_hot_pixels_are_no_stars(tmp_path, exposure):
    rng = np.random.default_rng(5)
    pixels = exposure.pixels.copy()
    rows, columns = rng.integers(0, SHAPE[0], 400), rng.integers(0, SHAPE[1], 400)
    pixels[rows, columns] = np.clip(pixels[rows, columns] + rng.uniform(2_000, 30_000, 400), 0, 65_000)
    path = write(tmp_path, exposure, wcs=wrong_wcs(exposure, off_px=(60, -40)), pixels=pixels, catalogue=False)
    assert error_arcsec(solve([path], tmp_path), exposure) < 0.1


def test_forms_do_not_wait_for_a_source():
    described = PlateSolving.wizard()["inputs"]
    assert list(described) == ["input_files", "pixel_scale"]
    assert described["pixel_scale"]["default"] == 0.0
