"""Plate Solving, on frames of the simulated observatory whose true world coordinates are known."""

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from datalab.astro.sky.wcs_header import with_wcs
from datalab.simulation.camera import Camera
from datalab.simulation.observatory import NightPlan, SimulatedObservatory
from operation_runner.operations.plate_solving import PlateSolving
from operation_runner.sdk import UsageError
from support.operations import run

SHAPE = (300, 400)
PLAN = NightPlan(n_exposures=1)
OBSERVATORY = SimulatedObservatory(camera=Camera(rows=SHAPE[0], columns=SHAPE[1]))
SKY = OBSERVATORY.demonstration_field(PLAN.evening)
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
        self.ra_deg = np.array([star.ra_deg for star in SKY.stars])
        self.dec_deg = np.array([star.dec_deg for star in SKY.stars])
        self.magnitude = np.array([star.magnitude for star in SKY.stars])

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


def solve(paths, folder, gaia=None, **parameters):
    gaia = gaia or Gaia()
    return run(PlateSolving(), {"input_files": paths} | parameters, work_dir=folder / "work", stars=gaia)


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


def test_forms_do_not_wait_for_a_source():
    described = PlateSolving.wizard()["inputs"]
    assert list(described) == ["input_files", "pixel_scale"]
    assert described["pixel_scale"]["default"] == 0.0
