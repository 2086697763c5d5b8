"""One image, as it is looked at, on a real system in a real browser; astropy has the truth."""

import io
import re

import pytest
from astropy.io import fits
from astropy.wcs import WCS
from playwright.async_api import expect

#: A machine that is busy takes its time.
expect.set_options(timeout=60_000)
#: What is shown of a pixel that is not here yet.
NO_VALUE = "value \N{EN DASH}"


@pytest.fixture
async def frame(lab):
    """A frame of the demonstration: its name, and its file."""
    admin, _ = lab
    found = (await admin.call("GET", "frames/", params={"limit": 1}))["results"][0]
    with fits.open(io.BytesIO(await admin.download(found["url"]))) as file:
        yield found["basename"], next(hdu for hdu in file if hdu.data is not None and hdu.data.ndim == 2)


async def opened(page, url, address):
    """Open an image by its address; return what tells of the pointer, once there is a value."""
    await page.goto(f"{url}#/image/{address}")
    await expect(page.locator(".stage canvas")).to_be_visible()
    readout = page.locator(".readout")
    await expect(readout).not_to_contain_text(NO_VALUE)
    return readout


async def place_in(readout):
    """Return x and y as they are shown, counted as FITS counts."""
    return tuple(map(float, re.search(r"x (-?[\d.]+), y (-?[\d.]+)", await readout.inner_text()).groups()))


async def test_an_address_with_a_position_shows_it_in_the_middle(visitor, lab, frame):
    basename, hdu = frame
    page = await visitor()
    rows, columns = hdu.data.shape
    x, y = columns // 3, rows // 4
    ra, dec = WCS(hdu.header).pixel_to_world_values(x - 1, y - 1)
    readout = await opened(page, lab[1], f"archive/{basename}?ra={ra}&dec={dec}")
    await expect(readout).to_contain_text(f"x {x:.1f}, y {y:.1f}")
    await expect(readout).to_contain_text("200 %")
    await expect(readout).to_contain_text(f"value {hdu.data[y - 1, x - 1]:g}")
    # Another place of the same image, by its pixel.
    await page.goto(f"{lab[1]}#/image/archive/{basename}?x=30.5&y=40")
    await expect(readout).to_contain_text("x 30.5, y 40.0")


async def test_an_address_with_a_position_elsewhere_says_so(visitor, lab, frame):
    basename, hdu = frame
    page = await visitor()
    away = -hdu.header["CRVAL2"]
    await opened(page, lab[1], f"archive/{basename}?ra={hdu.header['CRVAL1']}&dec={away}")
    await expect(page.get_by_text("outside of this image")).to_be_visible()
    await page.goto(f"{lab[1]}#/image/archive/nothing-of-this-name")
    await expect(page.get_by_role("alert").filter(has_text="nothing-of-this-name")).to_be_visible()
    visitor.faults.clear()  # the browser tells of the refusal
