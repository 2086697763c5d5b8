"""What operators and superusers do in the console."""

import itertools

import pytest
from playwright.async_api import expect

from datalab.client.frames import remove_frame
from datalab.client.rest import Datalab
from datalab.events.frames import FileStored
from datalab.events.topology import DEAD, FILE_INGEST, FILES, RUNNERS
from datalab.platform.bus.connection import Bus
from datalab.platform.metrics import BusMetrics, create_registry
from datalab.platform.objects.store import ObjectStore
from support.fits_files import packed_fits

#: A file an observatory stores, and tells of.
BASENAME = "tst-cam01-20260504-00000777"
ANNOUNCEMENT = FileStored(site="tst", key=f"data/{BASENAME}-EX10.fits.fz")
expect.set_options(timeout=60_000)


@pytest.fixture
async def bus(system):
    bus = Bus(settings=system.nats_settings, service="test", metrics=BusMetrics(create_registry()))
    await bus.connect()
    await bus.jetstream.purge_stream(DEAD.name)
    yield bus
    await bus.jetstream.purge_stream(DEAD.name)
    await bus.close()


@pytest.fixture
async def operator(visitor, lab):
    """Opens the screen as a new operator, who is no superuser."""
    admin, _ = lab

    async def operator(name):
        await admin.add_user(name, operator=True)
        page = await visitor(name)
        await page.get_by_role("link", name="Operator").click()
        return page

    return operator


#: Where a message was in its stream: two of one place are one.
_places = itertools.count(10**6)


async def bury(bus, body, *, consumer=FILE_INGEST, subject=ANNOUNCEMENT.subject):
    reason = "transient: the object is not there"
    await bus.bury(consumer, body, subject=subject, sequence=next(_places), reason=reason)


