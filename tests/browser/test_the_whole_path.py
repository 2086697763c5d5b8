"""A person's path by browser alone: from files on disk to a folded light curve that a second user sees come."""

import csv
import io
import re

import numpy as np
from playwright.async_api import expect

from support.two_nights import PERIOD_DAYS, two_nights

expect.set_options(timeout=60_000)
OWNER, COLLEAGUE = "traveller", "colleague"
#: Where people click who see the star: so far it may be off, in degrees.
CLICK_DEG = 4 / 3600
RADIUS_ARCMIN = "3"


async def upload(page, files):
    """Send files as a person does who chooses them, and wait until the archive has them."""
    sent = [{"name": name, "mimeType": "application/fits", "buffer": content} for name, content in files.items()]
    await page.get_by_label("Files to upload").set_input_files(sent)
    await expect(page.locator(".sent .ingested")).to_have_count(len(files))


async def choose_frames(page, count, *, kind=None, near=None):
    """Find frames by what they are, or by what they show, and choose all of them."""
    if kind is not None:
        await page.get_by_label("Kind").select_option(kind)
    if near is not None:
        await page.get_by_label("Near").fill(near)
        await page.get_by_label("within").fill(RADIUS_ARCMIN)
        await page.get_by_role("button", name="Search", exact=True).click()
    await expect(page.locator("p.count")).to_have_text(f"{count} frames")
    await page.get_by_role("button", name="Choose all").click()


async def begin(page, operation):
    await page.get_by_role("button", name="New operation").click()
    await page.get_by_role("button", name=re.compile(f"^{operation} ")).click()


def field(page, name):
    return page.get_by_role("group", name=name, exact=True)


async def choose_images(page, name, **sieve):
    """Choose all images of an input that are of a kind or come from an operation."""
    group = field(page, name)
    for label, value in sieve.items():
        await group.get_by_label(label.capitalize()).select_option(value)
    shown = group.get_by_role("button", name=re.compile("^Choose (all|the) "))
    if await shown.count():
        await shown.click()
    else:
        await group.get_by_role("radio").first.check()


async def start(page, title, outputs):
    """Start what the form says; return the card of the operation when it is done."""
    await page.get_by_role("button", name="Start", exact=True).click()
    card = page.get_by_role("listitem", name=re.compile(f"^{title} "))
    await expect(card.get_by_text("done", exact=True)).to_be_visible()
    await expect(card.locator(".strip li")).to_have_count(outputs)
    return card


async def click_on_star(page, star, side_px=256):
    """Click where the star is seen: in the middle of the image, a fifth of its diagonal's half to the north."""
    await page.get_by_role("button", name="Choose on an image").click()
    canvas = page.locator(".picker .stage canvas").first
    await expect(canvas).to_be_visible()
    await canvas.scroll_into_view_if_needed()
    box = await canvas.bounding_box()
    scale = min(box["width"], box["height"]) / side_px
    north_px = 0.2 * side_px / 2 * np.sqrt(2)
    await canvas.click(position={"x": box["width"] / 2, "y": box["height"] / 2 - scale * north_px})
    target = field(page, "Target")
    await expect(target.get_by_text("Chosen:")).to_be_visible()
    ra, dec = [float(await target.get_by_label(name, exact=True).input_value()) for name in ("RA", "Dec")]
    assert abs(dec - star.dec_deg) < CLICK_DEG
    assert abs(ra - star.ra_deg) * np.cos(np.radians(dec)) < CLICK_DEG


