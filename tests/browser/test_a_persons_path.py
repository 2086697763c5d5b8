"""What people do in the console, on a real system, in a real browser."""

import io
import math

from astropy.io import fits
from playwright.async_api import expect

from datalab.cli.work.demonstration import DEMO_USER

#: A machine that is busy takes its time.
WITHIN_MS = 60_000
#: What is shown of a pixel that is not here yet.
NO_VALUE = "value \N{EN DASH}"
#: Returns the brightest pixel of a canvas, and the mean of those in its middle, both 0 to 255.
LEVELS = """canvas => {
    const copy = document.createElement("canvas");
    copy.width = copy.height = 200;
    const drawn = copy.getContext("2d");
    drawn.drawImage(canvas, 0, 0, 200, 200);
    const pixels = drawn.getImageData(0, 0, 200, 200).data;
    const red = pixels.filter((_, place) => place % 4 === 0);
    const middle = red.slice(90 * 200, 110 * 200).filter((_, place) => Math.abs((place % 200) - 100) < 10);
    return [Math.max(...red), middle.reduce((sum, level) => sum + level, 0) / middle.length];
}"""
expect.set_options(timeout=WITHIN_MS)


async def choose(page, count):
    for number in range(count):
        await page.locator(".tile .mark").nth(number).check()


async def test_frames_become_a_session_and_a_stack_that_is_looked_at(visitor, lab):
    page = await visitor()
    await expect(page.locator(".tile")).to_have_count(12)
    await choose(page, 4)
    await page.get_by_label("New session of 4 frames").fill("My stack")
    await page.get_by_role("button", name="Create").click()
    await expect(page.get_by_role("heading", name="My stack")).to_be_visible()
    await page.get_by_role("button", name="New operation").click()
    await page.get_by_role("button", name="The stacking operation").click()
    await page.get_by_label("Combine").select_option("average")
    await page.get_by_role("button", name="Start").click()
    done = page.locator(".operation.completed")
    await expect(done).to_have_count(1)
    await done.locator(".strip a").first.click()
    await expect(page.locator(".stage canvas")).to_be_visible()
    await expect(page.locator(".readout")).to_contain_text("value")
    # What is shown is the image: bright stars, and a sky that is not black.
    canvas = page.locator(".stage canvas")
    await expect(page.locator(".readout")).not_to_contain_text(NO_VALUE)
    brightest, middle = await canvas.evaluate(LEVELS)
    assert brightest > 200
    assert 5 < middle <= 255


async def test_the_value_under_the_pointer_is_that_of_the_file(visitor, lab):
    page = await visitor()
    name = await page.locator(".tile .mark").first.get_attribute("aria-label")
    basename = name.removeprefix("Choose ")
    await page.locator(".tile .title").first.click()
    canvas = page.locator(".stage canvas")
    await expect(canvas).to_be_visible()
    await page.get_by_role("button", name="1 : 1").click()
    await page.mouse.move(600, 480)
    readout = page.locator(".readout")
    await expect(readout).to_contain_text("pointer")
    await expect(readout).to_contain_text("100 %")
    await expect(readout).not_to_contain_text(NO_VALUE)
    await expect(readout).not_to_contain_text("≈")
    parts = [await span.text_content() for span in await readout.locator("span").all()]
    x, y = (math.floor(float(part.split()[1]) + 0.5) for part in parts[1].split(", "))
    admin, _ = lab
    (frame,) = (await admin.call("GET", "frames/", params={"basename_exact": basename}))["results"]
    cut = await admin.http.get(f"frames/{frame['id']}/cutout/", params={"x": x, "y": y, "width": 1, "height": 1})
    assert float(parts[2].removeprefix("value ")) == fits.getdata(io.BytesIO(cut.content))[0, 0]


async def test_what_is_wrong_in_a_form_is_said_beside_it(visitor):
    page = await visitor()
    await choose(page, 1)
    await page.get_by_role("button", name="Create").click()
    await page.get_by_role("button", name="New operation").click()
    await page.get_by_role("button", name="The median operation").click()
    await page.get_by_role("button", name="Start").click()
    await expect(page.get_by_text("Choose 2 images or more.")).to_be_visible()
    await expect(page.locator(".operation")).to_have_count(0)


async def test_a_session_that_is_shared_is_seen_live_by_both(visitor, lab):
    admin, _ = lab
    await admin.add_user("second")
    page = await visitor()
    await choose(page, 3)
    await page.get_by_label("New session of 3 frames").fill("Together")
    await page.get_by_role("button", name="Create").click()
    await expect(page.get_by_role("heading", name="Together")).to_be_visible()
    session = int(page.url.rpartition("/")[2])
    async with admin.as_user(await admin.add_token(DEMO_USER)) as demo:
        await demo.share_with_user(session, "second")
    other = await visitor("second")
    await other.get_by_role("link", name="Sessions").click()
    await other.get_by_role("link", name="Together").click()
    await expect(other.get_by_text("Nothing was computed yet.")).to_be_visible()
    await page.get_by_role("button", name="New operation").click()
    await page.get_by_role("button", name="The median operation").click()
    await page.get_by_role("button", name="Start").click()
    await expect(other.locator(".operation.completed")).to_have_count(1)


async def test_logging_out_leads_to_the_door_and_wrong_words_do_not_open_it(visitor):
    page = await visitor()
    await page.get_by_role("button", name="Log out").click()
    await page.get_by_label("Name").fill("demo")
    await page.get_by_label("Password").fill("wrong")
    await page.get_by_role("button", name="Log in").click()
    await expect(page.get_by_role("alert")).to_contain_text("Unable to log in")
    visitor.faults.clear()  # the browser tells of the refusal


async def test_a_phone_shows_the_night_without_scrolling_sideways(visitor):
    page = await visitor(is_mobile=True, device_scale_factor=2)
    await page.set_viewport_size({"width": 390, "height": 800})
    await expect(page.locator(".tile")).to_have_count(12)
    wide = await page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 390