async def test_a_poison_message_is_found_understood_and_requeued(operator, lab, system, bus):
    """A file arrives damaged. The observatory sends it again; what it said of the first is only to be tried again."""
    admin, _ = lab
    whole = packed_fits()
    async with ObjectStore(system.s3_settings) as objects:
        await objects.put_bytes(ANNOUNCEMENT.key, whole[: len(whole) // 2], content_type="image/fits")
        await bus.publish(ANNOUNCEMENT)
        page = await operator("watcher")
        # Found: it appears by itself.
        letter = page.get_by_role("listitem", name="Dead letter")
        await expect(letter).to_contain_text(FILE_INGEST.description)
        await expect(letter).to_contain_text("usage: ")
        await expect(letter).to_contain_text("cannot work as things are")
        refused = page.get_by_role("row").filter(has_text=BASENAME)
        await expect(refused).to_be_visible()
        # Understood: which file it is about stands in it.
        await letter.get_by_role("button", name="Read").click()
        await expect(letter.locator("pre")).to_contain_text(f'"key": "{ANNOUNCEMENT.key}"')
        await objects.put_bytes(ANNOUNCEMENT.key, whole, content_type="image/fits")
    # Requeued: it is handled, and the frame is there.
    await letter.get_by_role("button", name="Requeue").click()
    await expect(page.get_by_text(f"Published again on {ANNOUNCEMENT.subject}.")).to_be_visible()
    await expect(page.get_by_text("There are none: every message was handled.")).to_be_visible()
    await page.get_by_label("refused ones only").uncheck()
    await expect(refused.filter(has_text="taken in")).to_be_visible()
    (frame,) = (await admin.call("GET", f"frames/?basename_exact={BASENAME}"))["results"]
    assert frame["basename"] == BASENAME
    # All of it is in the audit log, the reading too.
    await page.get_by_label("Changes by").fill("watcher")
    await page.get_by_role("button", name="Read", exact=True).last.click()
    log = page.get_by_role("region", name="Audit log").get_by_role("row")
    await expect(log.filter(has_text="GET /api/dead-letters/")).to_contain_text("done (200)")
    await expect(log.filter(has_text="POST /api/dead-letters/")).to_contain_text("done (200)")
    # Operators look; superusers change.
    users = page.get_by_role("region", name="Users")
    await expect(users.get_by_role("cell", name="watcher", exact=True)).to_be_visible()
    await expect(page.get_by_role("button", name="Deactivate")).to_have_count(0)
    # A frame without a picture would be asked for one by every page that opens after this.
    await remove_frame(admin, frame["id"], force=False, within_s=60)


async def test_what_nobody_can_read_comes_back_under_another_number(operator, bus):
    page = await operator("hopeful")
    await bus.publish_encoded(subject=ANNOUNCEMENT.subject, body=b"{", event_id="poison")
    letter = page.get_by_role("listitem", name="Dead letter")
    await expect(letter).to_contain_text("unreadable: Invalid JSON")
    await expect(letter).to_contain_text("Sent again as it is, it comes back")
    await letter.get_by_role("button", name="Read").click()
    await expect(letter.locator("pre")).to_have_text("{")
    name = await letter.get_attribute("aria-label")
    await letter.get_by_role("button", name="Requeue").click()
    await expect(page.get_by_text("it comes back under another number")).to_be_visible()
    await expect(letter).to_contain_text("unreadable: Invalid JSON")
    assert await letter.get_attribute("aria-label") != name


async def test_a_double_click_requeues_once(operator, bus):
    await bury(bus, b"{}")
    page = await operator("hasty")
    asked = []
    page.on("request", lambda request: asked.append(request.url) if request.method == "POST" else None)
    letter = page.get_by_role("listitem", name="Dead letter").filter(has_text="the object is not there")
    before = (await bus.stream_position(FILES)).last
    await letter.get_by_role("button", name="Requeue").dblclick()
    await expect(letter).to_have_count(0)
    assert (await bus.stream_position(FILES)).last == before + 1
    assert len([url for url in asked if url.endswith("/requeue")]) == 1


async def test_a_letter_that_is_thrown_away_can_be_had_back_for_a_while(operator, bus):
    await bury(bus, b"{}")
    page = await operator("careful")
    letter = page.get_by_role("listitem", name="Dead letter")
    await letter.get_by_role("button", name="Discard").click()
    undo = letter.get_by_role("button", name="Undo")
    await expect(undo).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(letter.get_by_role("button", name="Discard")).to_be_visible()
    assert (await bus.stream_position(DEAD)).messages == 1
    await letter.get_by_role("button", name="Discard").click()
    await expect(page.get_by_text("is thrown away.")).to_be_visible()
    await expect(page.get_by_text("There are none: every message was handled.")).to_be_visible()
    assert (await bus.stream_position(DEAD)).messages == 0


async def test_what_two_operators_do_at_once_is_done_once(operator, bus, visitor):
    await bury(bus, b"{}")
    first, second = await operator("one-of-two"), await operator("two-of-two")
    letters = [page.get_by_role("listitem", name="Dead letter") for page in (first, second)]
    for letter in letters:
        await expect(letter).to_be_visible()
    # The second has not heard yet that it is gone.
    await second.route("**/api/dead-letters", lambda route: route.abort())
    await letters[0].get_by_role("button", name="Discard").click()
    await expect(first.get_by_text("is thrown away.")).to_be_visible()
    await letters[1].get_by_role("button", name="Requeue").click()
    await expect(second.get_by_text("was settled by somebody else")).to_be_visible()
    await expect(letters[1]).to_have_count(0)
    visitor.faults.clear()  # the browser tells of the refusals


async def test_the_request_of_an_operation_is_left_to_its_owner(operator, bus):
    (runner, *_) = RUNNERS.values()
    await bury(bus, b'{"operation_id": 12}', consumer=runner, subject=runner.filter_subjects[0])
    page = await operator("eager")
    letter = page.get_by_role("listitem", name="Dead letter")
    await letter.get_by_role("button", name="Read").click()
    await expect(letter).to_contain_text("only its owner can run it again")
    await expect(letter.get_by_role("button", name="Requeue")).to_have_count(0)
    await expect(letter.get_by_role("button", name="Discard")).to_be_visible()


async def test_services_say_what_they_do_and_queues_what_waits(operator):
    page = await operator("looker")
    services = page.get_by_role("region", name="Services").get_by_role("row")
    for service in ("session-api", "operation-runner", "ingest"):
        await expect(services.filter(has_text=service).first).to_contain_text("yes")
    await expect(services.filter(has_text="operation-runner").first).to_contain_text("slow lane 0 of")
    queues = page.get_by_role("region", name="Queues").get_by_role("row")
    await expect(queues.filter(has_text="runners, slow lane")).to_be_visible()


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
    await page.get_by_role("button", name="Revoke tokens of newcomer").click()
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


async def test_a_superuser_changes_what_somebody_may_and_gives_a_token(visitor, lab):
    admin, url = lab
    await admin.add_user("giver", superuser=True)
    await admin.add_user("taker", proposals=["p0"])
    page = await visitor("giver")
    await page.get_by_role("link", name="Operator").click()
    await page.get_by_role("button", name="Change taker").click()
    rights = page.get_by_role("form", name="What taker may do")
    await rights.get_by_label("Proposals").fill("p1, p2")
    await rights.get_by_label("Adds files of sites").fill("no such site!")
    await rights.get_by_role("button", name="Save").click()
    await expect(rights.get_by_role("alert")).to_contain_text("ingests")
    visitor.faults.clear()  # the browser tells of the refusal
    await rights.get_by_label("Adds files of sites").fill("tst")
    await rights.get_by_label("operator").check()
    await rights.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("taker is changed.")).to_be_visible()
    taker = await admin.user("taker")
    assert (taker["proposals"], taker["ingests"], taker["operator"]) == (["p1", "p2"], ["tst"], True)
    await page.get_by_role("button", name="Change taker").click()
    token = page.get_by_role("form", name="A token for taker")
    await token.get_by_label("Days").fill("none")
    await token.get_by_role("button", name="Give a token").click()
    await expect(token.get_by_role("alert")).to_contain_text("how many days")
    await token.get_by_label("Days").fill("1")
    await token.get_by_role("button", name="Give a token").click()
    given = await page.get_by_label("Token of taker").input_value()
    async with Datalab(url.rstrip("/"), given) as taker:
        assert (await taker.call("GET", "profile/"))["username"] == "taker"


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


async def test_others_see_nothing_of_it_and_cannot_ask_for_it(visitor, lab, bus):
    admin, url = lab
    await bury(bus, b"{}")
    number = (await bus.stream_position(DEAD)).last
    await admin.add_user("ordinary")
    page = await visitor("ordinary")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    await expect(page.get_by_role("link", name="Sessions")).to_be_visible()
    await expect(page.get_by_role("link", name="Operator")).to_have_count(0)
    await page.goto(f"{url}#/operator")
    await expect(page.get_by_text("There is no such screen.")).to_be_visible()
    assert not [address for address in asked if "/dead-letters" in address or "/system/" in address]
    # Whoever knows the addresses, and asks as the page does:
    ask = """([path, method]) =>
        fetch(path, { method, headers: { "X-Datalab-Page": "1" } }).then(reply => reply.status)"""
    for path, method in (
        ("/api/dead-letters", "GET"),
        (f"/api/dead-letters/{number}", "GET"),
        (f"/api/dead-letters/{number}/requeue", "POST"),
        (f"/api/dead-letters/{number}", "DELETE"),
        ("/api/system/processes", "GET"),
        ("/api/system/queues", "GET"),
    ):
        assert await page.evaluate(ask, [path, method]) == 403
    assert await bus.stored_message(DEAD.name, number) is not None
    visitor.faults.clear()  # the browser tells of the refusals
