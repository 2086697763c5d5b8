import asyncio
import hashlib
import io
import re
from datetime import date, datetime, timedelta

import numpy as np
import pytest
from astropy.io import fits

from datalab.simulation.detector import Camera
from datalab.simulation.observatory import MOVING_OBJECT, VARIABLE_STAR, NightPlan, SimulatedObservatory, play
from datalab.simulation.site import Site
from datalab.simulation.sky import StarField

NAME = re.compile(r"[a-z0-9]{3,6}-[a-z0-9]+-\d{8}-\d{8}-EX(00\.txt|10\.jpg|00\.fits\.(fz|bz2))")
OBSERVATORY = SimulatedObservatory(camera=Camera(rows=128, columns=128), seed=8)


class Recorder:
    """Stands for object store and bus; keeps the order of calls and how many uploads ran at once."""

    def __init__(self):
        self.uploads, self.announcements, self.running, self.most_running = [], [], 0, 0

    async def upload(self, key, content):
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        await asyncio.sleep(0)
        self.running -= 1
        self.uploads.append((key, content))

    async def announce(self, site, object_key, size_bytes, sha256):
        self.announcements.append((site, object_key, size_bytes, sha256))


def night(**changes):
    return OBSERVATORY.night(NightPlan(**({"n_exposures": 2} | changes)))


@pytest.fixture(scope="module")
def files():
    return list(night())


def test_each_exposure_gives_header_text_jpeg_and_fits(files):
    assert [file.object_name for file in files] == [
        "sim-sq001ms-20260314-00000001-EX00.txt",
        "sim-sq001ms-20260314-00000001-EX10.jpg",
        "sim-sq001ms-20260314-00000001-EX00.fits.fz",
        "sim-sq001ms-20260314-00000002-EX00.txt",
        "sim-sq001ms-20260314-00000002-EX10.jpg",
        "sim-sq001ms-20260314-00000002-EX00.fits.fz",
    ]
    assert all(NAME.fullmatch(file.object_name) for file in files)
    assert files[0].object_key == "data/sim-sq001ms-20260314-00000001-EX00.txt"
    assert {len(file.base_name) for file in files} == {29}  # what the old database column held


def test_the_same_seed_makes_the_same_bytes_and_another_seed_others(files):
    assert [file.content for file in night()] == [file.content for file in files]
    other = SimulatedObservatory(camera=OBSERVATORY.camera, seed=9).night(NightPlan(n_exposures=1))
    assert [file.content for file in other] != [file.content for file in files[:3]]


def test_the_files_are_of_one_exposure(files):
    text, _, image = files[:3]
    with fits.open(io.BytesIO(image.content)) as hdus:
        header = hdus["SCI"].header
        assert np.array_equal(hdus["SCI"].data, image.exposure.pixels)
        for key in ("DATE-OBS", "FILTER", "AIRMASS", "CRPIX1", "FRAMENUM", "ORIGNAME"):
            assert fits.Header.fromstring(text.content.decode("ascii"))[key] == header[key]


def test_the_header_follows_the_field_across_the_sky():
    exposures = list(OBSERVATORY.exposures(NightPlan(n_exposures=5, cadence_s=3600.0)))
    altitudes = [e.header["ALTITUDE"] for e in exposures]
    assert np.argmax(altitudes) == 2
    assert altitudes[2] == pytest.approx(80.0, abs=2.0)
    airmass = [e.header["AIRMASS"] for e in exposures]
    assert np.argmin(airmass) == 2
    assert exposures[0].header["AZIMUTH"] < 180.0 < exposures[4].header["AZIMUTH"]
    starts = [datetime.fromisoformat(e.header["DATE-OBS"]) for e in exposures]
    assert np.diff(starts).tolist() == [timedelta(hours=1)] * 4
    assert {e.header["DAY-OBS"] for e in exposures} == {"20260314"}


def test_seeing_drift_and_transparency_wander():
    exposures = list(OBSERVATORY.exposures(NightPlan(n_exposures=6)))
    assert len({e.header["FWHMASEC"] for e in exposures}) == 6
    crpix = np.array([(e.header["CRPIX1"], e.header["CRPIX2"]) for e in exposures])
    assert np.all(np.ptp(crpix, axis=0) > 0.1)
    assert np.all(np.ptp(crpix, axis=0) < 5.0)


def test_the_demonstration_field_holds_its_variable_and_its_asteroid():
    first, last = OBSERVATORY.exposures(NightPlan(n_exposures=2, cadence_s=0.05 * 86400 / 2))
    for name in (VARIABLE_STAR, MOVING_OBJECT):
        assert name in first.truth.names
        assert name in last.truth.names
    change_mag = (
        first.truth.magnitude[first.truth.index(VARIABLE_STAR)] - last.truth.magnitude[last.truth.index(VARIABLE_STAR)]
    )
    assert abs(change_mag) > 0.3
    assert not first.truth.is_moving[first.truth.index(VARIABLE_STAR)]
    assert first.truth.is_moving[first.truth.index(MOVING_OBJECT)]


