"""A session while things happen in it: progress, failures, other users, a connection that is cut."""

from playwright.async_api import expect

from datalab.cli.work.demonstration import DEMO_USER
from support.console_sessions import as_demo, choose_operation, frames_of, new_session, open_session, start

expect.set_options(timeout=60_000)
LONG = {"seconds": 600.0}


async def shared(admin, session, name, role="viewer"):
    """Make a user and share a session with them."""
    await admin.add_user(name)
    async with await as_demo(admin) as demo:
        await demo.share_with_user(session, name, role=role)


async def test_an_operation_is_watched_cancelled_and_tried_again(visitor, lab):
    admin, _ = lab
    session = await new_session(admin, "Watched")
    page = await visitor()
    await open_session(page, session, "Watched")
    await choose_operation(page, "Sleep")
    await page.get_by_label("seconds").fill("600")
    await start(page)
    card = page.locator(".operation")
    await expect(card).to_be_focused()
    await expect(card.locator(".state")).to_have_text("computes")
    await expect(card.get_by_role("progressbar")).to_be_visible()
    await card.get_by_role("button", name="Cancel").click()
    await expect(card.locator(".state")).to_have_text("cancelled")
    await expect(card.get_by_role("progressbar")).to_have_count(0)
    await card.get_by_role("button", name="Try again").dblclick()
    await expect(card.locator(".state")).to_have_text("computes")
    await card.get_by_role("button", name="Cancel").click()
    await card.get_by_role("button", name="Remove").click()
    await expect(page.get_by_text("Nothing was computed yet.")).to_be_visible()
    await page.locator(".deletions").get_by_role("button", name="Undo").click()
    await expect(card.locator(".state")).to_have_text("cancelled")
    visitor.faults.clear()  # a second click on Try again may have been refused


async def test_what_failed_says_why_and_what_to_do_and_begins_anew_with_its_inputs(visitor, lab):
    admin, _ = lab
    session = await new_session(admin, "Failures")
    page = await visitor()
    await open_session(page, session, "Failures")
    await choose_operation(page, "Calibration")
    await page.get_by_label("Scale Dark").select_option("no")
    await start(page)
    card = page.locator(".operation.failed")
    await expect(card).to_contain_text("requires a bias, a dark or a flat frame.")
    await expect(card).to_contain_text("Change what is wrong with its inputs")
    await card.get_by_role("button", name="Change and start anew").click()
    await expect(page.get_by_label("Scale Dark")).to_have_value("no")
    bias = page.get_by_role("group", name="Bias Frame (optional)")
    await bias.get_by_role("radio").first.check()
    await start(page)
    await expect(page.locator(".operation")).to_have_count(2)
    async with await as_demo(admin) as demo:
        again = (await demo.operations(session))[-1]
        assert len(again["input_data"]["bias_file"]) == 1
        assert len(again["input_data"]["input_files"]) == 4
        await demo.start(session, "Misbehave", {"how": "bug"})
    await expect(page.locator(".operation.failed", has_text="Misbehave")).to_contain_text("This is a fault of Datalab.")


async def test_who_may_look_sees_everything_live_and_no_button_that_would_fail(visitor, lab):
    admin, _ = lab
    session = await new_session(admin, "Seen by others")
    await shared(admin, session, "looker")
    owner, looker = await visitor(), await visitor("looker")
    for page in (owner, looker):
        await open_session(page, session, "Seen by others")
    await expect(looker.get_by_text(f"of {DEMO_USER}; you may look")).to_be_visible()
    await choose_operation(owner, "Median")
    await start(owner)
    done = looker.locator(".operation.completed")
    await expect(done).to_have_count(1)
    await expect(done.locator("img")).to_be_visible()
    assert await looker.locator("main").get_by_role("button").all_text_contents() == ["Graph"]
    await owner.get_by_role("button", name="Rename").click()
    await owner.get_by_label("Name").fill("Named anew")
    await owner.get_by_role("button", name="Save").click()
    await expect(looker.get_by_role("heading", name="Named anew")).to_be_visible()
    # From now on they may compute; the page says so without being asked.
    async with await as_demo(admin) as demo:
        await demo.share_with_user(session, "looker", role="editor")
    await choose_operation(looker, "Normalization")
    await looker.get_by_role("button", name="Choose all 1").click()  # the frames are the owner's only
    await start(looker)
    await expect(owner.locator(".operation[aria-label^=Normalization]")).to_have_count(1)
    await owner.locator(".operation[aria-label^=Median]").get_by_role("button", name="Remove").click()
    await owner.get_by_role("button", name="Delete now").click()
    await expect(looker.locator(".operation[aria-label^=Median]")).to_have_count(0)


async def test_a_session_that_goes_while_it_is_looked_at_says_so(visitor, lab):
    admin, _ = lab
    kept, deleted = await new_session(admin, "Withdrawn"), await new_session(admin, "Deleted")
    await shared(admin, kept, "guest")
    guest, owner = await visitor("guest"), await visitor()
    await open_session(guest, kept, "Withdrawn")
    await open_session(owner, deleted, "Deleted")
    async with await as_demo(admin) as demo:
        await demo.unshare_with_user(kept, "guest")
        await demo.delete_session(deleted)
    await expect(guest.get_by_role("alert")).to_contain_text("not shared with you any more")
    await expect(owner.get_by_role("alert")).to_contain_text("The session was deleted.")
    await owner.get_by_role("alert").get_by_role("link", name="Go to your sessions").click()
    await expect(owner.get_by_role("heading", name="Sessions")).to_be_visible()
    visitor.faults.clear()  # the browser tells that the session could not be read any more


async def test_after_a_cut_connection_the_session_is_as_it_is_now(visitor, lab):
    admin, _ = lab
    session = await new_session(admin, "Cut off")
    page = await visitor()
    await open_session(page, session, "Cut off")
    await expect(page.get_by_text("live", exact=True)).to_be_visible()
    await page.context.set_offline(True)
    async with await as_demo(admin) as demo:
        night = (await admin.call("GET", "frames/", params={"limit": 3}))["results"]
        median = await demo.start(session, "Median", {"input_files": frames_of(night)})
        sleeping = await demo.start(session, "Sleep", LONG)
        await demo.ended(session, median["id"])
        await page.context.set_offline(False)
        await expect(page.locator(".operation.completed")).to_have_count(1)
        await expect(page.locator(".operation.in_progress")).to_have_count(1)
        await demo.cancel(session, sleeping["id"])
    await expect(page.locator(".operation.cancelled")).to_have_count(1)
    visitor.faults.clear()  # the browser tells of the lost connection


async def test_what_was_started_while_nobody_answered_is_started_once(visitor, lab):
    admin, _ = lab
    session = await new_session(admin, "Lost answer")
    page = await visitor()
    await open_session(page, session, "Lost answer")
    await choose_operation(page, "Median")
    lost = []

    async def lose(route):
        """Let the first request reach the server, and its answer nobody."""
        if route.request.method != "POST" or lost:
            await route.continue_()
            return
        lost.append(await route.fetch())
        await route.abort()

    await page.route("**/api/datasessions/*/operations", lose)
    await start(page)
    await expect(page.get_by_text("The server does not answer.")).to_be_visible()
    await start(page)
    await expect(page.locator(".wizard")).to_have_count(0)
    await expect(page.locator(".operation")).to_have_count(1)
    async with await as_demo(admin) as demo:
        assert len(await demo.operations(session)) == 1
    visitor.faults.clear()  # the browser tells of the lost answer
