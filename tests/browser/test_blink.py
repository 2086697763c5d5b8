"""Images over each other on the sky, on a real system in a real browser."""

import io

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from playwright.async_api import expect

#: A machine that is busy takes its time.
expect.set_options(timeout=60_000)
SIDE = 300
STAR = (202.48, 47.2)
#: How cameras lie on the sky: turned by degrees, mirrored or not, arcsec to a pixel, the star off the middle.
CAMERAS = {
    "straight": (0.0, 1, 2.0, (30, -20)),
    "flipped": (184.0, 1, 2.0, (-25, 35)),
    "mirrored": (40.0, -1, 2.5, (10, 40)),
    "coarse": (-75.0, 1, 3.5, (-15, -30)),
}
TARGET = "Blinked"
#: Where the light is on the canvas, in its pixels from the lower left: the middle of all that is bright.
LIGHT = """() => {
  const canvas = document.querySelector(".blink canvas");
  const gl = canvas.getContext("webgl2");
  const seen = new Uint8Array(4 * canvas.width * canvas.height);
  gl.readPixels(0, 0, canvas.width, canvas.height, gl.RGBA, gl.UNSIGNED_BYTE, seen);
  let [x, y, all] = [0, 0, 0];
  for (let place = 0; place < seen.length; place += 4) {
    if (seen[place] < 250) continue;
    x += (place / 4) % canvas.width;
    y += Math.floor(place / 4 / canvas.width);
    all++;
  }
  return [x / all, y / all];
}"""


def a_frame(name, camera):
    """Return a FITS file with one star in a dark sky; `camera` None is one that does not know where it looks."""
    angle, flip, scale, (off_x, off_y) = camera or (0.0, 1, 2.0, (0, 0))
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    centre = SIDE / 2 + 0.5
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = STAR[0] + 0.01, STAR[1] - 0.01  # the star is not where the projections touch the sky
    wcs.wcs.crpix = centre + off_x, centre + off_y
    wcs.wcs.cd = np.array([[-cos * flip, sin], [sin * flip, cos]]) * scale / 3600
    x, y = (float(each) for each in wcs.all_world2pix(*STAR, 0))
    rows, columns = np.mgrid[:SIDE, :SIDE]
    sky = np.random.default_rng(5).normal(500, 5, (SIDE, SIDE))
    pixels = sky + 30_000 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * (4 / scale) ** 2))
    header = fits.Header({"OBJECT": TARGET, "DATE-OBS": "2026-03-14T01:00:00", "SITEID": "hom"})
    if camera is not None:
        header.update(wcs.to_header())
    file = io.BytesIO()
    fits.PrimaryHDU(pixels.astype(np.uint16), header).writeto(file)
    return {"name": f"blink-{name}.fits", "mimeType": "application/octet-stream", "buffer": file.getvalue()}


@pytest.fixture(scope="module")
async def names(lab, browser):
    """The frames of all cameras, and of one without coordinates, the latter last."""
    admin, _ = lab
    await admin.add_user("blinker")
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(await admin.login_link("blinker"))
    files = [a_frame(name, camera) for name, camera in {**CAMERAS, "blind": None}.items()]
    await page.get_by_label("Files to upload").set_input_files(files)
    await expect(page.locator(".sent .ingested")).to_have_count(len(files))
    await context.close()
    found = await admin.call("GET", "frames/", params={"target_name_exact": TARGET})
    by_file = {frame["filename"].partition(".")[0]: frame["basename"] for frame in found["results"]}
    return [next(name for file, name in by_file.items() if f"blink-{kind}" in file) for kind in (*CAMERAS, "blind")]


async def blinked(page, url, names):
    """Open a blink, and wait until all of it is here."""
    await page.goto(f"{url}#/blink/images/{','.join(names)}")
    await expect(page.get_by_text("all are here")).to_be_visible()


