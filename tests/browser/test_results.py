"""What operations have found, in charts: looked at, folded, opened and saved; against what the API answers."""

import csv
import io
import json
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image
from playwright.async_api import expect

from support.own_files import send_own
from support.two_nights import PERIOD_DAYS, two_nights

#: A machine that is busy takes its time.
WITHIN_MS = 120_000
expect.set_options(timeout=WITHIN_MS)
RADII = {"aperture_radius": 7.64, "annulus_inner_radius": 12.73, "annulus_outer_radius": 19.1}
STARS = {"min_comparisons": 5, "max_comparisons": 10}
SVG = "{http://www.w3.org/2000/svg}"
JULIAN_DATE = "JD_UTC_mid [d]"


@pytest.fixture(scope="module")
async def measured(lab):
    """A user with a light curve of a variable star; the session's number and the output as the API answers it."""
    admin, url = lab
    nights = two_nights(exposures=8, reduced=True)
    async with admin.as_user(await admin.add_user("observer")) as me:
        frames = [{"source": "archive", "basename": name} for name in (await send_own(me, nights.red)).values()]
        session = await me.add_session("Variable", frames)
        source = {"name": nights.star.name, "ra": nights.star.ra_deg, "dec": nights.star.dec_deg}
        given = {"source": source, "input_files": frames, **RADII, **STARS}
        operation = await me.start(session["id"], "Aperture Photometry", given)
        ended = await me.ended(session["id"], operation["id"])
        assert ended["state"] == "COMPLETED", ended["message"]
    (output,) = ended["output"]["output_data"]
    return f"{url}#/session/{session['id']}", output


@pytest.fixture
async def page(visitor, measured):
    page = await visitor("observer")
    page.set_default_timeout(WITHIN_MS)
    await page.goto(measured[0])
    await expect(page.locator(".chart canvas").first).to_be_visible()
    return page


async def saved(page, kind, number=0):
    """Return the name and the bytes of what a chart saves."""
    async with page.expect_download() as download:
        await page.get_by_role("button", name=f"Save {kind}").nth(number).click()
    file = await download.value
    return file.suggested_filename, (await file.path()).read_bytes()


async def rows_saved(page, number=0):
    name, content = await saved(page, "CSV", number)
    assert name.endswith(".csv")
    return list(csv.DictReader(io.StringIO(content.decode())))


async def by_time(page):
    """Show the curve unfolded; its chart is another one then."""
    await page.get_by_role("button", name="By time").click()
    await expect(page.get_by_text("phase 0 at")).to_have_count(0)


async def test_what_is_saved_is_what_the_operation_found(page, measured):
    rows = await rows_saved(page)
    points = measured[1]["light_curve"]
    assert [float(row[JULIAN_DATE]) for row in rows] == [point["julian_date"] for point in points]
    assert [float(row["BJD_TDB_mid [d]"]) for row in rows] == [point["bjd_tdb"] for point in points]
    mjd = [point["julian_date"] - 2400000.5 for point in points]
    assert [float(row["MJD_UTC_mid [d]"]) for row in rows] == pytest.approx(mjd, abs=1e-8)
    assert [float(row["magnitude [mag]"]) for row in rows] == [point["mag"] for point in points]
    assert [float(row["magnitude_error [mag]"]) for row in rows] == [point["magerr"] for point in points]
    assert [row["frame"] for row in rows] == [point["fits_path"] for point in points]


async def test_a_curve_is_folded_at_the_period_found_and_by_hand(page, measured):
    found = measured[1]["period"]
    assert found == pytest.approx(PERIOD_DAYS, rel=0.01)
    period = page.get_by_label("Period, days")
    assert float(await period.input_value()) == pytest.approx(found, rel=1e-8)
    first = measured[1]["light_curve"][0]["julian_date"]

    async def phases():
        rows = await rows_saved(page)
        (column,) = (name for name in rows[0] if name.startswith("phase_at_"))
        times = [float(row[JULIAN_DATE]) for row in rows]
        return times, [float(row[column]) for row in rows]

    await period.fill(str(PERIOD_DAYS))
    times, shown = await phases()
    assert shown == pytest.approx([(time - first) / PERIOD_DAYS % 1.0 for time in times], abs=1e-6)
    # The star swings as a sine of this period; a wrong one would leave more than its errors.
    magnitudes = np.array([point["mag"] for point in measured[1]["light_curve"]])
    turn = 2 * np.pi * np.array(shown)
    design = np.stack([np.ones_like(turn), np.sin(turn), np.cos(turn)], axis=1)
    left = magnitudes - design @ np.linalg.lstsq(design, magnitudes, rcond=None)[0]
    assert left.std() < 0.05

    await page.get_by_label("Epoch, JD").fill(str(first - 0.025))
    assert (await phases())[1][0] == pytest.approx(0.25, abs=1e-6)
    await page.get_by_role("button", name="Twice").click()
    await expect(period).to_have_value("0.2")
    await page.get_by_label("Finely").press("ArrowRight")
    assert 0.2 < float(await period.input_value()) < 0.201
    await page.get_by_role("button", name="As found").click()
    assert float(await period.input_value()) == pytest.approx(found, rel=1e-8)


