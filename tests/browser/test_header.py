"""Headers of files, beside their images, in a real browser; astropy has the truth."""

import io

import pytest
from astropy.io import fits
from playwright.async_api import expect

#: A machine that is busy takes its time.
expect.set_options(timeout=60_000)


@pytest.fixture
async def frame(lab):
    """A frame of the demonstration: its name, and its HDUs."""
    admin, _ = lab
    found = (await admin.call("GET", "frames/", params={"limit": 1}))["results"][0]
    with fits.open(io.BytesIO(await admin.download(found["url"]))) as hdus:
        yield found["basename"], hdus


@pytest.fixture
async def output(lab):
    """The name of a FITS output of the demonstration's session."""
    admin, _ = lab
    async with admin.as_user(await admin.add_token("demo")) as demo:
        sessions = [await demo.complete(session) for session in await demo.sessions()]
    files = [
        file
        for session in sessions
        for operation in session["operations"]
        for file in (operation["output"] or {}).get("output_files", [])
    ]
    return next(file["basename"] for file in files if file["type"] == "fits")


async def opened(page, url, source, basename):
    await page.goto(f"{url}#/image/{source}/{basename}")
    await page.get_by_role("button", name="Header", exact=True).click()
    panel = page.get_by_role("region", name="Header", exact=True)
    await expect(panel.get_by_text("EXTNAME").or_(panel.get_by_text("SIMPLE")).first).to_be_visible()
    return panel


async def test_every_card_is_there_and_found_by_its_words(visitor, lab, frame):
    basename, hdus = frame
    page = await visitor()
    panel = await opened(page, lab[1], "archive", basename)
    await expect(panel.get_by_role("table")).to_have_count(len(hdus))
    header = hdus["SCI"].header
    row = panel.get_by_role("row").filter(has=page.get_by_role("rowheader", name="EXPTIME", exact=True))
    await expect(row).to_contain_text(f"{header['EXPTIME']:g}")
    await expect(row).to_contain_text(header.comments["EXPTIME"])
    search = panel.get_by_label("Search the header")
    await search.fill("exposure time")
    await expect(panel.get_by_role("rowheader", name="EXPTIME", exact=True)).to_be_visible()
    await expect(panel.get_by_role("rowheader", name="NAXIS1", exact=True)).to_have_count(0)
    await search.fill("nothing like that")
    await expect(panel.get_by_text("No card has all of these words.")).to_be_visible()
    # The image is still beside it.
    await expect(page.locator(".stage canvas")).to_be_visible()


async def test_cards_are_copied(visitor, lab, frame):
    basename, hdus = frame
    page = await visitor(permissions=["clipboard-read", "clipboard-write"])
    panel = await opened(page, lab[1], "archive", basename)
    await panel.get_by_label("Search the header").fill("filter")
    await panel.get_by_role("button", name="Copy").click()
    await expect(panel.get_by_text("copied")).to_be_visible()
    copied = await page.evaluate("navigator.clipboard.readText()")
    assert f"FILTER  = '{hdus['SCI'].header['FILTER']}'" in copied


async def test_outputs_have_headers_too(visitor, lab, output):
    page = await visitor()
    panel = await opened(page, lab[1], "datalab", output)
    await panel.get_by_label("Search the header").fill("datalab")
    await expect(panel.get_by_role("table").first).to_be_visible()


async def test_what_cannot_be_read_is_said(visitor, lab, frame):
    page = await visitor()
    await page.route("**/api/analysis/header-cards/", lambda route: route.abort())
    await page.goto(f"{lab[1]}#/image/archive/{frame[0]}")
    await page.get_by_role("button", name="Header", exact=True).click()
    await expect(page.get_by_text("The server does not answer.")).to_be_visible()
    visitor.faults[:] = [fault for fault in visitor.faults if "ERR_FAILED" not in fault]  # that was our own doing
    await page.get_by_role("button", name="Close the header").click()
    await expect(page.get_by_role("region", name="Header", exact=True)).to_have_count(0)
