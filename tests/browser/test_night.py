"""The night screen: frames as they arrive, what is looked for among them, and what is chosen."""

from datetime import timedelta

import pytest
from playwright.async_api import expect

from datalab.events.envelope import utc_now
from datalab.platform.documents.client import DocumentStore
from session_api.names.model import KnownName
from session_api.names.repository import NameRepository
from support.arriving_frames import Ingest, Observatory, basename

expect.set_options(timeout=90_000)
#: How often one goes on to the end of the list, at the most.
TRIES = 200
#: More than these are not drawn, however many there are.
MOST_DRAWN = 150
#: Returns how far the top of a tile is from that of the window, null if it is not drawn.
TOP_OF = """name => document.querySelector(`[data-frame="${name}"]`)?.getBoundingClientRect().top ?? null"""
IN_SIGHT = """() => [...document.querySelectorAll(".tile")]
    .find(tile => tile.getBoundingClientRect().top > innerHeight / 3).dataset.frame"""


@pytest.fixture
def astronomer(visitor, lab):
    """Opens the page of a user with a proposal of their own, so that they see nothing of other tests."""

    async def visit(name, **options):
        admin, _ = lab
        await admin.add_user(name, proposals=[name])
        return await visitor(name, **options)

    return visit


async def test_the_feed_is_cut_and_resumed(astronomer, system, visitor):
    page, links = await astronomer("unplugged"), []

    def plug(route):
        links.append(route)
        if lost:
            route.close()
        else:
            route.connect_to_server()

    lost = []
    await page.route_web_socket("**/api/feed", plug)
    await page.reload()
    await expect(page.get_by_text("live", exact=True)).to_be_visible()
    async with Observatory(system, "cut", proposal="unplugged") as observatory:
        await observatory.send([1])
        await expect(page.locator(".tile")).to_have_count(1)
        lost.append(True)
        await links[-1].close()
        await expect(page.get_by_text("connecting …")).to_be_visible()
        await observatory.send([2, 3])
        lost.clear()
        # What arrived in between is there, without anything being asked; and what follows.
        await expect(page.locator(".tile")).to_have_count(3)
        await observatory.send([4])
        await expect(page.locator(".tile")).to_have_count(4)
    visitor.faults.clear()  # the browser tells of what was lost


async def test_frames_are_found_by_what_they_are_and_sorted(astronomer, system):
    page = await astronomer("searcher")
    async with Observatory(system, "sch", proposal="searcher") as observatory:
        await observatory.send(range(1, 9))
    tiles = page.locator(".tile")
    await expect(tiles).to_have_count(8)
    await page.get_by_role("button", name="Search and filters").click()
    await page.get_by_role("combobox", name="Filter").select_option("rp")
    await expect(tiles).to_have_count(4)
    await page.get_by_label("Target contains").fill("field 4")
    await page.get_by_role("button", name="Search", exact=True).click()
    await expect(tiles).to_have_count(1)
    # It is in the address: another page shows the same.
    await page.reload()
    await expect(tiles).to_have_count(1)
    await expect(page.get_by_label("Target contains")).to_have_value("field 4")
    await page.get_by_role("button", name="Show all again").click()
    await expect(tiles).to_have_count(8)
    # A night is named by the day it begins on; its morning is another day.
    await page.get_by_label("Night", exact=True).fill("2026-03-13")
    await expect(page.get_by_text("that fit: they appear here")).to_be_visible()
    await page.get_by_role("button", name="The night after").click()
    await expect(tiles).to_have_count(8)
    await page.get_by_role("button", name="Table").click()
    await page.get_by_role("button", name="Exposure").click()
    rows = page.locator(".frame-table tbody tr")
    await expect(rows).to_have_count(8)
    await expect(rows.first).to_contain_text("10 s")
    await page.get_by_role("button", name="Exposure").click()
    await expect(rows.first).to_contain_text("16 s")
    await expect(page.get_by_role("columnheader", name="Exposure")).to_have_attribute("aria-sort", "descending")


@pytest.fixture
async def known_name(system):
    """An object that the system has looked up before."""
    store = DocumentStore(system.mongo_settings)
    await NameRepository(store.database).keep(
        KnownName(
            name="the test nebula",
            main_name="NAME Test Nebula",
            right_ascension_deg=100.0,
            declination_deg=20.0,
            expires_at=utc_now() + timedelta(hours=1),
        )
    )
    await store.close()


