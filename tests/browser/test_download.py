"""Images saved as files, from a real browser; astropy and Pillow have the truth."""

import io
import json
import re

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image
from playwright.async_api import expect

#: A machine that is busy takes its time.
expect.set_options(timeout=60_000)
PATIENCE_MS = 60_000


@pytest.fixture
async def frame(lab):
    """A frame of the demonstration: its name, its file, its pixels."""
    admin, _ = lab
    found = (await admin.call("GET", "frames/", params={"limit": 1}))["results"][0]
    content = await admin.download(found["url"])
    with fits.open(io.BytesIO(content)) as hdus:
        yield found["basename"], content, hdus["SCI"].data


@pytest.fixture
async def page(visitor, lab, frame):
    page = await visitor()
    await page.goto(f"{lab[1]}#/image/archive/{frame[0]}")
    await expect(page.locator(".readout")).not_to_contain_text("value \N{EN DASH}")
    await page.get_by_role("button", name="Download").click()
    return page


async def saved(page, role, name):
    async with page.expect_download(timeout=PATIENCE_MS) as waiting:
        await page.get_by_role(role, name=re.compile(f"^{name}")).click()
    download = await waiting.value
    path = await download.path()
    return download.suggested_filename, path.read_bytes()


async def test_the_stored_file_is_saved_as_it_is(page, frame):
    name, content = await saved(page, "link", "As it is stored")
    assert name.startswith(frame[0])
    assert content == frame[1]


async def test_a_frame_is_saved_in_every_form(page, frame):
    basename, _, pixels = frame
    name, content = await saved(page, "button", "FITS, unpacked")
    assert name == f"{basename}.fits"
    np.testing.assert_array_equal(fits.getdata(io.BytesIO(content), "SCI"), pixels)
    for form, kind in (("PNG", "PNG"), ("JPEG", "JPEG"), ("TIFF, 8 bits", "TIFF")):
        _, content = await saved(page, "button", form)
        with Image.open(io.BytesIO(content)) as picture:
            assert (picture.format, picture.size) == (kind, pixels.shape[::-1])


async def test_what_is_seen_is_cut_out(page, frame):
    *_, pixels = frame
    await page.keyboard.press("Escape")
    for _ in range(4):
        await page.get_by_role("button", name="Zoom in").click()
    await page.get_by_role("button", name="Download").click()
    _, content = await saved(page, "button", "What is seen, as FITS")
    part, header = fits.getdata(io.BytesIO(content), header=True)
    assert part.size < pixels.size
    y, x = (pixels.shape[axis] // 2 - part.shape[axis] // 2 for axis in (0, 1))
    near = [
        pixels[y + up : y + up + part.shape[0], x + right : x + right + part.shape[1]]
        for up in (-1, 0, 1)
        for right in (-1, 0, 1)
    ]
    assert any(np.array_equal(part, each) for each in near)
    assert header["CTYPE1"] == "RA---TAN"


async def test_one_hears_how_far_it_is_and_what_goes_wrong(visitor, page):
    told = iter(
        [
            (503, {"error": "get-png Error: 40 % of it are made"}, {"Retry-After": "1"}),
            (400, {"error": "get-png Error: The image is damaged."}, {}),
        ]
    )

    async def answer(route):
        status, body, headers = next(told)
        await route.fulfill(status=status, body=json.dumps(body), headers=headers, content_type="application/json")

    await page.route("**/api/analysis/get-png/", answer)
    await page.get_by_role("button", name="PNG").click()
    await expect(page.get_by_text("40 % of it are made")).to_be_visible()
    await expect(page.get_by_text("The image is damaged.")).to_be_visible()
    assert next(told, None) is None
    # Asked again it is as if nothing had been.
    await page.unroute("**/api/analysis/get-png/")
    await saved(page, "button", "PNG")
    await expect(page.get_by_text("The image is damaged.")).to_have_count(0)
    visitor.faults[:] = [fault for fault in visitor.faults if "503" not in fault and "400" not in fault]


async def test_it_can_be_given_up(page):
    asked = []

    async def wait(route):
        asked.append(route)

    await page.route("**/api/analysis/get-tif/", wait)
    await page.get_by_role("button", name="TIFF, 8 bits").click()
    await page.get_by_role("button", name="Give up").click()
    await expect(page.get_by_role("button", name="Give up")).to_have_count(0)
    await expect(page.get_by_role("button", name="TIFF, 8 bits")).to_be_enabled()
    for route in asked:
        await route.abort()
