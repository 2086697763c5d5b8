"""The console for everybody: by axe-core on every screen, by keyboard alone, on a phone, and without jumps."""

from pathlib import Path

import pytest
from playwright.async_api import expect

from datalab.cli.work.demonstration import DEMO_USER

expect.set_options(timeout=90_000)
#: Comes with the console's other tools (`make setup`).
AXE = Path(__file__).parents[2] / "services/console/node_modules/axe-core/axe.min.js"
#: What axe-core finds that keeps people out: rule, what it is, and where.
FOUND = """async () => (await axe.run(document, { resultTypes: ["violations"] })).violations
    .filter(each => ["serious", "critical"].includes(each.impact))
    .flatMap(each => each.nodes.map(node => `${each.id}: ${node.failureSummary} ${node.html.slice(0, 200)}`))"""
#: How what has the focus is marked, its width in CSS pixels.
OUTLINE = """() => {
    const style = getComputedStyle(document.activeElement);
    return { style: style.outlineStyle, width: parseFloat(style.outlineWidth) };
}"""
#: Adds up what moved without anybody having done something (Layout Instability API).
SHIFTS = """window.shifted = 0;
new PerformanceObserver(list => {
    for (const shift of list.getEntries()) if (!shift.hadRecentInput) window.shifted += shift.value;
}).observe({ type: "layout-shift", buffered: true });"""
PHONE = {"is_mobile": True, "device_scale_factor": 2}
MOST_TABS = 150


async def demo_session(lab):
    admin, _ = lab
    async with admin.as_user(await admin.add_token(DEMO_USER)) as demo:
        (session,) = [each for each in await demo.sessions() if each["name"].startswith("Demo: ")]
        return session["id"]


async def every_screen(page, lab):
    """Go to each screen, and yield its name when it is there."""
    _, url = lab
    session = await demo_session(lab)

    async def at(place):
        await page.goto(f"{url}#{place}")

    await at("/")
    await expect(page.locator(".tile").first).to_be_visible()
    yield "night"
    basename = await page.locator(".tile").first.get_attribute("data-frame")
    others = await page.locator(".tile").nth(1).get_attribute("data-frame")
    await page.locator(".tile .mark").first.check()
    await page.get_by_role("button", name="Search and filters").click()
    await page.get_by_text("Files sent before").click()
    await page.get_by_label("Near").fill("99:00:00 +00:00:00")
    await page.get_by_role("button", name="Search", exact=True).click()
    await expect(page.locator("#near-found")).to_contain_text("no place on the sky")
    yield "night with a frame chosen, filters and a mistake"
    await page.get_by_role("button", name="Table").click()
    await expect(page.locator(".frame-table tbody tr").first).to_be_visible()
    yield "night as a table"
    await at("/?night=1999-01-01")
    await expect(page.get_by_text("that fit: they appear here")).to_be_visible()
    yield "a night without frames"
    await at("/sessions")
    await expect(page.get_by_role("link", name="Demo: ")).to_be_visible()
    yield "sessions"
    await at(f"/session/{session}")
    await expect(page.locator(".operation.completed").first).to_be_visible()
    await expect(page.locator(".chart").first).to_be_visible()
    yield "a session with a Median and a light curve"
    await page.get_by_role("button", name="New operation").click()
    yield "the offers of operations"
    await page.get_by_role("button", name="The stacking operation").click()
    await expect(page.get_by_role("button", name="Start", exact=True)).to_be_visible()
    yield "the form of an operation"
    await at(f"/image/archive/{basename}")
    await expect(page.locator(".stage canvas").first).to_be_visible()
    yield "an image"
    await at(f"/blink/images/{basename},{others}")
    await expect(page.locator("canvas").first).to_be_visible()
    yield "a blink"
    await at("/operator")
    await expect(page.get_by_role("heading", name="Operator")).to_be_visible()
    await expect(
        page.get_by_role("region", name="Services").get_by_role("row").filter(has_text="ingest")
    ).to_be_visible()
    yield "the operator's"
    await at("/nowhere")
    await expect(page.get_by_text("There is no such screen.")).to_be_visible()
    yield "no screen"


