"""Making, naming, finding and deleting sessions in the console."""

import pytest
from playwright.async_api import expect

from support.console_sessions import as_demo, new_session, open_session
from support.waiting import until

expect.set_options(timeout=60_000)


async def exists(admin, session):
    """Tell whether the server has a session."""
    async with await as_demo(admin) as demo:
        return session in [each["id"] for each in await demo.sessions()]


async def test_a_session_is_made_named_anew_and_found(visitor, lab):
    admin, _ = lab
    page = await visitor()
    await page.get_by_role("link", name="Sessions").click()
    await page.get_by_label("New session").fill("Comets of spring")
    await page.get_by_role("button", name="Create").dblclick()
    await expect(page.get_by_role("heading", name="Comets of spring")).to_be_visible()
    await page.get_by_role("button", name="Rename").click()
    await page.get_by_label("Name").fill("Comets of autumn")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("heading", name="Comets of autumn")).to_be_visible()
    await page.get_by_role("navigation").get_by_role("link", name="Sessions").click()
    await page.get_by_label("Find").fill("AUTUMN")
    await expect(page.get_by_role("link", name="Demo")).to_have_count(0)
    await expect(page.get_by_role("link", name="Comets of autumn")).to_have_count(1)
    async with await as_demo(admin) as demo:
        assert len([each for each in await demo.sessions() if each["name"].startswith("Comets")]) == 1


async def test_a_name_of_nothing_is_refused_beside_the_field(visitor, lab):
    admin, _ = lab
    session = await new_session(admin, "Keeps its name")
    page = await visitor()
    await page.get_by_role("link", name="Sessions").click()
    await page.get_by_label("New session").fill("   ")
    await page.get_by_role("button", name="Create").click()
    await expect(page.locator("#new-session-problem")).to_have_text("Give it a name.")
    await open_session(page, session, "Keeps its name")
    await page.get_by_role("button", name="Rename").click()
    await page.get_by_label("Name").fill("")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("#rename-problem")).to_have_text("Give it a name.")
    await page.get_by_label("Name").press("Escape")
    await expect(page.get_by_role("heading", name="Keeps its name")).to_be_visible()


async def test_deleting_a_session_can_be_undone_until_the_server_is_asked(visitor, lab):
    admin, _ = lab
    session = await new_session(admin, "Nearly gone")
    page = await visitor()
    await open_session(page, session, "Nearly gone")
    await page.get_by_role("button", name="Delete", exact=True).click()
    await expect(page.get_by_role("heading", name="Sessions")).to_be_visible()
    await expect(page.get_by_role("link", name="Demo")).to_be_visible()
    await expect(page.get_by_role("link", name="Nearly gone")).to_have_count(0)
    await page.locator(".deletions").get_by_role("button", name="Undo").click()
    await expect(page.get_by_role("link", name="Nearly gone")).to_be_visible()
    assert await exists(admin, session)
    await page.get_by_role("button", name="Delete the session Nearly gone").click()
    await page.get_by_role("button", name="Delete now").click()
    await expect(page.locator(".deletions .notice")).to_have_count(0)
    await expect(page.get_by_role("link", name="Nearly gone")).to_have_count(0)
    assert not await exists(admin, session)


async def test_what_nobody_undoes_goes_by_itself(visitor, lab):
    admin, _ = lab
    session = await new_session(admin, "Goes by itself")
    page = await visitor()
    await open_session(page, session, "Goes by itself")
    await page.get_by_role("button", name="Delete", exact=True).click()
    await page.mouse.move(5, 5)
    await expect(page.locator(".deletions .notice")).to_have_count(1)
    await expect(page.locator(".deletions .notice")).to_have_count(0)

    async def gone():
        return not await exists(admin, session)

    await until(gone)


async def test_who_closes_the_page_before_keeps_the_session(visitor, lab):
    admin, _ = lab
    session = await new_session(admin, "Kept by closing")
    page = await visitor()
    await open_session(page, session, "Kept by closing")
    await page.get_by_role("button", name="Delete", exact=True).click()
    await expect(page.locator(".deletions")).to_contain_text("Closing the page keeps it.")
    await page.close()
    assert await exists(admin, session)


async def test_what_cannot_be_deleted_is_there_again_and_says_why(visitor, lab):
    admin, _ = lab
    session = await new_session(admin, "Stays for now")
    page = await visitor()
    await open_session(page, session, "Stays for now")
    await page.get_by_role("button", name="Delete", exact=True).click()
    await page.context.set_offline(True)
    await page.get_by_role("button", name="Delete now").click()
    await expect(page.locator(".deletions")).to_contain_text("is still there: The server does not answer.")
    await page.context.set_offline(False)
    assert await exists(admin, session)
    visitor.faults.clear()  # the browser tells of the lost connection


@pytest.mark.parametrize("number", ["4711000", "x"])
async def test_a_session_that_is_not_there_says_so(visitor, number):
    page = await visitor()
    await page.evaluate("to => { location.hash = to; }", f"/session/{number}")
    await expect(page.get_by_role("alert")).to_contain_text("There is no such session")
    visitor.faults.clear()  # the browser tells of the refusal
