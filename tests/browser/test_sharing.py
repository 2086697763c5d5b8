"""A session that its owner shares in the console."""

from playwright.async_api import expect

from datalab.cli.work.demonstration import DEMO_USER
from datalab.client.rest import Datalab

expect.set_options(timeout=60_000)


async def shared_session(admin: Datalab, name: str):
    """Make a session of the demonstration's user, and a user to share it with; return the session's number."""
    await admin.add_user(name)
    async with admin.as_user(await admin.add_token(DEMO_USER)) as demo:
        return (await demo.add_session(f"For {name}"))["id"]


async def open_sharing(page, name):
    await page.get_by_role("link", name="Sessions").click()
    await page.get_by_role("link", name=f"For {name}").click()
    await page.get_by_text("Shared with nobody").click()


async def test_its_owner_shares_it_changes_the_role_and_withdraws(visitor, lab):
    admin, _ = lab
    session = await shared_session(admin, "helper")
    page = await visitor()
    await open_sharing(page, "helper")
    await page.get_by_label("Share with").fill("helper")
    await page.get_by_role("button", name="Share", exact=True).click()
    await expect(page.get_by_role("cell", name="helper", exact=True)).to_be_visible()
    other = await visitor("helper")
    await other.get_by_role("link", name="Sessions").click()
    await expect(other.get_by_role("cell", name="you are viewer")).to_be_visible()
    await other.get_by_role("link", name="For helper").click()
    await expect(other.get_by_role("heading", name="For helper")).to_be_visible()
    # What is the owner's business is shown to nobody else.
    await expect(other.get_by_text("Shared with")).to_have_count(0)
    async with admin.as_user(await admin.add_token("helper")) as helper:
        await page.get_by_label("Role of helper").select_option("editor")
        await expect(page.get_by_label("Role of helper")).to_have_value("editor")
        assert (await helper.session(session))["role"] == "editor"
        await page.get_by_role("button", name="Withdraw from helper").click()
        await expect(page.get_by_text("helper sees the session no longer.")).to_be_visible()
        assert [each for each in await helper.sessions(shared=True) if each["id"] == session] == []
        await page.get_by_role("button", name="Undo").click()
        await expect(page.get_by_label("Role of helper")).to_have_value("editor")
        assert (await helper.session(session))["role"] == "editor"
    visitor.faults.clear()  # the other's browser tells that the session was withdrawn while it was read


async def test_what_is_wrong_with_a_name_is_said_beside_it(visitor, lab):
    admin, _ = lab
    await shared_session(admin, "nobody-else")
    page = await visitor()
    await open_sharing(page, "nobody-else")
    button = page.get_by_role("button", name="Share", exact=True)
    beside = page.locator("#share-problem")
    await button.click()
    await expect(beside).to_contain_text("Say who")
    await page.get_by_label("Share with").fill(DEMO_USER)
    await button.click()
    await expect(beside).to_contain_text("yours already")
    await page.get_by_label("Share with").fill("who-is-that")
    await button.click()
    await expect(beside).to_contain_text("who-is-that")
    await expect(page.get_by_label("Share with")).to_have_attribute("aria-invalid", "true")
    visitor.faults.clear()  # the browser tells of the refusal
