"""What is measured in the viewer, compared with numpy, scipy and astropy on the same file."""

import csv
import io

import numpy as np
import pytest
from astropy.modeling.fitting import TRFLSQFitter
from astropy.modeling.functional_models import Moffat2D
from astropy.modeling.models import Const2D
from astropy.wcs.utils import proj_plane_pixel_scales
from playwright.async_api import expect
from scipy.ndimage import map_coordinates

from support.viewing import Look, a_frame, measured

expect.set_options(timeout=60_000)
#: As many digits as are shown.
SHOWN = 1e-6


@pytest.fixture(scope="module")
async def frame(lab):
    return await a_frame(lab[0])


async def test_a_box_has_the_statistics_of_its_pixels(visitor, lab, frame):
    look = await Look.at(await visitor(), lab[1], frame, 300, 250)
    await look.take("Box")
    # From within pixel (280, 240) to within (319, 269); which are rows and columns from 239 and 279 on.
    await look.drag((319.25, 239.75), (279.75, 269.25))
    facts = await measured(look.page)
    await expect(look.page.locator(".measured")).to_contain_text("280 \N{EN DASH} 319")
    await expect(look.page.locator(".measured")).to_contain_text("240 \N{EN DASH} 269")
    box = frame.pixels[239:269, 279:319].astype("f8")
    assert facts["Pixels"] == box.size
    assert_statistics(facts, box)


async def test_a_circle_has_the_statistics_of_the_pixels_within(visitor, lab, frame):
    x, y = map(round, frame.lone_star())
    look = await Look.at(await visitor(), lab[1], frame, x, y)
    await look.take("Circle")
    await look.drag((x, y), (x + 15.3, y))
    facts = await measured(look.page)
    assert (facts["Centre x px"], facts["Centre y px"]) == (x, y)
    row, column = np.indices(frame.pixels.shape)
    inside = frame.pixels[np.hypot(column + 1 - x, row + 1 - y) <= facts["Radius px"]].astype("f8")
    assert facts["Radius px"] == pytest.approx(15.3, abs=0.5)
    assert facts["Pixels"] == inside.size
    assert_statistics(facts, inside)


def assert_statistics(facts, pixels):
    expected = {
        "Mean": pixels.mean(),
        "Median": np.median(pixels),
        "Standard deviation": pixels.std(),
        "Minimum": pixels.min(),
        "Maximum": pixels.max(),
        "Sum": pixels.sum(),
    }
    assert {name: facts[name] for name in expected} == pytest.approx(expected, rel=SHOWN)


async def test_a_star_has_the_width_and_place_that_astropy_fits(visitor, lab, frame):
    x, y = frame.lone_star()
    look = await Look.at(await visitor(), lab[1], frame, round(x), round(y))
    await look.take("Star")
    await look.click(x + 1.5, y - 1)
    facts = await measured(look.page)
    left, bottom = round(x) - 15, round(y) - 15  # as FITS counts
    cut = frame.pixels[bottom - 1 : bottom + 30, left - 1 : left + 30].astype("f8")
    rows, columns = np.indices(cut.shape)
    sky = float(np.median(cut))
    start = Moffat2D(cut.max() - sky, x - left, y - bottom, 3, 3) + Const2D(sky)
    star = TRFLSQFitter()(start, columns, rows, cut)[0]
    assert facts["FWHM px"] == pytest.approx(star.fwhm, rel=0.03)
    assert (facts["x px"], facts["y px"]) == pytest.approx((star.x_0 + left, star.y_0 + bottom), abs=0.03)
    scale = np.sqrt(np.prod(proj_plane_pixel_scales(frame.wcs.celestial))) * 3600
    assert facts["FWHM \N{DOUBLE PRIME}"] == pytest.approx(facts["FWHM px"] * scale, rel=1e-5)
    assert_position(facts, frame)
    await expect(look.page.locator(".tool-panel .chart canvas")).to_be_visible()
    # What is drawn over the image lies on it, however high the panel beside it is.
    glass, stage = [await look.page.locator(each).bounding_box() for each in (".glass", ".stage")]
    assert glass == stage


async def test_a_centroid_is_where_the_catalogue_has_the_star(visitor, lab, frame):
    x, y = frame.lone_star()
    look = await Look.at(await visitor(), lab[1], frame, round(x), round(y))
    await look.take("Centroid")
    await look.click(x + 2, y + 2)
    facts = await measured(look.page)
    assert (facts["x px"], facts["y px"]) == pytest.approx((x, y), abs=0.2)
    assert_position(facts, frame)


def assert_position(facts, frame):
    """Compare with astropy, at the place that is told."""
    ra, dec = frame.wcs.pixel_to_world_values(facts["x px"] - 1, facts["y px"] - 1)
    told = facts["RA \N{DEGREE SIGN}"], facts["Dec \N{DEGREE SIGN}"]
    assert told == pytest.approx((float(ra), float(dec)), abs=2e-6)


