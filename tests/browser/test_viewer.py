"""One image, as it is looked at, on a real system in a real browser; astropy has the truth."""

import io
import re

import numpy as np
import pytest
from astropy.io import fits
from astropy.stats import gaussian_sigma_to_fwhm
from astropy.wcs.utils import proj_plane_pixel_scales
from playwright.async_api import expect

from support.viewing import NO_VALUE, SCALE, Look, a_frame, measured, opened

#: A machine that is busy takes its time.
expect.set_options(timeout=60_000)
#: Returns how many pixels something is drawn on.
INKED = """canvas => {
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    return pixels.filter((alpha, place) => place % 4 === 3 && alpha > 0).length;
}"""
#: Returns whether anything is drawn near a place, in CSS pixels from the middle, to the right and up.
INKED_AT = """(canvas, [right, up]) => {
    const pixels = canvas.getContext("2d");
    const near = pixels.getImageData(canvas.width / 2 + right - 1, canvas.height / 2 - up - 1, 3, 3).data;
    return near.some((alpha, place) => place % 4 === 3 && alpha > 100);
}"""
#: The rings around sources have a radius of 7 pixels: so far to the right, and so far up.
RING_PX = 7 / np.sqrt(2)
#: Returns a number that tells pictures apart.
PICTURE = """canvas => {
    const copy = document.createElement("canvas");
    [copy.width, copy.height] = [canvas.width, canvas.height];
    const drawn = copy.getContext("2d");
    drawn.drawImage(canvas, 0, 0);
    const levels = drawn.getImageData(0, 0, copy.width, copy.height).data;
    return levels.reduce((sum, level) => (sum * 31 + level) % 1000003, 0);
}"""


async def is_inked(canvas, place, *, wanted=True):
    """Wait until there is something at a place of an overlay, or nothing: it is drawn with the frame after the news."""
    await canvas.page.wait_for_function(
        f"([canvas, place, wanted]) => Boolean(({INKED_AT})(canvas, place)) === wanted",
        arg=[await canvas.element_handle(), place, wanted],
    )


async def has_ink(canvas, condition):
    """Wait until the inked pixels of an overlay are so many."""
    await canvas.page.wait_for_function(f"canvas => ({INKED})(canvas) {condition}", arg=await canvas.element_handle())


@pytest.fixture(scope="module")
async def frame(lab):
    return await a_frame(lab[0])


async def test_an_address_with_a_position_shows_it_in_the_middle(visitor, lab, frame):
    page = await visitor()
    rows, columns = frame.pixels.shape
    x, y = columns // 3, rows // 4
    ra, dec = frame.wcs.pixel_to_world_values(x - 1, y - 1)
    readout = await opened(page, lab[1], f"archive/{frame.basename}?ra={ra}&dec={dec}")
    await expect(readout).to_contain_text(f"x {x:.1f}, y {y:.1f}")
    await expect(readout).to_contain_text("200 %")
    await expect(readout).to_contain_text(f"value {frame.pixels[y - 1, x - 1]:g}")
    # Another place of the same image, by its pixel.
    await page.goto(f"{lab[1]}#/image/archive/{frame.basename}?x=30.5&y=40")
    await expect(readout).to_contain_text("x 30.5, y 40.0")


async def test_an_address_with_a_position_elsewhere_says_so(visitor, lab, frame):
    page = await visitor()
    away = -frame.header["CRVAL2"]
    await opened(page, lab[1], f"archive/{frame.basename}?ra={frame.header['CRVAL1']}&dec={away}")
    await expect(page.get_by_text("outside of this image")).to_be_visible()
    await page.goto(f"{lab[1]}#/image/archive/nothing-of-this-name")
    await expect(page.get_by_role("alert").filter(has_text="nothing-of-this-name")).to_be_visible()
    visitor.faults.clear()  # the browser tells of the refusal