@pytest.mark.parametrize("text", ["0", "-0.1", "half a day", "1e999"])
async def test_a_period_that_is_none_is_refused_beside_it_and_the_curve_stays(page, text):
    period = page.get_by_label("Period, days")
    await period.fill(text)
    await expect(page.get_by_text("A period is a number of days above 0")).to_be_visible()
    await expect(period).to_have_attribute("aria-invalid", "true")
    await expect(page.get_by_role("button", name="Twice")).to_be_disabled()
    assert "phase" not in " ".join((await rows_saved(page))[0])
    await page.get_by_role("button", name="By time").click()
    await expect(page.get_by_text("A period is a number of days above 0")).to_have_count(0)


async def test_a_peak_that_is_clicked_is_what_the_curve_is_folded_at(page, measured):
    await page.get_by_label("Period, days").fill("")
    plot = page.locator(".periodogram .u-over").first
    box = await plot.bounding_box()
    powers = await rows_saved(page, number=1)
    frequencies = [float(row["frequency [1/d]"]) for row in powers]
    assert frequencies == measured[1]["frequency"]
    # The axis goes a little beyond what it shows.
    margin = 0.04 * (frequencies[-1] - frequencies[0])
    place = (1 / measured[1]["period"] - frequencies[0] + margin) / (frequencies[-1] - frequencies[0] + 2 * margin)
    await plot.click(position={"x": place * box["width"] + 3, "y": box["height"] / 2})
    folded = float(await page.get_by_label("Period, days").input_value())
    assert folded == pytest.approx(measured[1]["period"], rel=1e-8)
    await expect(page.get_by_role("button", name="Fold at").first).to_have_attribute("aria-pressed", "true")


async def test_pictures_are_of_the_same_points(page, measured):
    await by_time(page)
    name, content = await saved(page, "SVG")
    assert name == "light-curve-of-sim-variable-rp.svg"
    root = ET.fromstring(content)
    assert not root.findall(f".//{SVG}image")
    circles = [(float(each.get("cx")), float(each.get("cy"))) for each in root.findall(f".//{SVG}g/{SVG}circle")]
    points = measured[1]["light_curve"]
    assert len(circles) == len(points)
    x, y = np.array(circles).T
    times = np.array([point["julian_date"] for point in points])
    magnitudes = np.array([point["mag"] for point in points])
    # Straight to the right with time, and upwards with light.
    assert np.corrcoef(x, times)[0, 1] == pytest.approx(1.0, abs=1e-6)
    assert np.corrcoef(y, magnitudes)[0, 1] == pytest.approx(1.0, abs=1e-4)
    texts = [each.text for each in root.iter(f"{SVG}text")]
    assert "magnitude, rp" in texts
    assert any(text.startswith("JD (UTC)") for text in texts)
    name, content = await saved(page, "PNG")
    picture = Image.open(io.BytesIO(content))
    assert picture.size == (2 * int(root.get("width")), 2 * int(root.get("height")))
    assert len(picture.convert("RGB").getcolors(maxcolors=2**24)) > 4


async def test_a_point_is_reached_by_keys_says_what_it_is_and_opens_its_frame(page, measured):
    await page.get_by_role("button", name="By time").click()
    first = measured[1]["light_curve"][0]
    plot = page.get_by_role("application").first
    await plot.focus()
    await page.keyboard.press("Home")
    said = page.locator(".chart .said").first
    await expect(said).to_contain_text(f"{first['mag']:.3f} mag")
    await expect(said).to_contain_text(f"JD (UTC) {first['julian_date']:.5f}")
    await page.keyboard.press("+")
    await page.keyboard.press("0")
    await page.keyboard.press("Enter")
    basename = first["fits_path"].rpartition("/")[2]
    await expect(page).to_have_url(re.compile(re.escape("#/image/archive/")))
    ra, dec = (float(page.url.partition(f"{key}=")[2].partition("&")[0]) for key in ("ra", "dec"))
    assert (ra, dec) == (first["target_ra_deg"], first["target_dec_deg"])
    await expect(page.locator(".stage canvas").first).to_be_visible()
    await expect(page.get_by_text(basename).first).to_be_visible()


async def test_the_table_has_every_point_and_leads_to_its_frame(page, measured):
    await page.get_by_text(f"Points: {len(measured[1]['light_curve'])} rows").click()
    table = page.get_by_role("region", name="Points")
    await expect(table.get_by_role("row")).to_have_count(1 + len(measured[1]["light_curve"]))
    await expect(table.get_by_role("columnheader", name="BJD_TDB_mid [d]")).to_be_visible()
    await table.get_by_role("link").first.click()
    await expect(page.locator(".stage canvas").first).to_be_visible()