async def test_a_line_profile_is_copied_as_numbers(visitor, lab, frame):
    x, y = map(round, frame.lone_star())
    page = await visitor(permissions=["clipboard-read", "clipboard-write"])
    look = await Look.at(page, lab[1], frame, x, y)
    await look.take("Line profile")
    await look.drag((x - 30, y - 20), (x + 40, y + 25))
    facts = await measured(page)
    await page.get_by_role("button", name="Copy plot as CSV").click()
    await expect(page.get_by_text("Copied.")).to_be_visible()
    rows = list(csv.DictReader(io.StringIO(await page.evaluate("navigator.clipboard.readText()"))))
    columns = {name: np.array([float(row[name]) for row in rows]) for name in ("distance_px", "x", "y", "value")}
    assert (columns["x"][0], columns["y"][-1]) == pytest.approx((x - 30, y + 25), abs=0.5)
    assert columns["distance_px"][-1] == pytest.approx(facts["Length px"], rel=SHOWN)
    truth = map_coordinates(frame.pixels.astype("f8"), [columns["y"] - 1, columns["x"] - 1], order=1)
    np.testing.assert_allclose(columns["value"], truth, rtol=1e-9)
    assert facts["Highest"] == pytest.approx(truth.max(), rel=SHOWN)


async def test_a_line_that_leaves_the_image_ends_at_its_rim(visitor, lab, frame):
    page = await visitor(permissions=["clipboard-read", "clipboard-write"])
    look = await Look.at(page, lab[1], frame, 20, 200)
    await look.take("Line profile")
    await look.drag((30, 200), (-40, 200))
    facts = await measured(page)
    assert facts["Length px"] == pytest.approx(29, abs=0.5)
    await page.get_by_role("button", name="Copy plot as CSV").click()
    await expect(page.get_by_text("Copied.")).to_be_visible()
    *_, last, _ = (await page.evaluate("navigator.clipboard.readText()")).split("\r\n")
    _, x, _, value = map(float, last.split(","))
    assert x == 1
    assert value == pytest.approx(
        frame.pixels[199, 0], abs=0.5 * abs(float(frame.pixels[198, 0]) - frame.pixels[200, 0]) + 30
    )


async def test_what_is_no_star_and_what_is_no_image_is_refused(visitor, lab, frame):
    look = await Look.at(await visitor(), lab[1], frame, 1, 200)
    refusal = look.page.locator(".tool-panel").get_by_role("alert")
    for tool in ("Star", "Centroid"):
        await look.take(tool)
        await look.click(-30, 200)
        await expect(refusal).to_have_text("There is nothing of the image there.")
    for tool in ("Line profile", "Box"):
        await look.take(tool)
        await expect(refusal).to_have_count(0)
        await look.drag((-40, 180), (-20, 200))
        await expect(refusal).to_have_text("There is nothing of the image there.")
    await look.take("Circle")
    await look.drag((-40, 180), (-30, 180))
    await expect(refusal).to_contain_text("no pixel with data")
    visitor.faults.clear()  # the browser tells of the refusal


async def test_sky_without_a_star_is_told(visitor, lab, frame):
    rows, columns = frame.pixels.shape
    x, y = np.asarray(frame.catalogue["x"]), np.asarray(frame.catalogue["y"])
    rng = np.random.default_rng(1)
    places = rng.uniform((60, 60), (columns - 60, rows - 60), (500, 2))
    empty_x, empty_y = max(places.round(), key=lambda place: np.hypot(x - place[0], y - place[1]).min())
    look = await Look.at(await visitor(), lab[1], frame, int(empty_x), int(empty_y))
    await look.take("Star")
    await look.click(empty_x, empty_y)
    await expect(look.page.locator(".tool-panel").get_by_role("alert")).to_contain_text("star")
    await expect(look.page.locator(".measured")).to_have_count(0)
    visitor.faults.clear()  # the browser tells of the refusal


async def test_keys_measure_without_a_pointer(visitor, lab, frame):
    x, y = map(round, frame.lone_star())
    page = await visitor()
    await Look.at(page, lab[1], frame, x, y)
    await page.locator(".stage canvas").focus()
    await page.keyboard.press("r")
    await page.keyboard.press("Enter")
    facts = await measured(page)
    assert (facts["x px"], facts["y px"]) == pytest.approx((x, y), abs=1.5)
    await page.keyboard.press("l")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("press Enter again")).to_be_visible()
    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("Enter")
    assert (await measured(page))["Length px"] == pytest.approx(32)
    # Where keys have led to is said to who does not see it.
    await expect(page.get_by_role("status", name="Middle of the view")).to_contain_text(
        f"x {x + 32:.1f}, y {y:.1f}, value"
    )
    await page.keyboard.press("Escape")
    await expect(page.locator(".measured")).to_have_count(0)
    await expect(page.get_by_role("button", name="Move", exact=True)).to_have_attribute("aria-pressed", "true")
