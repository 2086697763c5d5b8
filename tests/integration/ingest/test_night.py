"""A night of the simulated observatory, shuffled and with repetitions, becomes the frames it consists of."""

import pytest

from datalab.events.frames import FileRejected, FrameIngested
from datalab.simulation.detector import Camera
from datalab.simulation.observatory import NightPlan, SimulatedObservatory, play
from support.ingest_service import running, settings_for_tests, surroundings
from support.waiting import until


class Wire:
    """Takes what the simulated observatory sends to the real servers."""

    def __init__(self, observatory):
        self._observatory = observatory

    async def upload(self, key, content):
        await self._observatory.put(key.removeprefix("data/"), content)

    async def announce(self, site, object_key, size_bytes, sha256):
        await self._observatory.announce(object_key, site=site, size_bytes=size_bytes, sha256=sha256)


async def test_a_shuffled_night(settings_environment, tmp_path):
    settings = settings_for_tests(tmp_path)
    simulated = SimulatedObservatory(camera=Camera(rows=128, columns=160), seed=3)
    files = list(simulated.night(NightPlan(n_exposures=4, filters=("rp", "gp"), n_calibrations=1)))
    exposures = {file.base_name: file.exposure for file in files}
    async with surroundings(settings) as observatory, running(settings):
        wire = Wire(observatory)
        await play(files, uploader=wire, announcer=wire, order="shuffled", repeat_every=3)

        async def all_told():
            told = await observatory.all_told(FrameIngested)
            return told if len(told) >= len(files) else None

        told = await until(all_told)
        assert sorted(event.key for event in told) == sorted(file.object_key for file in files)
        assert await observatory.all_told(FileRejected) == []
        assert await observatory.database["frames"].count_documents({}) == len(exposures)
        for base, exposure in exposures.items():
            frame = await observatory.frame(base, files=3)
            header = exposure.header
            assert (frame["header_source"], frame["notes"]) == ("text", [])
            assert frame["exposure_time_s"] == header["EXPTIME"]
            assert frame["filter_name"] == header["FILTER"]
            assert frame["observation_date"].isoformat(timespec="milliseconds")[:23] == header["DATE-OBS"]
            assert frame["configuration_type"] == header["OBSTYPE"]
            if "CRVAL1" in header:
                assert frame["right_ascension_deg"] == pytest.approx(header["CRVAL1"])
                assert len(frame["footprint"]) == 4