@pytest.fixture
async def sees_all(lab):
    """The demonstration's user is shown the operator's screen, too."""
    admin, _ = lab
    await admin.change_user(DEMO_USER, operator=True)
    yield
    await admin.change_user(DEMO_USER, operator=False)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_no_screen_keeps_anybody_out(visitor, lab, sees_all, scheme):
    page = await visitor(color_scheme=scheme, bypass_csp=True)
    source = AXE.read_text(encoding="utf-8")
    found = {}
    async for screen in every_screen(page, lab):
        await page.evaluate(source)
        found[screen] = await page.evaluate(FOUND)
    await page.get_by_role("button", name="Log out").click()
    await page.get_by_role("button", name="Log in").click()
    found["login"] = await page.evaluate(FOUND)
    assert {screen: faults for screen, faults in found.items() if faults} == {}
    assert len(found) == 13


async def test_no_screen_scrolls_sideways_on_a_phone(visitor, lab, sees_all):
    page = await visitor(**PHONE)
    await page.set_viewport_size({"width": 390, "height": 844})
    wide = {}
    async for screen in every_screen(page, lab):
        wide[screen] = await page.evaluate("document.documentElement.scrollWidth")
    assert {screen: width for screen, width in wide.items() if width > 390} == {}


async def reach(page, wanted, key="Tab"):
    """Press a key until something has the focus."""
    for _ in range(MOST_TABS):
        if await wanted.evaluate("element => element === document.activeElement"):
            return
        await page.keyboard.press(key)
    raise AssertionError(f"{key} does not lead to {wanted}")


async def test_the_way_to_a_median_by_keyboard_alone(visitor):
    page = await visitor()
    marks = page.locator(".tile .mark")
    await expect(marks).to_have_count(12)
    await reach(page, page.get_by_role("button", name="Skip to content"))
    await page.keyboard.press("Enter")
    await reach(page, marks.first)
    await page.keyboard.press("Space")
    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("ArrowRight")
    await expect(marks.nth(2)).to_be_focused()
    await page.keyboard.press("Shift+Space")
    await page.keyboard.press("ArrowDown")
    assert await page.evaluate("document.activeElement.closest('.tile') !== null")
    name = page.get_by_label("New session of")
    await reach(page, name, "Shift+Tab")
    await page.keyboard.type("By keyboard")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="By keyboard")).to_be_visible()
    await reach(page, page.get_by_role("button", name="New operation"))
    await page.keyboard.press("Enter")
    await reach(page, page.get_by_role("button", name="The median operation"))
    await page.keyboard.press("Enter")
    await reach(page, page.get_by_role("button", name="Start", exact=True))
    await page.keyboard.press("Enter")
    await expect(page.locator(".operation.completed")).to_have_count(1)


async def test_a_focus_is_seen(visitor):
    page = await visitor()
    await expect(page.locator(".tile").first).to_be_visible()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    outline = await page.evaluate(OUTLINE)
    assert outline["style"] == "solid"
    assert outline["width"] >= 2


async def test_nothing_moves_for_who_wants_no_movement(visitor):
    page = await visitor(reduced_motion="reduce")
    await expect(page.locator(".tile")).to_have_count(12)
    assert await page.evaluate("document.getAnimations().filter(each => each.playState === 'running').length") == 0


async def test_nothing_jumps_while_the_night_appears(visitor):
    page = await visitor()
    await expect(page.locator(".tile[data-frame]")).to_have_count(12)
    await page.add_init_script(SHIFTS)
    await page.reload()
    await expect(page.locator(".tile[data-frame]")).to_have_count(12)
    await expect(page.locator("img.picture")).to_have_count(12)
    # What web.dev/cls calls good, of 1 for all of the window moved by its height.
    assert await page.evaluate("window.shifted") < 0.1
