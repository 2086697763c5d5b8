"""The graph of a session in the console."""

import pytest
from playwright.async_api import expect

from support.console_sessions import as_demo, frames_of, new_session, open_session

expect.set_options(timeout=60_000)


@pytest.fixture
async def chain(lab):
    """A session in which a median was normalized, and something failed; return its number and the median's output."""
    admin, _ = lab
    session = await new_session(admin, "Chain")
    night = (await admin.call("GET", "frames/", params={"limit": 4}))["results"]
    async with await as_demo(admin) as demo:
        median = await demo.start(session, "Median", {"input_files": frames_of(night[:3])})
        (output,) = (await demo.ended(session, median["id"]))["output"]["output_files"]
        made = {"source": "datalab", "basename": output["basename"]}
        normalization = await demo.start(session, "Normalization", {"input_files": [made]})
        await demo.ended(session, normalization["id"])
        failed = await demo.start(session, "Misbehave", {"how": "usage"})
        await demo.ended(session, failed["id"])
    return session, median["id"], output["basename"]


async def test_it_leads_from_frames_to_results_and_is_walked_with_keys(visitor, chain):
    session, median, _ = chain
    page = await visitor()
    await open_session(page, session, "Chain")
    await page.get_by_role("button", name="Graph").click()
    drawing = page.get_by_role("group", name="nodes; arrow keys")
    await expect(drawing.get_by_role("button")).to_have_count(6)
    await expect(drawing.locator(".operation-node.failed")).to_have_count(1)
    frames = drawing.get_by_role("button", name="3 frames, rp")
    await frames.focus()
    await page.keyboard.press("ArrowRight")
    focused = drawing.locator(":focus")
    await expect(focused).to_have_attribute("aria-label", f"Median {median}, done; before it 1, after it 1")
    await page.keyboard.press("Enter")
    await expect(page.locator(f"#operation-{median}")).to_be_focused()


async def test_a_click_on_an_output_opens_the_image(visitor, chain):
    session, _, output = chain
    page = await visitor()
    await open_session(page, session, "Chain")
    await page.get_by_role("button", name="Graph").click()
    await page.get_by_role("group", name="nodes; arrow keys").get_by_role("button", name=output).click()
    await expect(page.locator(".stage canvas").first).to_be_visible()
    assert output in page.url


async def test_it_is_there_as_a_list_and_follows_what_happens(visitor, lab, chain):
    admin, _ = lab
    session, median, output = chain
    page = await visitor()
    await open_session(page, session, "Chain")
    await page.get_by_role("button", name="Graph").click()
    await page.get_by_text("The same as a list").click()
    line = page.locator(".as-list li", has_text=f"Median {median}").first
    await expect(line).to_contain_text(f"done; from 3 frames; made {output}; used by Normalization")
    async with await as_demo(admin) as demo:
        await demo.start(session, "Normalization", {"input_files": [{"source": "datalab", "operation": median}]})
    await expect(page.locator(".operation-node.completed")).to_have_count(3)


async def test_of_nothing_it_says_so(visitor, lab):
    admin, _ = lab
    session = await new_session(admin, "Empty graph")
    page = await visitor()
    await open_session(page, session, "Empty graph")
    await page.get_by_role("button", name="Graph").click()
    await expect(page.get_by_role("region", name="Graph of the session")).to_contain_text("Nothing was computed yet.")
    await expect(page.get_by_text("4 images are not used yet.")).to_be_visible()
