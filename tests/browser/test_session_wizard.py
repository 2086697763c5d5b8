"""Starting operations in the console: the form of each, what is wrong in it, what comes of it."""

import pytest
from playwright.async_api import expect

from support.console_sessions import as_demo, choose_offered, choose_operation, new_session, open_session, start

expect.set_options(timeout=60_000)


async def operations_of(admin, session):
    async with await as_demo(admin) as demo:
        return await demo.operations(session)


async def test_every_operation_has_a_form_that_shows_each_of_its_inputs(visitor, lab):
    admin, _ = lab
    session = await new_session(admin, "All forms")
    offered = await admin.available_operations()
    page = await visitor()
    await open_session(page, session, "All forms")
    await page.get_by_role("button", name="New operation", exact=True).click()
    for name, operation in offered.items():
        await choose_offered(page, name)
        for key, described in operation["inputs"].items():
            chosen = {other: operation["inputs"][other]["default"] for other in described.get("shown_when", {})}
            shown = all(chosen[other] in values for other, values in described.get("shown_when", {}).items())
            field = page.locator(f'[id="field-{key}-problem"]')
            await expect(field).to_have_count(1 if shown else 0)
            if shown:
                await expect(page.locator(".form")).to_contain_text(described["name"])
        await page.get_by_role("button", name="Another one").click()


async def test_a_double_click_starts_one_operation_and_its_output_is_the_next_input(visitor, lab):
    admin, _ = lab
    session = await new_session(admin, "Step by step")
    page = await visitor()
    await open_session(page, session, "Step by step")
    await choose_operation(page, "Median")
    await page.get_by_role("button", name="Start", exact=True).dblclick()
    done = page.locator(".operation.completed")
    await expect(done).to_have_count(1)
    await expect(page.locator(".operation")).to_have_count(1)
    await done.get_by_role("button", name="as input").click()
    await choose_offered(page, "Normalization")
    await expect(page.get_by_text("1 of 5 chosen")).to_be_visible()
    await start(page)
    await expect(done).to_have_count(2)
    median, normalization = await operations_of(admin, session)
    (given,) = normalization["input_data"]["input_files"]
    assert given["basename"] == median["output"]["output_files"][0]["basename"]
    # The picture of the result can be seen, and is an image of its own.
    picture = done.first.locator("img").first
    assert await picture.evaluate("async image => { await image.decode(); return image.naturalWidth; }") > 0


async def test_a_conditional_input_comes_and_goes_and_is_checked_while_it_is_there(visitor, lab):
    admin, _ = lab
    session = await new_session(admin, "Conditions")
    page = await visitor()
    await open_session(page, session, "Conditions")
    await choose_operation(page, "Stacking")
    await expect(page.get_by_label("Clipping Limit")).to_have_count(0)
    await page.get_by_label("Combine").select_option("sigma-clipped")
    await page.get_by_label("Clipping Limit").fill("0.5")
    await start(page)
    await expect(page.locator("#field-sigma-problem")).to_have_text("The least is 1.")
    await expect(page.get_by_label("Clipping Limit")).to_be_focused()
    await page.get_by_label("Clipping Limit").fill("2.5")
    await start(page)
    await expect(page.locator(".operation")).to_have_count(1)
    (stacking,) = await operations_of(admin, session)
    assert stacking["input_data"]["sigma"] == 2.5


async def test_what_only_the_server_knows_to_be_wrong_is_said_at_the_field(visitor, lab):
    admin, _ = lab
    session = await new_session(admin, "Refused")
    page = await visitor()
    await open_session(page, session, "Refused")
    await choose_operation(page, "Aperture Photometry")
    await page.get_by_label("RA", exact=True).fill("11:32:06")
    await page.get_by_label("Dec", exact=True).fill("24.7")
    await page.get_by_label("Aperture Radius").fill("0")  # the description says 0 or more; it has to be more
    await start(page)
    await expect(page.locator("#field-aperture_radius-problem")).to_contain_text("must be > 0")
    await expect(page.get_by_label("Aperture Radius")).to_be_focused()
    assert await operations_of(admin, session) == []
    visitor.faults.clear()  # the browser tells of the refusal


async def test_a_name_nobody_knows_is_said_beside_it_and_coordinates_help(visitor, lab):
    admin, _ = lab
    session = await new_session(admin, "Names")
    page = await visitor()
    await page.route("**/api/names/**", lambda route: route.fulfill(json={"error": "No object is called Vulcan."}))
    await open_session(page, session, "Names")
    await choose_operation(page, "Light Curve")
    target = page.get_by_role("group", name="Source Star")
    await target.get_by_label("Name").fill("Vulcan")
    await target.get_by_label("Name").press("Enter")
    await expect(target).to_contain_text("No object is called Vulcan.")
    await start(page)
    await expect(page.locator("#field-source-problem")).to_contain_text("Look the name up")
    await page.unroute("**/api/names/**")
    known = {"name": "M  31", "ra": 10.5, "dec": 41.25, "ra_d": 10.5, "dec_d": 41.25}
    await page.route("**/api/names/**", lambda route: route.fulfill(json=known))
    await target.get_by_label("Name").fill("M 31")
    await target.get_by_role("button", name="Look up").click()
    await expect(target.get_by_label("RA", exact=True)).to_have_value("10.5")
    await target.get_by_label("Name").fill("M 33")  # the position was that of another name
    await expect(target.get_by_label("RA", exact=True)).to_have_value("")


