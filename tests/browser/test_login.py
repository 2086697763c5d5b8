"""Logging in and out in the console, and logins that end while it is open."""

import pytest
from playwright.async_api import expect

expect.set_options(timeout=60_000)
PASSWORD = "a password of some length"


@pytest.fixture
async def door(browser, lab):
    """Opens the page of nobody; returns it."""
    _, url = lab
    contexts = []

    async def opened(address=url):
        contexts.append(await browser.new_context())
        page = await contexts[-1].new_page()
        await page.goto(address)
        return page

    yield opened
    for context in contexts:
        await context.close()


async def enter(page, name, password):
    await page.get_by_label("Name", exact=True).fill(name)
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Log in").click()


async def test_a_link_is_good_once(door, lab):
    admin, _ = lab
    await admin.add_user("linked")
    link = await admin.login_link("linked")
    page = await door(link)
    await expect(page.get_by_text("linked", exact=True)).to_be_visible()
    assert "code" not in page.url
    other = await door(link)
    await expect(other.get_by_role("alert")).not_to_be_empty()
    await expect(other.get_by_role("button", name="Log in")).to_be_visible()
    # In a page that is open, a link that is good no more changes nothing, and another one works.
    await page.goto(link)
    await expect(page.get_by_role("heading", name="Nothing has arrived yet")).to_be_visible()
    await page.goto(await admin.login_link("linked"))
    await expect(page.get_by_text("linked", exact=True)).to_be_visible()


async def test_a_password_or_a_token_opens_and_logging_out_closes(door, lab):
    admin, url = lab
    token = await admin.add_user("worded")
    await admin.set_password("worded", PASSWORD)
    page = await door()
    await enter(page, "worded", "wrong")
    await expect(page.get_by_role("alert")).to_contain_text("Unable to log in")
    await expect(page.get_by_label("Password")).to_have_value("wrong")
    await enter(page, "worded", PASSWORD)
    await expect(page.get_by_text("worded", exact=True)).to_be_visible()
    await page.goto(f"{url}#/sessions")
    await page.get_by_role("button", name="Log out").click()
    await expect(page.get_by_role("button", name="Log in")).to_be_visible()
    await page.go_back()
    await expect(page.get_by_role("button", name="Log in")).to_be_visible()
    await page.get_by_role("button", name="Use a token").click()
    await page.get_by_label("Token").fill("no token")
    await page.get_by_role("button", name="Log in").click()
    await expect(page.get_by_role("alert")).not_to_be_empty()
    await page.get_by_label("Token").fill(f" {token} ")
    await page.get_by_role("button", name="Log in").click()
    await expect(page.get_by_text("worded", exact=True)).to_be_visible()


async def test_a_login_that_ends_leaves_all_as_it_was(door, lab):
    admin, url = lab
    await admin.add_user("forgotten")
    await admin.set_password("forgotten", PASSWORD)
    page = await door()
    await enter(page, "forgotten", PASSWORD)
    await page.get_by_role("link", name="Sessions").click()
    await page.get_by_label("New session").fill("Half a name")
    await admin.revoke_tokens("forgotten")
    await page.get_by_role("button", name="Create").click()
    await expect(page.get_by_role("alert").filter(has_text="Your login has ended")).to_be_visible()
    await expect(page.get_by_label("New session")).not_to_be_visible()
    # Who it is, is known; a wrong word does not lead back.
    await expect(page.get_by_label("Name", exact=True)).to_have_value("forgotten")
    await page.get_by_label("Password").fill("wrong")
    await page.get_by_role("button", name="Log in").click()
    await expect(page.get_by_role("alert").filter(has_text="Unable to log in")).to_be_visible()
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Log in").click()
    await expect(page.get_by_label("New session")).to_have_value("Half a name")
    assert page.url == f"{url}#/sessions"
    await page.get_by_role("button", name="Create").click()
    await expect(page.get_by_role("heading", name="Half a name")).to_be_visible()


async def test_another_user_finds_nothing_of_the_one_before(door, lab):
    admin, _ = lab
    for name in ("first-one", "next-one"):
        await admin.add_user(name)
        await admin.set_password(name, PASSWORD)
    page = await door()
    await enter(page, "first-one", PASSWORD)
    await page.get_by_role("link", name="Sessions").click()
    await page.get_by_label("New session").fill("A secret")
    await admin.revoke_tokens("first-one")
    await page.get_by_role("button", name="Create").click()
    await enter(page, "next-one", PASSWORD)
    await expect(page.get_by_text("next-one", exact=True)).to_be_visible()
    await expect(page.get_by_label("New session")).to_have_value("")


async def test_two_users_in_two_browsers_are_two(door, lab):
    admin, _ = lab
    pages = {}
    for name in ("one-of-two", "two-of-two"):
        await admin.add_user(name)
        async with admin.as_user(await admin.add_token(name)) as user:
            await user.add_session(f"Of {name}")
        pages[name] = await door(await admin.login_link(name))
    for name, page in pages.items():
        await page.get_by_role("link", name="Sessions").click()
        await expect(page.get_by_role("link", name=f"Of {name}")).to_be_visible()
        await expect(page.get_by_role("row")).to_have_count(2)  # the heading, and their own
    await pages["one-of-two"].get_by_role("button", name="Log out").click()
    await pages["two-of-two"].reload()
    await expect(pages["two-of-two"].get_by_role("link", name="Of two-of-two")).to_be_visible()
