"""What operators and superusers do in the console."""

import pytest
from playwright.async_api import expect

from datalab.events.topology import FILE_INGEST
from datalab.platform.bus.connection import Bus
from datalab.platform.metrics import BusMetrics, create_registry

#: Where observatories announce files.
ANNOUNCED = "observatory.tst.image.new"
expect.set_options(timeout=60_000)


@pytest.fixture
async def bus(system):
    bus = Bus(settings=system.nats_settings, service="test", metrics=BusMetrics(create_registry()))
    await bus.connect()
    yield bus
    await bus.close()


async def test_a_message_nobody_can_read_is_found_with_its_reason(visitor, lab, bus):
    admin, _ = lab
    await admin.add_user("watcher", operator=True)
    page = await visitor("watcher")
    await page.get_by_role("link", name="Operator").click()
    await expect(page.get_by_text("works, with all it needs:")).to_be_visible()
    await bus.publish_encoded(subject=ANNOUNCED, body=b"{", event_id="poison")
    letter = page.get_by_role("row").filter(has_text=ANNOUNCED)
    for _ in range(30):
        await page.get_by_role("button", name="Read again").click()
        await page.wait_for_timeout(500)
        if await letter.count():
            break
    await expect(letter).to_contain_text(FILE_INGEST.name)
    await expect(letter).to_contain_text("unreadable: Invalid JSON")
    await expect(letter).to_contain_text("1 bytes")
    await expect(page.get_by_text("datalab dead-letters show")).to_be_visible()
    # Operators look; superusers change.
    await expect(page.get_by_role("cell", name="watcher", exact=True)).to_be_visible()
    await expect(page.get_by_role("button", name="Deactivate")).to_have_count(0)


async def test_a_superuser_adds_somebody_who_logs_in_by_the_link_and_shuts_them_out_again(visitor, lab, browser):
    admin, _ = lab
    await admin.add_user("chief", superuser=True)
    page = await visitor("chief")
    await page.get_by_role("link", name="Operator").click()
    await page.get_by_label("New user").fill("newcomer")
    await page.get_by_role("button", name="Add").click()
    link = await page.get_by_label("Link that logs newcomer in").input_value()
    await page.get_by_role("button", name="Done").click()
    await expect(page.get_by_label("Link that logs newcomer in")).to_have_count(0)
    context = await browser.new_context()
    theirs = await context.new_page()
    await theirs.goto(link)
    await expect(theirs.get_by_text("newcomer")).to_be_visible()
    await expect(theirs.get_by_role("link", name="Operator")).to_have_count(0)
    page.on("dialog", lambda dialog: dialog.accept())
    await page.get_by_role("button", name="Revoke the tokens of newcomer").click()
    await expect(page.get_by_text("The tokens of newcomer are good no more.")).to_be_visible()
    await page.get_by_role("button", name="Deactivate newcomer").click()
    await expect(page.get_by_text("newcomer (inactive)")).to_be_visible()
    assert (await admin.user("newcomer"))["active"] is False
    await theirs.reload()
    await expect(theirs.get_by_role("button", name="Log in")).to_be_visible()
    await page.get_by_role("button", name="Activate newcomer").click()
    await expect(page.get_by_text("newcomer (inactive)")).to_have_count(0)
    assert (await admin.user("newcomer"))["active"] is True
    # All of it is in the log, with its name in the path.
    await page.get_by_label("Changes by").fill("chief")
    await page.get_by_role("button", name="Read", exact=True).click()
    revoked = page.get_by_role("row").filter(has_text="DELETE /api/users/newcomer/tokens")
    await expect(revoked).to_contain_text("done (204)")
    await context.close()


async def test_a_name_that_cannot_be_is_refused_beside_the_form(visitor, lab):
    admin, _ = lab
    await admin.add_user("strict", superuser=True)
    page = await visitor("strict")
    await page.get_by_role("link", name="Operator").click()
    beside = page.locator("#new-user-problem")
    await page.get_by_role("button", name="Add").click()
    await expect(beside).to_contain_text("Say the name")
    await page.get_by_label("New user").fill("Strict")
    await page.get_by_role("button", name="Add").click()
    await expect(beside).to_contain_text("username")
    visitor.faults.clear()  # the browser tells of the refusal


async def test_others_are_not_shown_what_is_the_operators(visitor, lab):
    admin, url = lab
    await admin.add_user("ordinary")
    page = await visitor("ordinary")
    await expect(page.get_by_role("link", name="Sessions")).to_be_visible()
    await expect(page.get_by_role("link", name="Operator")).to_have_count(0)
    await page.goto(f"{url}#/operator")
    await expect(page.get_by_text("There is no such screen.")).to_be_visible()