async def test_dragging_zooms_and_opens_nothing_and_a_double_click_shows_all(page, measured):
    await by_time(page)
    over = page.locator(".u-over").first
    await over.scroll_into_view_if_needed()
    box = await over.bounding_box()

    async def points_in_the_picture():
        root = ET.fromstring((await saved(page, "SVG"))[1])
        x = [float(each.get("cx")) for each in root.findall(f".//{SVG}g/{SVG}circle")]
        return sum(84 <= each <= 884 for each in x)

    everything = len(measured[1]["light_curve"])
    assert await points_in_the_picture() == everything
    await page.mouse.move(box["x"] + 4, box["y"] + 4)
    await page.mouse.down()
    await page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 4, steps=4)
    await page.mouse.up()
    assert await points_in_the_picture() == everything / 2  # the first night
    assert "#/session/" in page.url
    await over.dblclick(position={"x": box["width"] - 6, "y": 6})
    assert await points_in_the_picture() == everything


async def shown_instead(page, measured, output):
    """Show another output in the place of the one there is."""

    async def answer(route):
        reply = await route.fetch()
        session = await reply.json()
        session["operations"][0]["output"]["output_data"] = [output]
        await route.fulfill(response=reply, body=json.dumps(session))

    await page.route(re.compile(r"/api/datasessions/\d+/?$"), answer)
    await page.reload()


async def test_a_curve_without_points_says_so(page, measured):
    empty = {**measured[1], "light_curve": [], "period": None, "frequency": [], "power": [], "period_candidates": []}
    await shown_instead(page, measured, empty)
    await expect(page.get_by_text("The light curve has no points")).to_be_visible()
    await expect(page.get_by_label("Period, days")).to_have_count(0)


async def test_what_was_not_seen_is_a_limit_and_what_is_doubtful_says_why(page, measured):
    first, second, *others = measured[1]["light_curve"]
    faint = {**first, "mag": None, "magerr": None, "target_magnitude_limit": 17.25, "notes": ["Clouds came in."]}
    doubtful = {**second, "notes": ["A neighbour's light is in the aperture."]}
    await shown_instead(page, measured, {**measured[1], "light_curve": [faint, doubtful, *others]})
    await expect(page.get_by_text("not seen: fainter than this")).to_be_visible()
    await by_time(page)
    plot = page.get_by_role("application").first
    await plot.focus()
    await page.keyboard.press("Home")
    said = page.locator(".chart .said").first
    await expect(said).to_contain_text("fainter than 17.25 mag")
    await expect(said).to_contain_text("Clouds came in.")
    await page.keyboard.press("ArrowRight")
    await expect(said).to_contain_text("A neighbour's light is in the aperture.")
    root = ET.fromstring((await saved(page, "SVG"))[1])
    assert len(root.findall(f".//{SVG}g/{SVG}polygon")) == 1


async def test_a_cluster_is_coloured_by_membership(page, measured):
    rng = np.random.default_rng(5)
    stars = [
        {"ra": 10.0, "dec": 5.0, "color": c, "mag": 12 + 4 * c, "magerr": 0.01, "probability": p, "member": p > 0.6,
         "gaia_match": True, "gaia_only": False}
        for c, p in rng.random((1_500, 2)).tolist()
    ]  # fmt: skip
    diagram = {"cmd": stars, "cluster": {"name": "M 67", "ra": 10.0, "dec": 5.0, "radius_arcmin": 15.0},
               "blue_filter": "gp", "red_filter": "rp", "mag_band": "rp", "member_threshold": 0.6,
               "n_members": sum(star["member"] for star in stars), "notes": ["Two of three."]}  # fmt: skip
    await shown_instead(page, measured, diagram)
    await expect(page.get_by_text("80 to 100 % member")).to_be_visible()
    await expect(page.get_by_text("Two of three.")).to_be_visible()
    root = ET.fromstring((await saved(page, "SVG"))[1])
    assert len(root.findall(f".//{SVG}g/{SVG}circle")) == len(stars)
    await page.get_by_label("Only members, from 60 % on").check()
    await expect(page.get_by_text("0 to 20 % member")).to_have_count(0)
    root = ET.fromstring((await saved(page, "SVG"))[1])
    assert len(root.findall(f".//{SVG}g/{SVG}circle")) == diagram["n_members"]
    assert len(await rows_saved(page)) == len(stars)


async def test_what_nobody_foresaw_is_a_table(page, measured):
    unknown = {"candidates": [{"name": "a", "score": 0.5}, {"name": "b", "score": 0.25}], "limit_mag": 19.5}
    await shown_instead(page, measured, unknown)
    await expect(page.get_by_text("Limit mag")).to_be_visible()
    await page.get_by_text("Candidates: 2 rows").click()
    rows = await rows_saved(page)
    assert rows == [{"name": "a", "score": "0.5"}, {"name": "b", "score": "0.25"}]
