"""Images and frames as clients of the Photon Ranch API and of OCS archives ask for them."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from datalab.documents.allsky_image import AllskyImageDocument
from datalab.documents.frame import COLLECTION, INDEXES, FrameDocument, FrameFile
from datalab.documents.info_image import InfoImageDocument, place_of
from datalab.documents.upload import Upload
from datalab.platform.documents.collection import Collection
from support.session_api import frame_document

NIGHT = datetime(2026, 11, 18, 3, 0, tzinfo=UTC)
FUTURE = datetime(2999, 1, 1, tzinfo=UTC)


def file_of(name, media_type="image/jpeg"):
    return FrameFile(
        key=f"data/{name}",
        size_bytes=10,
        sha256=hashlib.sha256(name.encode()).hexdigest(),
        etag=hashlib.md5(name.encode()).hexdigest(),
        media_type=media_type,
        stored_at=NIGHT,
    )


#: The headers of the frames below, by their base names.
HEADERS = {}


def image(number, *, site="aro1", minutes=0, level="10", text=True, **changes):
    """Return a frame as the files of Photon Ranch make it."""
    base = f"{site}-cam1-20261118-{number:08d}"
    header = {
        "SITEID": "aro",
        "INSTRUME": "cam1",
        "DAY-OBS": "20261118",
        "ORIGNAME": f"{base}-EX00.fits.fz",
        "GAIN": 1.5,
        "SMARTSTK": "no",
        "DONE": True,
    } | changes.pop("header", {})
    HEADERS[base] = header
    fields = {
        "frame_id": number,
        "site": site,
        "data_type": "EX",
        "files": {
            f"jpg_{level}": file_of(f"{base}-EX{level}.jpg"),
            "jpg_11": file_of(f"{base}-EX11.jpg"),
            "fits_00": file_of(f"{base}-EX00.fits.fz", "image/fits"),
        },
        "observation_date": NIGHT + timedelta(minutes=minutes),
        "header": header,
        "header_source": "text" if text else "fits",
        "exposure_time_s": 30.0,
        "user_id": "u1",
        "username": "Ada",
        "filter_name": "V",
        "site_id": "aro",
        "observation_day": "2026-11-18",
    }
    return frame_document(base, **{**fields, **changes})


def square(ra, dec, half=0.5):
    """Return the corners of an image around a position."""
    return [((ra + x * half) % 360, dec + y * half) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))]


OPEN = [
    image(1),
    image(2, minutes=2, level="13", user_id="u2", exposure_time_s=60.0, footprint=square(0.2, 0)),
    image(3, minutes=4, text=False, filter_name="R", target_name="M 33", footprint=square(100, 20)),
    image(4, site="mrc1", minutes=6, header={"SMARTSTK": "181126030000", "SSTKNUM": 0}),
    image(
        5,
        site="mrc1",
        minutes=7,
        header={"SMARTSTK": "181126030000", "SSTKNUM": 1},
        right_ascension_deg=200.0,
        declination_deg=-30.0,
    ),
    image(6, minutes=8, header={"SMARTSTK": "181126030000", "SSTKNUM": 0}),
    image(
        7,
        site="pol1",
        minutes=9,
        footprint=[(0, 89.5), (90, 89.5), (180, 89.5), (270, 89.5)],
        configuration_type="EXPOSE",
    ),
]
UNFINISHED = image(8, site="mrc1", minutes=20, files={"txt_00": file_of("x.txt", "text/plain")})
SECRET = image(
    9,
    site="hid1",
    minutes=30,
    public_date=FUTURE,
    proposal_id="P1",
    reduction_level=91,
    header={"L1IDFLAT": "tst0m4-flat-e91.fits.fz"},
)
FLAT = frame_document(
    "tst0m4-flat-e91",
    frame_id=10,
    observation_date=NIGHT - timedelta(days=1),
    configuration_type="SKYFLAT",
    observation_id="77",
    reduction_level=91,
)


@pytest.fixture(scope="module", autouse=True)
async def frames(world):
    await world.database["frames"].delete_many({})
    await Collection(world.database, COLLECTION, FrameDocument, indexes=INDEXES).ensure_indexes()
    await world.database.create_collection("system.profile", capped=True, size=32 * 1024**2)
    await world.database.command("profile", 2)
    await world.add_frames(*OPEN, UNFINISHED, SECRET, FLAT)
    await world.add_headers(HEADERS)


@pytest.fixture(scope="module")
async def anybody(world):
    async with world.client() as client:
        yield client


async def numbers(client, query):
    reply = await client.get(f"/filtered_images?{query}")
    assert reply.status_code == 200, reply.text
    return [package["image_id"] for package in reply.json()]


async def ids(client, query):
    reply = await client.get(f"/api/frames/?{query}")
    assert reply.status_code == 200, reply.text
    return [frame["id"] for frame in reply.json()["results"]]


async def test_a_package_is_as_clients_know_it(anybody):
    package = (await anybody.get("/dev//image/aro1-cam1-20261118-00000001/")).json()
    links = {key: package.pop(key) for key in ("jpg_url", "jpg_thumbnail_url")}
    assert list(package.items()) == list(
        {
            "image_id": 1,
            "base_filename": "aro1-cam1-20261118-00000001",
            "data_type": "EX",
            "site": "aro1",
            "exposure_time": 30.0,
            "filter_used": "V",
            "right_ascension": None,
            "declination": None,
            "azimuth": None,
            "altitude": None,
            "airmass": None,
            "fits_01_exists": True,
            "fits_10_exists": None,
            "jpg_medium_exists": True,
            "jpg_small_exists": True,
            "s3_directory": "data",
            "username": "Ada",
            "user_id": "u1",
            "fits_filename": "aro1-cam1-20261118-00000001-EX00.fits.fz",
            "fits_path": "aro/cam1/20261118/raw",
            "SMARTSTK": "no",
            "SSTKNUM": "",
            "capture_date": int(NIGHT.timestamp() * 1000),
            "sort_date": int(NIGHT.timestamp() * 1000),
        }.items()
    )
    assert "/data/aro1-cam1-20261118-00000001-EX10.jpg?X-Amz-" in links["jpg_url"]
    assert "-EX11.jpg?" in links["jpg_thumbnail_url"]


async def test_the_link_is_to_the_picture_there_is(anybody):
    assert "-EX13.jpg?" in (await anybody.get("/image/aro1-cam1-20261118-00000002")).json()["jpg_url"]


@pytest.mark.parametrize(
    "name", ["nothing", UNFINISHED["_id"], SECRET["_id"]], ids=["unknown", "without picture", "not public"]
)
async def test_an_image_nobody_may_see_is_none(anybody, name):
    reply = await anybody.get(f"/api/image/{name}")
    assert (reply.status_code, reply.text) == (404, f"No results found for {name}")


async def test_the_latest_images_of_a_site(anybody, alice):
    reply = await anybody.get("/api/aro1/latest_images/2")
    assert [package["image_id"] for package in reply.json()] == [6, 3]
    assert [each["image_id"] for each in (await anybody.get("/aro1/latest_images/5?userid=u2")).json()] == [2]
    assert (await anybody.get("/aro1/latest_images/0")).json() == []
    assert (await anybody.get("/nowhere/latest_images/3")).json() == []
    assert (await anybody.get("/aro1/latest_images/x")).status_code == 404
    assert (await anybody.get("/hid1/latest_images/1")).json() == []
    assert [each["image_id"] for each in (await alice.get("/hid1/latest_images/1")).json()] == [9]


async def test_the_latest_image_of_every_site(anybody, alice):
    links = (await anybody.get("/test/latest_image_all_sites")).json()
    assert {site: link.split("?")[0].split("/")[-1] for site, link in links.items()} == {
        "aro1": "aro1-cam1-20261118-00000006-EX10.jpg",
        "mrc1": "mrc1-cam1-20261118-00000005-EX10.jpg",
        "pol1": "pol1-cam1-20261118-00000007-EX10.jpg",
    }
    assert "hid1" in (await alice.get("/latest_image_all_sites/")).json()


async def test_headers_are_texts_as_in_the_text_file(anybody):
    header = (await anybody.get("/fitsheader/aro1-cam1-20261118-00000001/")).json()
    assert (header["GAIN"], header["DONE"], header["END"]) == ("1.5", "T", "")
    header = (await anybody.get("/fitsheader/aro1-cam1-20261118-00000003/")).json()
    assert (header["GAIN"], header["DONE"]) == (1.5, True)
    for name in ("nothing", SECRET["_id"]):
        reply = await anybody.get(f"/fitsheader/{name}")
        assert (reply.status_code, reply.text) == (404, f"No fits header found in the db for {name}")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [7, 6, 5, 3, 2, 1]),
        ("site=mrc1", [5]),
        ("site=&nonsense=1", [7, 6, 5, 3, 2, 1]),
        ("user_id=u2", [2]),
        ("username=Ada&filter=R", [3]),
        ("exposure_time_min=30.5", [2]),
        ("exposure_time_max=30&site=aro1", [6, 3, 1]),
        ("start_date=2026-11-18 03:02:00&end_date=2026-11-18 03:04:00", [3, 2]),
        ("start_date=2026-11-18%2B12", [7, 6, 5, 3, 2, 1]),
        ("end_date=2026-11-18+12", []),
        ("filename=aro1-cam1-20261118-00000001", [1]),
        ("filename=aro1-%25-0000000_", [6, 3, 2, 1]),
        ("filename=aro1", []),
        ("target_name=m 3", [3]),
        ("header=gain=1.50&header=ORIGNAME=aro1-cam1-20261118-00000003-ex00.fits.fz", [3]),
        ("header=DONE=T&site=pol1", [7]),
        ("header=SMARTSTK=181126030000", [6, 5]),
        ("ra=359.9&dec=0&radius=0.01", [2]),
        ("ra=0.2&dec=0.55&radius=0.1", [2]),
        ("ra=0.2&dec=0.65&radius=0.1", []),
        ("ra=45&dec=90", [7]),
        ("ra=45&dec=89.9&radius=0.5", [7]),
        ("ra=200.05&dec=-30&radius=0.1", [5]),
        ("covers=POINT(359.75 0.1)", [2]),
        ("covers=POLYGON((359.8 0, 0.5 0, 0.5 0.2, 359.8 0.2, 359.8 0))", [2]),
        ("covers=POLYGON((359.8 0, 0.9 0, 0.9 0.2, 359.8 0.2, 359.8 0))", []),
        ("intersects=POLYGON((359.8 0, 0.9 0, 0.9 0.2, 359.8 0.2, 359.8 0))", [2]),
        ("order=capture_date&limit=2", [1, 2]),
        ("limit=3", [7, 6, 5]),
    ],
)
async def test_images_are_filtered(anybody, query, found):
    assert await numbers(anybody, query) == found


@pytest.mark.parametrize(
    "query",
    [
        "start_date=yesterday",
        "exposure_time_min=nan",
        "limit=0",
        "limit=x",
        "order=size",
        "cursor=x",
        "ra=1",
        "ra=1&dec=91",
        "ra=1&dec=1&radius=90",
        "covers=POINT(1)",
        "covers=LINESTRING(1 2, 3 4)",
        "intersects=POLYGON((0 0, 1 1, 1 0, 0 1, 0 0))",
        "header=GAIN",
    ],
)
async def test_what_cannot_be_asked_is_refused_in_the_documented_words(anybody, query):
    reply = await anybody.get(f"/filtered_images?{query}")
    assert reply.status_code == 400
    assert reply.text.startswith("Invalid query filter. ")


@pytest.mark.parametrize("order", ["-capture_date", "capture_date"])
async def test_a_list_is_followed_to_its_end(anybody, order):
    seen, url = [], f"/dev/filtered_images?limit=2&order={order}"
    while url:
        reply = await anybody.get(url)
        seen += [package["image_id"] for package in reply.json()]
        url = reply.links.get("next", {}).get("url")
    assert seen == sorted([7, 6, 5, 3, 2, 1], reverse=order == "-capture_date")


async def test_members_see_what_is_not_public(alice, bob, root):
    assert (await numbers(alice, ""))[0] == 9
    assert (await numbers(bob, ""))[0] == 7
    assert (await numbers(root, "site=hid1")) == [9]


async def test_a_frame_is_as_clients_of_ocs_archives_know_it(alice):
    reply = (await alice.get("/api/frames/?include_thumbnails=true&reduction_level=91&proposal_id=P1")).json()
    assert {key: reply[key] for key in ("count", "next", "previous", "count_estimated")} == {
        "count": 1,
        "next": None,
        "previous": None,
        "count_estimated": False,
    }
    (frame,) = reply["results"]
    assert frame["basename"] == SECRET["_id"]
    assert frame["filename"] == f"{SECRET['_id']}-EX00.fits.fz"
    assert frame["DATE_OBS"] == frame["observation_date"] == "2026-11-18T03:30:00.000000Z"
    assert frame["related_frames"] == [10]
    assert [each["size"] for each in frame["thumbnails"]] == ["small", "large"]
    (version,) = frame["version_set"]
    assert version["url"] == frame["url"]
    assert (version["extension"], len(version["md5"])) == (".fits.fz", 32)
    assert "area" not in frame
    assert (await alice.get("/api/frames/9/")).json() == {
        key: value for key, value in frame.items() if key != "thumbnails"
    }


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [7, 6, 5, 4, 3, 2, 1, 10]),
        ("ordering=observation_date", [10, 1, 2, 3, 4, 5, 6, 7]),
        ("ordering=-id&limit=2", [10, 7]),
        ("ordering=basename&limit=2", [1, 2]),
        ("ordering=-exposure_time&limit=2", [2, 1]),
        ("ordering=nonsense&limit=1", [7]),
        ("start=2026-11-18T03:08:00.000Z", [7, 6]),
        ("end=2026-11-18T03:00:00.000Z", [1, 10]),
        ("DATE_OBS=2026-11-18T03:00:00Z", [1]),
        ("dayobs=20261118&site_id=aro&FILTER=R", [3]),
        ("basename=0000003", [3]),
        ("basename_exact=aro1-cam1-20261118-00000003", [3]),
        ("target_name=m%2033", [3]),
        ("OBJECT=33", [3]),
        ("target_name_exact=m 33", []),
        ("empty_target_name=true&configuration_type=SKYFLAT", [10]),
        ("exposure_time=31", [2]),
        ("covers=POINT(100 20)", [3]),
        ("covers=POINT(0 90)", [7]),
        ("intersects=POLYGON((99 19, 99.8 19, 99.8 19.8, 99 19.8, 99 19))", [3]),
        ("submitter=u2", [2]),
        ("exclude_calibrations=true&search=M33", [7]),
        ("include_configuration_type=EXPOSE&include_configuration_type=SKYFLAT", [7, 10]),
        ("exclude_configuration_type=SKYFLAT&exclude_configuration_type=EXPOSE", [6, 5, 4, 3, 2, 1]),
        ("OBSTYPE=EXPOSE&configuration_type=SKYFLAT", []),
        ("observation_id=77", [10]),
        ("BLKUID=77&RLEVEL=91", [10]),
        ("public=true&limit=1", [7]),
        ("public=false", []),
        ("header=SMARTSTK=181126030000&ra=200&dec=-30&radius=1", [5]),
        ("L1PUBDAT=2026-11-20T21:30:00Z&limit=1", [7]),
        ("proposal_id=P1", []),
        ("start=&limit=1", [7]),
    ],
)
async def test_frames_are_filtered(anybody, query, found):
    assert await ids(anybody, query) == found


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("start=x", "start"),
        ("exposure_time=nan", "exposure_time"),
        ("reduction_level=x", "reduction_level"),
        ("dayobs=1", "dayobs"),
        ("public=maybe", "public"),
        ("header=x", "header"),
        ("covers=POINT(1,2)", "detail"),
        ("dec=2", "detail"),
        ("cursor=x", "detail"),
        ("pagination_style=cursor&ordering=basename", "detail"),
    ],
)
async def test_wrong_filters_are_named(anybody, query, field):
    reply = await anybody.get(f"/api/frames/?{query}")
    assert (reply.status_code, list(reply.json())) == (400, [field])


@pytest.mark.parametrize("style", ["limit=3", "limit=3&pagination_style=cursor"])
async def test_every_frame_is_on_one_page(anybody, style):
    seen = []
    url = f"/api/frames/?{style}&exclude_configuration_type=X&exclude_configuration_type=Y"
    while url:
        reply = (await anybody.get(url)).json()
        seen += [frame["id"] for frame in reply["results"]]
        url = reply["next"]
    assert seen == [7, 6, 5, 4, 3, 2, 1, 10]


async def test_who_may_see_a_frame(anybody, alice, bob, root):
    assert await ids(alice, "public=false") == await ids(root, "public=false") == [9]
    assert await ids(root, "limit=1") == await ids(alice, "limit=1") == [9]
    for path in ("9/", "9/headers/", "9/related/"):
        for client in (anybody, bob):
            reply = await client.get(f"/api/frames/{path}")
            assert (reply.status_code, reply.json()) == (404, {"detail": "No Frame matches the given query."})
        assert (await alice.get(f"/api/frames/{path}")).status_code == 200


async def test_headers_and_relations_of_a_frame(anybody, alice):
    assert (await alice.get("/api/frames/9/headers/")).json()["data"]["GAIN"] == 1.5
    assert [each["id"] for each in (await alice.get("/api/frames/9/related/")).json()] == [10]
    assert [each["id"] for each in (await alice.get("/api/frames/10/related/")).json()] == [9]
    assert (await anybody.get("/api/frames/10/related/")).json() == []
    assert (await anybody.get("/api/frames/10/")).json()["observation_id"] == 77
    assert (await anybody.get("/api/frames/x/headers/")).status_code == 404


@pytest.mark.parametrize(("suffix", "file"), [("-small", "-EX11.jpg"), ("-large", "-EX10.jpg")])
async def test_a_picture_is_found_by_the_name_the_user_interface_gives_it(anybody, alice, suffix, file):
    named = f"/api/frames/?basename_exact={OPEN[0]['_id']}{suffix}"
    (frame,) = (await anybody.get(named)).json()["results"]
    assert (frame["id"], frame["basename"]) == (1, f"{OPEN[0]['_id']}{suffix}")
    assert f"{file}?" in frame["url"]
    assert (await anybody.get(f"{named}&offset=1")).json()["results"] == []
    secret = f"/api/frames/?basename_exact={SECRET['_id']}{suffix}"
    assert (await anybody.get(secret)).json()["count"] == 0
    assert (await alice.get(secret)).json()["count"] == 1


@pytest.mark.parametrize(
    ("width", "file"),
    [("", "-EX11.jpg"), ("?width=200&height=200", "-EX11.jpg"), ("?width=1000&height=1000", "-EX10.jpg")],
)
async def test_the_thumbnail_service_tells_where_a_picture_is(anybody, alice, width, file):
    reply = await anybody.get(f"/api/pictures/{OPEN[0]['_id']}/{width}")
    assert list(reply.json()) == ["url"]
    assert f"{file}?" in reply.json()["url"]
    secret = f"/api/pictures/{SECRET['_id']}/{width}"
    assert (await anybody.get(secret)).status_code == 404
    assert (await alice.get(secret)).status_code == 200
    assert (await anybody.get("/api/pictures/nothing/")).json() == {
        "detail": "There is no picture of a frame of this name."
    }


async def test_what_values_frames_have(anybody, alice, root):
    everything = (await anybody.get("/api/frames/aggregate/")).json()
    assert everything == {
        "sites": ["aro"],
        "telescopes": [],
        "filters": ["R", "V", "rp"],
        "instruments": [],
        "obstypes": ["EXPOSE", "SKYFLAT"],
        "proposals": [],
    }
    assert (await alice.get("/api/frames/aggregate/")).json()["proposals"] == ["P1"]
    assert (await root.get("/api/frames/aggregate/?start=2026-11-18")).json()["filters"] == ["R", "V"]
    chosen = (await anybody.get("/api/frames/aggregate/?configuration_type=SKYFLAT&end=2026-11-18")).json()
    assert (chosen["filters"], chosen["sites"]) == (["rp"], [])
    assert (await anybody.get("/api/frames/aggregate/?start=never")).status_code == 400


async def test_the_latest_uploads(world, anybody, alice, root):
    names = (f"{OPEN[0]['_id']}-EX10.jpg", f"{SECRET['_id']}-EX10.jpg", f"{UNFINISHED['_id']}-EX00.txt", "rubbish.txt")
    entries = [
        Upload(
            version_id=name,
            site=name[:4],
            key=f"data/{name}",
            size_bytes=number,
            uploaded_at=NIGHT + timedelta(seconds=number),
            outcome="rejected" if name == "rubbish.txt" else "ingested",
            expires_at=NIGHT + timedelta(hours=48),
        ).stored()
        for number, name in enumerate(names)
    ]
    entries += [
        Upload(
            version_id=f"{folder}-{outcome}",
            site="mro2",
            key=f"{folder}/mro2-{outcome}.jpg",
            size_bytes=1,
            uploaded_at=NIGHT,
            outcome=outcome,
            reason="why" if outcome == "ignored" else None,
        ).stored()
        for folder in ("info-images", "allsky")
        for outcome in ("ingested", "ignored")
    ]
    await world.database["upload_log"].insert_many(entries)

    async def seen(client, site):
        reply = await client.get(f"/api/recentuploads?site={site}")
        return [entry["filename"].removeprefix("data/") for entry in reply.json()]

    assert (await anybody.get("/recentuploads?site=aro1")).json() == [
        {
            "site": "aro1",
            "upload_timestamp_s": int(NIGHT.timestamp()),
            "expire_timestamp_s": int(NIGHT.timestamp()) + 172_800,
            "filename": f"data/{names[0]}",
            "size_bytes": 0,
        }
    ]
    shown = {"info-images/mro2-ingested.jpg", "allsky/mro2-ingested.jpg"}
    assert set(await seen(anybody, "mro2")) == shown
    assert set(await seen(anybody, "all")) - shown == {names[0], names[2]}
    assert set(await seen(alice, "all")) - shown == set(names[:3])
    reasons = {entry["filename"]: entry.get("reason") for entry in (await root.get("/recentuploads?site=mro2")).json()}
    assert reasons == {
        **dict.fromkeys(shown),
        "info-images/mro2-ignored.jpg": "why",
        "allsky/mro2-ignored.jpg": "why",
    }
    assert set(await seen(root, "all")) == {*names, *reasons}
    assert await seen(root, "nowhere") == []
    await world.add_user("camera", ingests=["mro2"])
    async with world.client("camera") as camera:
        assert await seen(camera, "mro2") == await seen(root, "mro2")
        assert await seen(camera, "aro1") == await seen(anybody, "aro1")
    reply = await anybody.get("/recentuploads")
    assert (reply.status_code, reply.text) == (404, "Please be sure to include the sitecode query parameter.")


async def test_what_a_site_shows(world, anybody):
    base = "tst-inst-20261118-00000001"
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=48)
    for channel, expires_at in (("2", later), ("3", NIGHT)):
        document = InfoImageDocument(
            place=place_of("tst", channel),
            basename=base,
            data_type="EX",
            file_date="20261118",
            files={role: file_of(f"{base}-EX{role[-2:]}.x") for role in ("jpg_10", "fits_00", "txt_00")},
            header={"GAIN": 2},
            expires_at=expires_at,
        )
        await world.database["info_images"].insert_one(document.stored())
    for channel in ("1", "3", "9"):
        reply = await anybody.get(f"/dev/infoimage/tst/{channel}")
        assert (reply.status_code, reply.content) == (204, b"")
    package = (await anybody.get("/dev/infoimage/tst/2/")).json()
    assert "X-Amz-Signature" in package.pop("jpg_url")
    assert package == {
        "pk": "tst#2",
        "base_filename": base,
        "expiration_timestamp": int(later.timestamp()),
        "data_type": "EX",
        "file_date": "20261118",
        "jpg_10_file_path": f"data/{base}-EX10.x",
        "fits_00_file_path": f"data/{base}-EX00.x",
        "txt_00_file_path": f"data/{base}-EX00.x",
        "jpg_medium_exists": True,
        "fits_00_exists": True,
        "other_txt_00_exists": True,
        "header": {"GAIN": "2", "END": ""},
        "site": "tst",
        "channel": "2",
        "jpg_small_exists": False,
        "fits_01_exists": False,
        "fits_10_exists": False,
        "s3_directory": "info-images",
    }


async def test_the_sky_over_a_site(world, anybody):
    now = datetime.now(UTC).replace(microsecond=0)
    for number, (taken_at, ending, expires_at) in enumerate(
        [
            (now - timedelta(hours=2), "jpg_10", now + timedelta(days=1)),
            (now - timedelta(hours=1), "jpg_10", now + timedelta(days=1)),
            (now, "txt_00", now + timedelta(days=1)),  # its picture has still to come
            (now, "jpg_10", now - timedelta(days=1)),
        ]
    ):
        document = AllskyImageDocument(
            basename=f"tst-sky-20261118-{number:08d}",
            site="tst",
            data_type="EX",
            file_date="20261118",
            files={ending: file_of(f"{number}.x")},
            header={"GAIN": 2},
            taken_at=taken_at,
            created=taken_at,
            expires_at=expires_at,
        )
        await world.database["allsky_images"].insert_one(document.stored())
    reply = await anybody.get("/dev/allskyimage/mrc")
    assert (reply.status_code, reply.content) == (204, b"")
    package = (await anybody.get("/api//allskyimage/tst/")).json()
    assert "X-Amz-Signature" in package.pop("jpg_url")
    assert package == {
        "base_filename": "tst-sky-20261118-00000001",
        "site": "tst",
        "data_type": "EX",
        "file_date": "20261118",
        "capture_date": int((now - timedelta(hours=1)).timestamp() * 1000),
        "expiration_timestamp": int((now + timedelta(days=1)).timestamp()),
        "s3_directory": "allsky",
        "jpg_10_file_path": "data/1.x",
        "header": {"GAIN": "2", "END": ""},
    }


async def test_no_question_above_was_answered_by_reading_every_frame(world):
    asked = {"ns": f"{world.database.name}.{COLLECTION}", "planSummary": {"$exists": True}}
    plans = await world.database["system.profile"].find(asked, {"planSummary": True, "command": True}).to_list(None)
    assert len(plans) > 100
    assert [each for each in plans if "COLLSCAN" in each["planSummary"]] == []
