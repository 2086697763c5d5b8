"""What tests of the image viewer share: a frame and its truth, places on the screen, what the panel says."""

import io
from typing import NamedTuple

import numpy as np
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from playwright.async_api import expect

#: What is shown of a pixel that is not here yet.
NO_VALUE = "value \N{EN DASH}"
#: An address with a place shows it so large, on a screen whose pixels are those of CSS.
SCALE = 2


class Frame(NamedTuple):
    """A frame of the demonstration, as astropy reads its file; places count as FITS counts."""

    basename: str
    pixels: np.ndarray
    header: fits.Header
    catalogue: Table

    @property
    def wcs(self):
        return WCS(self.header)

    def lone_star(self):
        """Return x and y of the brightest star that is not saturated, alone, and far from the rims."""
        x, y = np.asarray(self.catalogue["x"]), np.asarray(self.catalogue["y"])
        rows, columns = self.pixels.shape
        for index in np.argsort(-np.asarray(self.catalogue["flux"])):
            peak = self.pixels[round(y[index]) - 1, round(x[index]) - 1]
            inside = 60 < x[index] < columns - 60 and 60 < y[index] < rows - 60
            alone = np.count_nonzero(np.hypot(x - x[index], y - y[index]) < 40) == 1
            if inside and alone and peak < 20_000:
                return float(x[index]), float(y[index])
        raise AssertionError("no star is alone")


async def a_frame(admin):
    """Return a frame of the demonstration."""
    found = (await admin.call("GET", "frames/", params={"limit": 1}))["results"][0]
    with fits.open(io.BytesIO(await admin.download(found["url"]))) as file:
        image = next(hdu for hdu in file if hdu.data is not None and hdu.data.ndim == 2)
        return Frame(found["basename"], image.data.copy(), image.header.copy(), Table(file["CAT"].data))


async def opened(page, url, address):
    """Open an image by its address; return what tells of the pointer, once there is a value."""
    await page.goto(f"{url}#/image/{address}")
    await expect(page.locator(".stage canvas")).to_be_visible()
    readout = page.locator(".readout")
    await expect(readout).not_to_contain_text(NO_VALUE)
    return readout


class Look:
    """A page that shows an image around a pixel."""

    def __init__(self, page, x, y):
        self.page, self._x, self._y = page, x, y

    @classmethod
    async def at(cls, page, url, frame, x, y):
        readout = await opened(page, url, f"archive/{frame.basename}?x={x}&y={y}")
        await expect(readout).to_contain_text(f"x {x:.1f}, y {y:.1f}")
        await expect(readout).to_contain_text(f"{SCALE * 100} %")
        return cls(page, x, y)

    async def on_screen(self, x, y):
        box = await self.page.locator(".stage").bounding_box()
        return (
            box["x"] + box["width"] / 2 + (x - self._x) * SCALE,
            box["y"] + box["height"] / 2 - (y - self._y) * SCALE,
        )

    async def click(self, x, y):
        await self.page.mouse.click(*await self.on_screen(x, y))

    async def drag(self, start, end):
        await self.page.mouse.move(*await self.on_screen(*start))
        await self.page.mouse.down()
        await self.page.mouse.move(*await self.on_screen(*end), steps=4)
        await self.page.mouse.up()

    async def take(self, tool):
        await self.page.get_by_role("group", name="Tools").get_by_role("button", name=tool).click()


async def measured(page):
    """Return what the panel says, by name and unit."""
    await expect(page.locator(".measured")).to_be_visible()
    facts = {}
    for fact in await page.locator(".measured > div").all():
        name, said = await fact.locator("dt").inner_text(), await fact.locator("dd").inner_text()
        number, _, unit = said.partition(" ")
        try:
            facts[f"{name} {unit}" if unit else name] = float(number)
        except ValueError:
            facts[name] = said
    return facts