async def test_from_files_to_a_folded_light_curve_that_others_see(visitor, lab):
    nights = two_nights()
    admin, _ = lab
    await admin.add_user(OWNER)
    await admin.add_user(COLLEAGUE)
    page = await visitor(OWNER)
    science = len(nights.red) + len(nights.green)
    await upload(page, nights.calibrations | nights.red | nights.green)

    # The target is found on the sky, and what calibrates its frames by kind.
    await page.get_by_role("button", name="Search and filters").click()
    await choose_frames(page, science, near=f"{nights.star.ra_deg:.4f} {nights.star.dec_deg:+.4f}", kind="EXPOSE")
    await page.get_by_role("button", name="Show all again").click()
    for kind, count in (("BIAS", 2), ("DARK", 2), ("SKYFLAT", 4)):
        await choose_frames(page, count, kind=kind)
    await page.get_by_label(f"New session of {science + 8} frames").fill("Two nights")
    await page.get_by_role("button", name="Create").click()
    await expect(page.get_by_role("heading", name="Two nights")).to_be_visible()
    session = page.url

    # A second user, whom the session is shared with, looks on.
    await page.get_by_text("Shared with nobody").click()
    await page.get_by_label("Share with").fill(COLLEAGUE)
    await page.get_by_role("button", name="Share", exact=True).click()
    await expect(page.get_by_role("cell", name=COLLEAGUE, exact=True)).to_be_visible()
    other = await visitor(COLLEAGUE)
    await other.get_by_role("link", name="Sessions").click()
    await other.get_by_role("link", name="Two nights").click()
    await expect(other.get_by_text("Nothing was computed yet.")).to_be_visible()

    await begin(page, "Calibration")
    await field(page, "Input Files").get_by_role("button", name="Choose none").click()
    await field(page, "Input Files").get_by_label("Filter").select_option("rp")
    await choose_images(page, "Input Files", kind="EXPOSE")
    await choose_images(page, "Bias Frame (optional)", kind="BIAS")
    await choose_images(page, "Dark Frame (optional)", kind="DARK")
    await field(page, "Flat Frame (optional)").get_by_label("Filter").select_option("rp")
    await choose_images(page, "Flat Frame (optional)", kind="SKYFLAT")
    card = await start(page, "Calibration", len(nights.red))

    await card.get_by_role("button", name=re.compile("^Use all")).click()
    await page.get_by_role("button", name=re.compile("^Alignment ")).click()
    aligned = await start(page, "Alignment", len(nights.red))

    await aligned.get_by_role("button", name=re.compile("^Use all")).click()
    await page.get_by_role("button", name=re.compile("^Stacking ")).click()
    await page.get_by_label("Combine").select_option("average")
    await start(page, "Stacking", 1)

    await begin(page, "Color Image")
    for number, pattern in ((1, "Stacking"), (2, "gp")):
        choice = page.get_by_role("group", name=f"channel {number}").get_by_label("Image")
        option = choice.locator("option").filter(has_text=pattern).first
        await expect(option).to_be_attached()  # images are offered when their descriptions have come
        await choice.select_option(label=await option.inner_text())
    await page.get_by_role("group", name="channel 2").get_by_label("Colour").fill("#00ffff")
    await start(page, "Color Image", 1)
    await expect(other.get_by_role("listitem", name=re.compile("^Color Image "))).to_contain_text("done")

    await aligned.get_by_role("button", name=re.compile("^Use all")).click()
    await page.get_by_role("button", name=re.compile("^Aperture Photometry ")).click()
    await click_on_star(page, nights.star)
    await page.get_by_role("button", name="Start", exact=True).click()
    # Both see the light curve as soon as it is there.
    for looking in (page, other):
        await expect(looking.locator(".chart canvas").first).to_be_visible()
    await page.get_by_label("Period, days").fill(str(PERIOD_DAYS))
    await expect(page.get_by_text("phase 0 at")).to_be_visible()
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Save CSV").first.click()
    rows = list(csv.DictReader(io.StringIO((await (await download.value).path()).read_text())))
    assert len(rows) == len(nights.red)
    phase, magnitude = (
        np.array([float(row[key]) for row in rows]) for key in (f"phase_at_{PERIOD_DAYS}_d", "magnitude [mag]")
    )
    turn = 2 * np.pi * phase
    design = np.stack([np.ones_like(turn), np.sin(turn), np.cos(turn)], axis=1)
    (mean, *swing), *_ = np.linalg.lstsq(design, magnitude, rcond=None)
    assert abs(np.hypot(*swing) - nights.star.variability.amplitude_mag) < 0.05
    assert abs(mean - nights.star.magnitude) < 0.1

    # Who looks on has the same numbers, and may change nothing.
    async with other.expect_download() as download:
        await other.get_by_role("button", name="Save CSV").first.click()
    theirs = list(csv.DictReader(io.StringIO((await (await download.value).path()).read_text())))
    assert [row["magnitude [mag]"] for row in theirs] == [row["magnitude [mag]"] for row in rows]
    await expect(other.get_by_role("button", name="New operation")).to_have_count(0)
    assert page.url == session