async def test_stars_stand_still_however_cameras_lie(visitor, lab, names):
    page = await visitor("blinker")
    await blinked(page, lab[1], names[: len(CAMERAS)])
    await expect(page.get_by_text(f"All {len(CAMERAS)} lie over each other on the sky")).to_be_visible()
    places = []
    for number, name in enumerate(names[: len(CAMERAS)], start=1):
        await expect(page.locator(".readout")).to_contain_text(f"{number} of {len(CAMERAS)}")
        await expect(page.locator(".readout")).to_contain_text(name)
        places.append(await page.evaluate(LIGHT))
        await page.keyboard.press("ArrowRight")
    await expect(page.locator(".readout")).to_contain_text(f"1 of {len(CAMERAS)}")  # around
    away = np.hypot(*(np.array(places) - places[0]).T)
    assert away.max() < 2.5  # pixels of the screen: fewer than a pixel of the coarsest camera has
    # They do so where somebody has gone to, too.
    await page.get_by_role("button", name="Zoom in").click()
    await expect(page.get_by_text("all are here")).to_be_visible()
    before = await page.evaluate(LIGHT)
    assert np.hypot(*(np.array(before) - places[0])) > 1
    await page.keyboard.press("ArrowRight")
    await expect(page.locator(".readout")).to_contain_text(names[1])
    assert np.hypot(*(np.array(await page.evaluate(LIGHT)) - before)) < 3.5


async def test_playing_asks_for_nothing(visitor, lab, names):
    page = await visitor("blinker")
    await blinked(page, lab[1], names)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    await page.get_by_role("slider", name="Speed").fill("20")
    await page.get_by_role("button", name="Play").click()
    for number in (2, 4, 1, 3):
        await expect(page.locator(".readout")).to_contain_text(f"{number} of {len(names)}")
    await page.get_by_label("Stretch").select_option("asinh")
    await page.get_by_label("Whose limits").select_option("each image itself")
    await page.get_by_role("button", name="Pause").click()
    shown = await page.locator(".readout").inner_text()
    await page.keyboard.press("ArrowUp")
    await expect(page.get_by_text("21 / s")).to_be_visible()
    assert await page.locator(".readout").inner_text() == shown
    assert [url for url in asked if "/analysis/" in url] == []


async def test_what_has_no_coordinates_is_said(visitor, lab, names):
    page = await visitor("blinker")
    await blinked(page, lab[1], names)
    await expect(page.get_by_text(f"{len(CAMERAS)} of {len(names)} lie over each other on the sky")).to_be_visible()
    await expect(page.get_by_text("has no coordinates (WCS): it lies by its pixels")).to_be_visible()
    await page.get_by_role("button", name=names[-1]).click()
    await expect(page.locator(".readout")).to_contain_text(f"{len(names)} of {len(names)}")
    await blinked(page, lab[1], [names[-1]])
    await expect(page.get_by_text("None has coordinates")).to_be_visible()
    await expect(page.get_by_role("button", name="Play")).to_be_disabled()


async def test_what_is_not_there_is_left_out_and_named(visitor, lab, names):
    page = await visitor("blinker")
    await blinked(page, lab[1], [names[0], "no-such-frame", names[1], names[0]])
    await expect(page.get_by_text("no-such-frame is left out")).to_be_visible()
    await expect(page.locator(".readout")).to_contain_text("1 of 2")
    visitor.faults[:] = [fault for fault in visitor.faults if "400" not in fault]  # the browser's own word for it
    await page.goto(f"{lab[1]}#/blink/images/")
    await expect(page.get_by_text("There is no such screen")).to_be_visible()


async def test_images_of_a_session_are_chosen(visitor, lab, names):
    admin, url = lab
    blinker = admin.as_user(await admin.add_token("blinker"))
    async with blinker:
        session = await blinker.add_session("To blink", [{"basename": name, "source": "archive"} for name in names])
    page = await visitor("blinker")
    await page.goto(f"{url}#/blink/session/{session['id']}")
    boxes = page.get_by_role("checkbox")
    await expect(boxes).to_have_count(len(names))
    await page.get_by_role("button", name="None").click()
    await expect(page.get_by_role("button", name="Blink 0")).to_be_disabled()
    await boxes.nth(0).check()
    await boxes.nth(2).check()
    await page.get_by_role("button", name="Blink 2").click()
    await expect(page.get_by_text("all are here")).to_be_visible()
    await expect(page.locator(".readout")).to_contain_text("1 of 2")