async def test_another_stretch_asks_for_nothing(visitor, lab, frame):
    page = await visitor()
    await opened(page, lab[1], f"archive/{frame.basename}")
    # The histogram is the last thing that is asked for.
    await expect(page.locator(".histogram path")).to_have_attribute("d", re.compile("L"))
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    canvas = page.locator(".stage canvas")
    pictures = [await canvas.evaluate(PICTURE)]

    async def seen_anew():
        await page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        pictures.append(await canvas.evaluate(PICTURE))

    for stretch in ("sqrt", "asinh", "log"):
        await page.get_by_label("Stretch").select_option(stretch)
        await seen_anew()
    for limits in ("90 %", "98 %", "99.8 %"):
        await page.get_by_role("button", name=limits, exact=True).click()
        await seen_anew()
    for colours in ("viridis", "inferno"):
        await page.get_by_label("Colours").select_option(colours)
        await seen_anew()
    black = page.get_by_label("Black", exact=True)
    before = float(await black.input_value())
    await page.get_by_label("Black, slider").press("PageUp")
    await expect(black).not_to_have_value(str(before))
    assert float(await black.input_value()) > before
    await seen_anew()
    await page.get_by_label("White", exact=True).fill("5000")
    await page.get_by_label("White", exact=True).press("Enter")
    await seen_anew()
    assert len(set(pictures)) == len(pictures)
    assert [url for url in asked if "/analysis/" in url] == []
    # Black above white is no limit.
    await black.fill("6000")
    await black.press("Enter")
    await seen_anew()
    assert pictures[-1] == pictures[-2]


async def test_the_histogram_is_dragged(visitor, lab, frame):
    page = await visitor()
    await opened(page, lab[1], f"archive/{frame.basename}")
    white = page.get_by_label("White", exact=True)
    before = float(await white.input_value())
    box = await page.locator(".histogram").bounding_box()
    part = await page.get_by_label("White, slider").evaluate(
        "slider => (slider.value - slider.min) / (slider.max - slider.min)"
    )
    x, y = box["x"] + part * box["width"], box["y"] + box["height"] / 2
    await page.mouse.move(x, y)
    await page.mouse.down()
    await page.mouse.move(x + 30, y, steps=3)
    await page.mouse.up()
    await expect(white).not_to_have_value(f"{before:.7g}")
    assert float(await white.input_value()) > before


async def test_sources_lie_on_the_stars_of_the_catalogue(visitor, lab, frame):
    x, y = frame.lone_star()
    page = await visitor()
    await Look.at(page, lab[1], frame, round(x), round(y))
    glass = page.locator(".glass")
    # Up and to the right of the star, where its ring is; the cross that marks the place is not there.
    on_ring = [(x - round(x)) * SCALE + RING_PX, (y - round(y)) * SCALE + RING_PX]
    await is_inked(glass, on_ring, wanted=False)
    await page.locator(".stage canvas").focus()
    await page.keyboard.press("s")
    await expect(page.get_by_text(f"{len(frame.catalogue)} sources.")).to_be_visible()
    await is_inked(glass, on_ring)
    await page.keyboard.press("s")
    await expect(page.get_by_text("sources.")).to_have_count(0)
    await is_inked(glass, on_ring, wanted=False)


async def test_twenty_thousand_sources_are_shown(visitor, lab, frame):
    rows, columns = frame.pixels.shape
    places = np.random.default_rng(5).uniform(1, min(rows, columns), (20_000, 2))
    page = await visitor()
    await page.route(
        "**/analysis/source-catalog/", lambda route: route.fulfill(json=[{"x": x, "y": y} for x, y in places])
    )
    await opened(page, lab[1], f"archive/{frame.basename}")
    await page.get_by_role("button", name="Sources").click()
    await expect(page.get_by_text("The first 20000 sources.")).to_be_visible()
    await has_ink(page.locator(".glass"), "> 10000")


async def test_the_grid_comes_and_goes_and_keys_are_explained(visitor, lab, frame):
    page = await visitor()
    await opened(page, lab[1], f"archive/{frame.basename}")
    glass = page.locator(".glass")
    await has_ink(glass, "=== 0")
    await page.locator(".stage canvas").focus()
    await page.keyboard.press("g")
    await expect(page.get_by_role("button", name="Grid")).to_have_attribute("aria-pressed", "true")
    await has_ink(glass, "> 1000")
    await page.keyboard.press("g")
    await expect(page.get_by_role("button", name="Grid")).to_have_attribute("aria-pressed", "false")
    await has_ink(glass, "=== 0")
    await page.keyboard.press("n")
    await expect(page.locator(".marks")).to_have_count(0)
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keys of the image")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)


