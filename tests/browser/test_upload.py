"""Files of people's own, sent from the console."""

import base64
import io
import zlib

import numpy as np
import pytest
from astropy.io import fits
from playwright.async_api import expect

#: Drops a file on the page, as a person does who drags it there.
DROP = """([name, content]) => {
    const dropped = new DataTransfer();
    dropped.items.add(new File([Uint8Array.from(atob(content), letter => letter.charCodeAt(0))], name));
    const event = kind => new DragEvent(kind, { dataTransfer: dropped, bubbles: true, cancelable: true });
    document.body.dispatchEvent(event("dragover"));
    document.body.dispatchEvent(event("drop"));
}"""
#: More than a part of an upload, which has 8 MiB.
SIDE_PX = 2200
#: A machine that is busy takes its time.
expect.set_options(timeout=60_000)


def an_image(seed, *, side=300, site="hom"):
    """Return a FITS file with noise around a star."""
    header = fits.Header({"OBJECT": f"Mine {seed}", "DATE-OBS": f"2026-03-1{seed}T01:00:00", "SITEID": site})
    pixels = np.random.default_rng(seed).normal(1000, 30, (side, side))
    pixels[side // 2 - 4 : side // 2 + 4, side // 2 - 4 : side // 2 + 4] += 20_000
    file = io.BytesIO()
    fits.PrimaryHDU(pixels.astype(np.int16), header).writeto(file)
    return file.getvalue()


def sent_as(name, content):
    return {"name": name, "mimeType": "application/octet-stream", "buffer": content}


@pytest.fixture
async def page(visitor, lab, request):
    """The page of a user with nothing but what they send."""
    admin, _ = lab
    name = f"sender-{zlib.crc32(request.node.name.encode())}"
    await admin.add_user(name)
    return await visitor(name)


async def test_files_that_are_chosen_and_dropped_become_frames_that_appear(page):
    await page.get_by_label("Files to upload").set_input_files(
        [sent_as("first.fits", an_image(1)), sent_as("second.fits", an_image(2, side=SIDE_PX))]
    )
    sent = page.get_by_role("list", name="Files sent").get_by_role("listitem")
    await expect(page.locator(".sent .ingested")).to_have_count(2)
    await page.get_by_label("Site").select_option("hom")
    await expect(page.locator(".tile")).to_have_count(2)
    # The third appears without anything being asked.
    await page.evaluate(DROP, ["third.fits", base64.b64encode(an_image(3)).decode()])
    await expect(page.locator(".tile")).to_have_count(3)
    await expect(page.get_by_role("link", name="Mine 3")).to_be_visible()
    await expect(page.locator(".sent .ingested")).to_have_count(3)
    await sent.filter(has_text="second.fits").get_by_role("link").click()
    await expect(page.locator(".stage canvas")).to_be_visible()
    await page.get_by_role("navigation").get_by_role("link", name="Night").click()
    await page.get_by_role("button", name="Clear the list").click()
    await expect(page.locator(".sent")).to_have_count(0)


async def test_a_file_that_is_refused_says_why(page, visitor):
    await page.get_by_label("Files to upload").set_input_files([sent_as("letter.fits", b"Dear archive, " * 999)])
    await expect(page.locator(".sent .refused")).to_contain_text("Refused: not a FITS file")
    await page.get_by_label("Files to upload").set_input_files([sent_as("picture.png", b"no image")])
    await expect(page.locator(".sent .refused").last).to_contain_text("no FITS file by its name")
    visitor.faults.clear()  # the browser tells of the refusal
    await expect(page.locator(".tile")).to_have_count(0)
    # It can also be read later, and in another page.
    await page.reload()
    await page.get_by_text("Files sent before").click()
    before = page.get_by_role("list", name="Files sent before").get_by_role("listitem")
    await expect(before).to_have_count(1)
    await expect(before).to_contain_text("letter.fits")
    await expect(before).to_contain_text("Refused: not a FITS file")


async def test_an_upload_goes_on_after_the_connection_was_lost(page, visitor):
    parts = []

    async def lose(route):
        parts.append(route.request.url.rpartition("/")[2])
        await (route.abort() if len(parts) in {2, 3} else route.continue_())

    await page.route("**/parts/*", lose)
    await page.get_by_label("Files to upload").set_input_files([sent_as("long.fits", an_image(4, side=SIDE_PX))])
    await expect(page.get_by_text("goes on by itself")).to_be_visible()
    await expect(page.locator(".sent .ingested")).to_have_count(1)
    # What had arrived was not sent again.
    assert parts == ["1", "2", "2", "2"]
    visitor.faults.clear()  # the browser tells of what was lost