async def test_frames_are_found_by_a_place_on_the_sky(astronomer, system, known_name):
    page = await astronomer("stargazer")

    def sky(ra, dec):
        axes = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 12.5, "CRPIX2": 12.5}
        return axes | {"CRVAL1": ra, "CRVAL2": dec, "CDELT1": -0.001, "CDELT2": 0.001}

    async with Observatory(system, "sky", proposal="stargazer") as observatory:
        await observatory.send([1], **sky(100.0, 20.0))
        await observatory.send([2], **sky(101.0, 20.0))
        await observatory.send([3])
    tiles = page.locator(".tile")
    await expect(tiles).to_have_count(3)
    await page.get_by_role("button", name="Search and filters").click()
    near, search = page.get_by_label("Near"), page.get_by_role("button", name="Search", exact=True)
    await near.fill("The  Test Nebula")
    await search.click()
    await expect(tiles).to_have_count(1)
    await expect(page.get_by_role("link", name="Field 1")).to_be_visible()
    await near.fill("06:44:00 +20:00:00")
    await search.click()
    await expect(page.get_by_role("link", name="Field 2")).to_be_visible()
    await expect(tiles).to_have_count(1)
    await page.get_by_label("within").fill("120")
    await search.click()
    await expect(tiles).to_have_count(2)
    # What is nowhere is said, and what was found stays.
    await near.fill("26:00:00 +20:00:00")
    await search.click()
    await expect(page.locator("#near-found")).to_contain_text("no place on the sky")
    await expect(near).to_have_attribute("aria-invalid", "true")
    await expect(tiles).to_have_count(2)
    await page.get_by_label("within").fill("-1")
    await near.fill("06:44:00 +20:00:00")
    await search.click()
    await expect(page.locator("#near-found")).to_contain_text("A radius is 0 to 2700 arcmin")


async def test_frames_are_chosen_in_ranges_and_put_into_a_session_there_is(astronomer, system, lab, visitor):
    admin, _ = lab
    page = await astronomer("chooser")
    async with admin.as_user(await admin.add_token("chooser")) as user:
        session = (await user.add_session("Mine already"))["id"]
    async with Observatory(system, "chs", proposal="chooser") as observatory:
        await observatory.send(range(1, 11))
        marks = page.locator(".tile .mark")
        await expect(marks).to_have_count(10)
        await marks.nth(1).check()
        await marks.nth(5).click(modifiers=["Shift"])
        await expect(page.get_by_label("New session of 5 frames")).to_be_visible()
        # What arrives meanwhile waits: no frame takes the place of one that is about to be chosen.
        await observatory.send([11])
        await expect(page.get_by_role("button", name="1 new frame: show")).to_be_visible()
        await expect(marks).to_have_count(10)
    await page.get_by_label("Put into").select_option("Mine already")
    await page.get_by_role("button", name="Add 5 frames").click()
    await page.get_by_role("link", name="Mine already").click()
    await expect(page.get_by_role("heading", name="Mine already")).to_be_visible()
    async with admin.as_user(await admin.add_token("chooser")) as user:
        names = [item["basename"] for item in (await user.session(session))["input_data"]]
    assert sorted(names) == [basename("chs", number) for number in range(5, 10)]
    await page.get_by_role("navigation").get_by_role("link", name="Night").click()
    await expect(marks).to_have_count(11)
    await page.get_by_role("button", name="Choose all").click()
    await expect(page.get_by_label("New session of 11 frames")).to_be_visible()
    await page.get_by_role("button", name="None", exact=True).click()
    await expect(page.get_by_label("New session of 0 frames")).to_be_visible()
    await expect(page.get_by_role("button", name="Create")).to_be_disabled()
    visitor.faults.clear()  # the browser tells of pictures that are not made yet


async def test_a_file_of_a_site_that_is_refused_is_told_to_who_looks_after_it(visitor, lab, system):
    admin, _ = lab
    await admin.add_user("keeper", superuser=True)
    page = await visitor("keeper")
    async with Observatory(system, "ref", proposal="keeper") as observatory:
        await observatory.send([1])
        await expect(page.get_by_role("option", name="ref")).to_be_attached()
        await page.get_by_label("Site").select_option("ref")
        await expect(page.get_by_role("link", name="Field 1")).to_be_visible()
        await observatory.announce(f"{basename('ref', 2)}-EX00.fits", b"no image " * 400)
    await page.get_by_text("files of sites were refused").click()
    await expect(page.locator(".refusals li")).to_contain_text("not a FITS file")