def test_the_target_may_be_the_moving_object():
    (exposure,) = OBSERVATORY.exposures(NightPlan(n_exposures=1, target=MOVING_OBJECT))
    assert (exposure.header["OBJECT"], exposure.header["SRCTYPE"]) == (MOVING_OBJECT, "MINORPLANET")
    truth_ra = exposure.truth.ra_deg[exposure.truth.index(MOVING_OBJECT)]
    assert exposure.header["OBJCTRA"] == pytest.approx(truth_ra, abs=1.0 / 3600.0)


def test_an_unknown_target_and_a_field_below_the_horizon_are_refused():
    with pytest.raises(ValueError, match="Vulcan"):
        next(OBSERVATORY.exposures(NightPlan(target="Vulcan")))
    with pytest.raises(ValueError, match="altitude"):
        next(OBSERVATORY.exposures(NightPlan(), StarField(centre_ra_deg=0.0, centre_dec_deg=-80.0)))


def test_filters_alternate_and_smart_stacks_gather_frames_of_one_filter():
    plan = NightPlan(n_exposures=8, filters=("gp", "rp"), smart_stack_length=2)
    headers = [e.header for e in OBSERVATORY.exposures(plan)]
    assert [h["FILTER"] for h in headers] == ["gp", "rp"] * 4
    assert [h["SSTKNUM"] for h in headers] == [0, 0, 1, 1] * 2
    assert {h["SSTKLEN"] for h in headers} == {2}
    stacks = [h["SMARTSTK"] for h in headers]
    assert stacks[0] == stacks[2] != stacks[1] == stacks[3]
    assert len(set(stacks)) == 4
    assert all(re.fullmatch(r"\d{12}", stack) for stack in stacks)


def test_calibrations_come_first_and_counters_run_on():
    plan = NightPlan(n_exposures=1, filters=("B", "V"), n_calibrations=2, first_counter=70)
    headers = [e.header for e in OBSERVATORY.exposures(plan)]
    assert [h["OBSTYPE"] for h in headers] == ["BIAS"] * 2 + ["DARK"] * 2 + ["SKYFLAT"] * 4 + ["EXPOSE"]
    assert [h["FILTER"] for h in headers[4:]] == ["B", "B", "V", "V", "B"]
    assert [h["FRAMENUM"] for h in headers] == list(range(70, 79))
    assert [h["DATE-OBS"] for h in headers] == sorted(h["DATE-OBS"] for h in headers)


def test_site_instrument_and_date_make_the_name():
    observatory = SimulatedObservatory(
        site=Site(code="mrc", longitude_deg=-119.7), instrument="kb001ms", camera=OBSERVATORY.camera
    )
    plan = NightPlan(evening=date(2022, 6, 29), n_exposures=1, first_counter=10442, compression="bz2")
    names = [file.object_name for file in observatory.night(plan)]
    assert names[0] == "mrc-kb001ms-20220629-00010442-EX00.txt"
    assert names[2] == "mrc-kb001ms-20220629-00010442-EX00.fits.bz2"
    assert all(NAME.fullmatch(name) for name in names)


async def test_play_sends_text_and_jpeg_side_by_side_then_the_fits(files):
    world = Recorder()
    assert await play(files, uploader=world, announcer=world) == 6
    endings = [key[-4:] for key, _ in world.uploads]
    assert [set(endings[:2]), endings[2], set(endings[3:5]), endings[5]] == [
        {".txt", ".jpg"},
        "s.fz",
        {".txt", ".jpg"},
        "s.fz",
    ]
    assert world.most_running == 2


async def test_what_is_announced_is_what_was_uploaded(files):
    world = Recorder()
    await play(files, uploader=world, announcer=world)
    content = dict(world.uploads)
    assert {announcement[1] for announcement in world.announcements} == set(content)
    for site, key, size, sha256 in world.announcements:
        assert (site, size) == ("sim", len(content[key]))
        assert sha256 == hashlib.sha256(content[key]).hexdigest()


async def test_a_shuffled_night_has_all_files_in_an_order_of_its_seed(files):
    orders = []
    for seed in (1, 1, 2):
        world = Recorder()
        await play(files, uploader=world, announcer=world, order="shuffled", shuffle_seed=seed)
        orders.append([key for key, _ in world.uploads])
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == sorted(file.object_key for file in files)


async def test_every_third_file_may_be_sent_twice(files):
    world = Recorder()
    assert await play(files, uploader=world, announcer=world, order="shuffled", repeat_every=3) == 8
    keys = [key for _, key, _, _ in world.announcements]
    assert len(keys) - len(set(keys)) == 2


async def test_a_file_is_not_announced_when_its_upload_fails(files):
    class Broken(Recorder):
        async def upload(self, key, content):
            if key.endswith(".fits.fz"):
                raise OSError("no route to the store")
            await super().upload(key, content)

    world = Broken()
    with pytest.raises(ExceptionGroup) as failure:
        await play(files, uploader=world, announcer=world)
    assert failure.group_contains(OSError, match="no route")
    assert {key[-4:] for _, key, _, _ in world.announcements} == {".txt", ".jpg"}


async def test_exposures_keep_their_distance_in_time(files):
    world = Recorder()
    clock = asyncio.get_running_loop().time
    began = clock()
    await play(files, uploader=world, announcer=world, interval_s=0.05)
    assert clock() - began >= 0.05