async def test_apertures_of_the_address_lie_around_the_place(visitor, lab, frame):
    x, y = map(round, frame.lone_star())
    scale = np.sqrt(np.prod(proj_plane_pixel_scales(frame.wcs.celestial))) * 3600
    page = await visitor()
    place = f"archive/{frame.basename}?x={x}&y={y}&radius={20 * scale}&inner={30 * scale}&outer={40 * scale}"
    readout = await opened(page, lab[1], place)
    await expect(readout).to_contain_text(f"x {x:.1f}, y {y:.1f}")
    glass = page.locator(".glass")
    for radius, there in ((20, True), (25, False), (30, True), (40, True), (50, False)):
        away = radius * SCALE / np.sqrt(2)
        await is_inked(glass, [away, away], wanted=there)
    await page.get_by_role("button", name="Apertures").click()
    await is_inked(glass, [20 * SCALE / np.sqrt(2)] * 2, wanted=False)


async def test_an_image_without_world_coordinates_and_catalogue_says_so(visitor, lab):
    admin, url = lab
    await admin.add_user("without")
    page = await visitor("without")
    pixels = np.random.default_rng(8).normal(1000, 10, (300, 400)).astype("f4")
    row, column = np.indices(pixels.shape)
    pixels += 5000 * np.exp(-((row - 140) ** 2 + (column - 210) ** 2) / 2 / 2.0**2).astype("f4")
    file = io.BytesIO()
    header = fits.Header({"OBJECT": "Nowhere", "DATE-OBS": "2026-03-15T02:00:00", "SITEID": "hom"})
    fits.PrimaryHDU(pixels, header).writeto(file)
    sent = {"name": "nowhere.fits", "mimeType": "application/octet-stream", "buffer": file.getvalue()}
    await page.get_by_label("Files to upload").set_input_files([sent])
    await page.locator(".sent .ingested").get_by_role("link").click()
    readout = page.locator(".readout")
    await expect(readout).not_to_contain_text(NO_VALUE)
    basename = page.url.rpartition("/")[2]
    await expect(readout).not_to_contain_text("\N{DEGREE SIGN}")
    await expect(page.locator(".marks")).to_have_count(0)
    await page.get_by_role("button", name="Grid").click()
    await expect(page.get_by_text("No world coordinates: no grid.")).to_be_visible()
    await page.get_by_role("button", name="Sources").click()
    await expect(page.get_by_text("no catalogue of sources")).to_be_visible()
    await page.goto(f"{url}#/image/archive/{basename}?x=211&y=141")
    await expect(readout).to_contain_text("x 211.0, y 141.0")
    await Look(page, 211, 141).take("Star")
    await Look(page, 211, 141).click(212, 142)
    facts = await measured(page)
    assert facts["FWHM px"] == pytest.approx(2.0 * gaussian_sigma_to_fwhm, rel=0.02)
    assert (facts["x px"], facts["y px"]) == pytest.approx((211, 141), abs=0.02)
    assert not {"FWHM \N{DOUBLE PRIME}", "RA \N{DEGREE SIGN}", "Position"} & facts.keys()
    # A position on the sky is no place of such an image.
    await page.goto(f"{url}#/image/archive/{basename}?ra=10&dec=10")
    await expect(page.get_by_text("no world coordinates", exact=False).first).to_be_visible()


async def test_a_phone_measures_by_a_tap_without_scrolling_sideways(visitor, lab, frame):
    x, y = map(round, frame.lone_star())
    page = await visitor(is_mobile=True, has_touch=True, device_scale_factor=2)
    await page.set_viewport_size({"width": 390, "height": 800})
    readout = await opened(page, lab[1], f"archive/{frame.basename}?x={x}&y={y}")
    await expect(readout).to_contain_text(f"x {x:.1f}, y {y:.1f}")
    await page.get_by_role("button", name="Star").tap()
    await page.locator(".stage canvas").tap()
    facts = await measured(page)
    assert (facts["x px"], facts["y px"]) == pytest.approx((x, y), abs=1.5)
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390
