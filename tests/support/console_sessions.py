"""Sessions that tests of the console look at."""

from playwright.async_api import expect

from datalab.cli.work.demonstration import DEMO_USER
from datalab.client.rest import Datalab


def frames_of(night):
    """Return frames of the archive as items of a session."""
    return [{"source": "archive", "basename": frame["basename"]} for frame in night]


async def as_demo(admin):
    """Return what speaks for the demonstration's user."""
    return admin.as_user(await admin.add_token(DEMO_USER))


async def new_session(admin: Datalab, name: str, *, frames: int = 4) -> int:
    """Make a session of the demonstration's user with so many frames of the demonstration; return its number."""
    night = (await admin.call("GET", "frames/", params={"limit": frames}))["results"]
    assert len(night) == frames
    async with await as_demo(admin) as demo:
        return (await demo.add_session(name, frames_of(night)))["id"]


async def open_session(page, session, name):
    """Go to a session's screen."""
    await page.evaluate("to => { location.hash = to; }", f"/session/{session}")
    await expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()


async def choose_operation(page, name):
    """Open the wizard and choose an operation of this name."""
    await page.get_by_role("button", name="New operation", exact=True).click()
    await choose_offered(page, name)


async def choose_offered(page, name):
    """Choose an operation in the wizard that is open."""
    await page.locator(".offers strong", has_text=name).get_by_text(name, exact=True).click()
    await expect(page.get_by_role("heading", name=name, level=2)).to_be_visible()


async def start(page):
    await page.get_by_role("button", name="Start", exact=True).click()