async def test_times_have_the_clock_of_the_site_beside_them(astronomer, system, lab):
    admin, _ = lab
    configuration = {"wema_name": "clk", "TZ_database_name": "America/Phoenix", "latitude": 34.7, "longitude": -111.8}
    await admin.put_site_configuration("clk", configuration)
    page = await astronomer("watchful")
    async with Observatory(system, "clk", proposal="watchful") as observatory:
        # The morning of the 15th in UTC is the evening of the 14th there.
        await observatory.send([1])
    await expect(page.get_by_role("heading", name="Night of 2026-03-14")).to_be_visible()
    await expect(page.locator(".tile")).to_contain_text("02:01:00 UTC")
    await expect(page.locator(".tile")).to_contain_text("03-14 19:01 local")
    await page.get_by_label("Site").select_option("clk")
    await page.get_by_label("Night", exact=True).fill("2026-03-14")
    await expect(page.locator(".tile")).to_have_count(1)
    await expect(page.locator(".sun")).to_contain_text("Sunset 01:")
    await page.get_by_role("button", name="The night before").click()
    await expect(page.locator(".tile")).to_have_count(0)


async def test_pictures_that_are_not_there_leave_the_place_they_need(astronomer, system):
    page = await astronomer("patient")
    await page.route("**/previews/**", lambda route: route.abort())
    async with Observatory(system, "pic", proposal="patient") as observatory:
        await observatory.send([1])
        await expect(page.locator(".tile")).to_have_count(1)
        box = await page.locator(".tile .picture").bounding_box()
        assert box["height"] == pytest.approx(0.75 * box["width"], abs=2)


async def test_frames_are_measured_and_sorted_by_how_good_they_are(visitor):
    page = await visitor()
    await page.get_by_role("button", name="Table").click()
    rows = page.locator(".frame-table tbody tr")
    await expect(rows).to_have_count(12)
    await expect(page.get_by_role("columnheader", name="FWHM")).to_have_count(0)
    for number in (1, 4, 7):
        await rows.nth(number).get_by_role("checkbox").check()
    await page.get_by_role("button", name="Measure how good 3 frames are").click()
    await expect(page.get_by_role("cell").filter(has_text="\N{DOUBLE PRIME}")).to_have_count(3)
    await page.get_by_role("button", name="FWHM").click()
    await expect(page.get_by_role("columnheader", name="FWHM")).to_have_attribute("aria-sort", "ascending")
    widths = [float((await rows.nth(place).locator("td").nth(2).text_content())[:-1]) for place in range(3)]
    # The sky of the simulation is seen at 2 arcsec, more or less.
    assert widths == sorted(widths)
    assert 1.0 < widths[0] <= widths[-1] < 4.0
    assert await rows.nth(3).locator("td").nth(2).text_content() == ""


async def test_a_thousand_frames_arrive_while_one_looks_at_others(astronomer, system, lab):
    _, url = lab
    page = await astronomer("thousand")
    async with Ingest(system, "thu", proposal="thousand") as ingest:
        await ingest.take_in(range(1, 61))
        await page.goto(f"{url}#/?site=thu&night=2026-03-14")
        await expect(page.get_by_text("60 frames", exact=True).first).to_be_visible()
        await page.evaluate("scrollTo(0, 700)")
        looked_at = await page.evaluate(IN_SIGHT)
        before = await page.evaluate(TOP_OF, looked_at)
        await ingest.take_in(range(61, 561))
        await expect(page.get_by_role("button", name="500 new frames: show")).to_be_visible()
        assert abs(await page.evaluate(TOP_OF, looked_at) - before) < 2
        # Who scrolls meanwhile is moved by that alone.
        await page.evaluate("scrollBy(0, 50)")
        assert abs(await page.evaluate(TOP_OF, looked_at) - (before - 50)) < 2
        await ingest.take_in(range(561, 1061))
        await expect(page.get_by_role("button", name="1000 new frames: show")).to_be_visible()
        assert abs(await page.evaluate(TOP_OF, looked_at) - (before - 50)) < 2
        await page.get_by_role("button", name="1000 new frames: show").click()
    await expect(page.get_by_text("1060 frames", exact=True)).to_be_visible()
    await expect(page.locator(f'[data-frame="{basename("thu", 1060)}"]')).to_be_visible()
    # To the very first, which is the last; only some are drawn at a time.
    first = page.locator(f'[data-frame="{basename("thu", 1)}"]')
    for _ in range(TRIES):
        assert await page.locator(".tile").count() <= MOST_DRAWN
        if await first.count():
            break
        await page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        await page.wait_for_timeout(250)
    await expect(first).to_have_attribute("aria-setsize", "1060")