async def test_a_target_is_chosen_by_a_click_on_an_image(visitor, lab):
    admin, _ = lab
    session = await new_session(admin, "Clicked")
    page = await visitor()
    await open_session(page, session, "Clicked")
    await choose_operation(page, "Light Curve")
    target = page.get_by_role("group", name="Source Star")
    await target.get_by_role("button", name="Choose on an image").click()
    canvas = target.locator("canvas").first
    await expect(target.get_by_text("pointer").or_(target.get_by_text("value"))).to_be_visible()
    box = await canvas.bounding_box()
    await canvas.click(position={"x": box["width"] / 2, "y": box["height"] / 2})
    await expect(target.get_by_label("RA", exact=True)).not_to_have_value("")
    await start(page)
    await expect(page.locator(".operation")).to_have_count(1)
    (operation,) = await operations_of(admin, session)
    frame = operation["input_data"]["input_files"][0]["basename"]
    wcs = await admin.analyse("wcs", frame, source="archive")
    source = operation["input_data"]["source"]
    # The middle of what is seen is the middle of the image; a pixel of the screen is two of the image at most.
    width, height = wcs["fits_dimensions"]
    scale = abs(wcs["cd2"][1])
    middle = (
        wcs["crval"][1] + wcs["cd2"][1] * (height / 2 - wcs["crpix"][1]) + wcs["cd2"][0] * (width / 2 - wcs["crpix"][0])
    )
    assert source["dec"] == pytest.approx(middle, abs=4 * scale)


async def test_colours_are_mixed_with_sliders_and_sent_as_they_are_seen(visitor, lab):
    admin, _ = lab
    session = await new_session(admin, "Colours")
    page = await visitor()
    await open_session(page, session, "Colours")
    await choose_operation(page, "Color Image")
    first = page.get_by_role("group", name="channel 1")
    black = first.get_by_role("slider", name="Black of channel 1")
    await expect(black).to_be_visible()
    await expect(page.get_by_role("img", name="Preview of 1 channels")).to_be_visible()
    await page.get_by_role("button", name="Another channel").click()
    await start(page)
    await expect(page.locator("#field-color_channels-problem")).to_contain_text("Choose an image for each channel")
    second = page.get_by_role("group", name="channel 2")
    await second.get_by_label("Image").select_option(index=2)
    await second.get_by_label("Colour").fill("#0000ff")
    await expect(page.get_by_role("img", name="Preview of 2 channels")).to_be_visible()
    await second.get_by_role("slider", name="White of channel 2").press("Home")
    await second.get_by_label("Black level of channel 2").fill("9e9")
    await second.get_by_label("Black level of channel 2").press("Tab")
    await start(page)
    await expect(page.locator("#field-color_channels-problem")).to_contain_text("Black is below white")
    await second.get_by_role("button", name="Automatic black of channel 2").click()
    await second.get_by_role("button", name="Automatic white of channel 2").click()
    await second.get_by_role("slider", name="White of channel 2").press("ArrowLeft")
    await start(page)
    await expect(page.locator(".operation.completed")).to_have_count(1)
    (operation,) = await operations_of(admin, session)
    one, two = operation["input_data"]["color_channels"]
    if one["color"]["b"] == 255:
        one, two = two, one
    assert (one["color"], one.get("zmin"), one.get("zmax")) == ({"r": 255, "g": 0, "b": 0}, None, None)
    assert two["color"] == {"r": 0, "g": 0, "b": 255}
    assert two.get("zmin") is None
    assert two["zmax"] > 0


async def test_inputs_are_found_among_many_by_date_and_origin(visitor, lab):
    admin, _ = lab
    session = await new_session(admin, "Many", frames=12)
    page = await visitor()
    await open_session(page, session, "Many")
    await choose_operation(page, "Median")
    await expect(page.get_by_text("12 of 12 chosen")).to_be_visible()
    await page.get_by_role("button", name="Choose none").click()
    labels = await page.locator(".wizard .pick small").all_text_contents()
    minute = next(label for label in labels if "UTC" in label)[:16]
    await page.get_by_role("group", name="Input Files").get_by_label("Find").fill(minute)
    await page.get_by_role("button", name="Choose the 1 shown").click()
    await expect(page.get_by_text("1 of 12 chosen", exact=True)).to_be_visible()
    await page.get_by_role("group", name="Input Files").get_by_label("Find").fill("nothing is like this")
    await expect(page.get_by_text("No image is like that.")).to_be_visible()
    await expect(page.get_by_text("1 of 12 chosen, 1 of them not shown")).to_be_visible()
    await start(page)
    await expect(page.locator("#field-input_files-problem")).to_have_text("Choose 2 images or more.")
