"""Downloads as the Photon Ranch user interface, scripts and OCS clients ask a running system for them."""

import bz2
import io
import json
import zipfile

import httpx
import numpy as np
import pytest
import tifffile
from astropy.io import fits
from astropy.wcs import WCS

from datalab.documents.file_names import Convention, parse_file_name
from support.waiting import PATIENCE_S


@pytest.fixture(scope="module")
def frame(tour):
    """A frame of the asteroid's night, which is a proposal's: alice may read it."""
    return tour.archive.of("asteroid")[0]


async def asked(tour, path, body, *, who=None):
    """Post a text without saying what it is, as Python scripts do; and again after 504."""
    headers = {"Authorization": who.http.headers["Authorization"]} if who else {}
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_S) as client:
        while True:
            reply = await client.post(
                f"{tour.system.api_url}{path}", content=json.dumps(body).encode(), headers=headers
            )
            if reply.status_code != 504:
                return reply


async def saved(link):
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_S) as browser:
        reply = await browser.get(link)
    assert reply.status_code == 200, reply.text
    return reply.content


async def large_name(tour, frame):
    """Return the name of the frame's FITS file as clients make it up."""
    (listed,) = (await tour.alice.get(f"frames/?basename_exact={frame.basename}"))["results"]
    return listed["version_set"][0]["key"].rpartition("/")[2], listed


@pytest.mark.parametrize("path", ["/api//download/", "/dev/download", "/download/"])
async def test_a_frame_as_fits_and_tiff(tour, frame, path):
    name, _ = await large_name(tour, frame)
    link = (await asked(tour, path, {"object_name": name, "s3_directory": "data"}, who=tour.alice)).text
    with fits.open(io.BytesIO(await saved(link))) as hdus:
        np.testing.assert_array_equal(hdus[0].data, frame.pixels())
    body = {"object_name": name, "image_type": "tif", "stretch": "linear"}
    link = (await asked(tour, path, body, who=tour.alice)).text
    made = tifffile.imread(io.BytesIO(bz2.decompress(await saved(link))))
    np.testing.assert_array_equal(made, frame.pixels())


async def test_a_night_as_an_archive(tour, frame):
    name, listed = await large_name(tour, frame)
    site = parse_file_name(name).site if parse_file_name(name).convention is Convention.PHOTON_RANCH else None
    assert site
    body = {"start_timestamp_s": 0, "end_timestamp_s": 4102444800, "fits_size": "Best", "site": site}
    reply = await asked(tour, "/api//downloadzip/", body, who=tour.alice)
    assert reply.status_code == 200, reply.text
    with zipfile.ZipFile(io.BytesIO(await saved(reply.json()["message"]))) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert name in names
        assert archive.read(name) == await saved(listed["url"])
    assert len(names) == len(set(names))
    for who in (tour.bob, None):  # who may read none of them
        reply = await asked(tour, "/downloadzip", body, who=who)
        assert reply.status_code in {200, 404}
        if reply.status_code == 404:
            assert reply.text == "No images exist for the given query."
        else:
            with zipfile.ZipFile(io.BytesIO(await saved(reply.json()["message"]))) as archive:
                assert name not in archive.namelist()


async def test_frames_as_ocs_clients_save_them(tour, frame):
    _, listed = await large_name(tour, frame)
    number = listed["id"]
    reply = await tour.alice.http.post("frames/zip/", json={"frame_ids": [number], "uncompress": True})
    assert reply.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(reply.content)) as archive:
        (name,) = archive.namelist()
        with fits.open(io.BytesIO(archive.read(name))) as hdus:
            np.testing.assert_array_equal(hdus["SCI"].data, frame.pixels())
    assert (await tour.bob.http.post("frames/zip/", json={"frame_ids": [number]})).status_code == 404


async def test_a_cutout_around_a_star(tour, frame):
    _, listed = await large_name(tour, frame)
    wcs = WCS(frame.header)
    ra, dec = (float(value) for value in wcs.pixel_to_world_values(60, 50))
    path = f"frames/{listed['id']}/cutout/?ra={ra}&dec={dec}&size=0.005"
    reply = await tour.alice.http.get(path)
    assert reply.status_code == 200, reply.text
    with fits.open(io.BytesIO(reply.content)) as hdus:
        x, y = WCS(hdus[0].header).world_to_pixel_values(ra, dec)
        row, column = round(float(y)), round(float(x))
        assert hdus[0].data[row, column] == frame.pixels()[50, 60]
    assert (await tour.bob.http.get(path)).status_code == 404
