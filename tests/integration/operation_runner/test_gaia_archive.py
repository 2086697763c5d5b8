import asyncio
import json
import os
import uuid
from datetime import timedelta

import numpy as np
import pytest

from datalab.astro.sky.gaia import read_stars
from datalab.astro.sky.gaia_query import COLUMNS, MAX_STARS
from datalab.errors import TransientError, UsageError
from datalab.platform.assembly import Core
from datalab.platform.objects.store import ObjectStore
from operation_runner.execution.assembly import star_archive
from operation_runner.sdk import SkyRegion
from operation_runner.settings import OperationRunnerSettings
from operation_runner.stars import gaia_archive
from operation_runner.stars.gaia_archive import GaiaArchive
from support.gaia_server import BAD_DAYS, archive_stars, running_gaia
from support.runner import chosen, input_file, job
from support.servers import delete_bucket, read_settings
from support.star_cluster import CENTRE, east, sources, write_image
from support.waiting import until

REGION = SkyRegion(ra_deg=202.47, dec_deg=47.2, radius_deg=0.25)


@pytest.fixture(scope="module")
async def store(s3_server):
    bucket = f"test-{uuid.uuid4().hex[:16]}"
    settings = read_settings(type(s3_server.settings), {**s3_server.environment, "DATALAB_S3_BUCKET": bucket})
    async with ObjectStore(settings) as store:
        await store.ensure_bucket()
        yield store
    delete_bucket(settings, bucket)


@pytest.fixture(scope="module")
def field():
    """500 stars within half a degree; half of them without motion."""
    rng = np.random.default_rng(8)
    return archive_stars(
        ra=202.47 + rng.uniform(-0.7, 0.7, 500),
        dec=47.2 + rng.uniform(-0.5, 0.5, 500),
        pmra=np.where(np.arange(500) % 2, rng.normal(size=500), np.nan),
        phot_g_mean_mag=rng.uniform(10, 20, 500),
    )


@pytest.fixture
def gaia(field):
    with running_gaia(field) as server:
        yield server


@pytest.fixture
async def make_archive(store, gaia):
    async for copy in store.list("gaia/"):
        await store.delete(copy.key)
    return lambda **changes: GaiaArchive(
        **{"store": store, "tap_url": gaia.url, "timeout_s": 20, "cache_life": timedelta(days=30)} | changes
    )


@pytest.fixture
def archive(make_archive):
    return make_archive()


def stars_in(path, region=REGION):
    with path.open("rb") as file:
        return read_stars(file, region)


async def test_the_stars_of_a_region_are_fetched_by_an_asynchronous_job(archive, gaia, field, tmp_path):
    gaia.day = "busy"
    await archive.fetch(REGION, tmp_path / "stars.vot")
    stars = stars_in(tmp_path / "stars.vot")
    offset = np.hypot((field["ra"] - 202.47) * np.cos(np.radians(47.2)), field["dec"] - 47.2)
    assert len(stars) == np.count_nonzero(offset <= 0.25)
    assert set(stars["source_id"]) <= set(field["source_id"])
    assert np.all(np.diff(stars["phot_g_mean_mag"]) >= 0)
    assert np.isnan(stars["pmra"]).any()
    assert gaia.polls == 3
    (request,) = gaia.requests
    assert request["LANG"] == "ADQL"
    assert request["PHASE"] == "RUN"
    assert request["MAXREC"] == str(MAX_STARS)
    assert all(f".{name}" in request["QUERY"] for name in COLUMNS)
    assert gaia.jobs == {}  # nothing is left behind


@pytest.mark.parametrize(("day", "truncated"), [("gzip", False), ("overflow", True)])
async def test_answers_may_be_packed_or_cut_short(archive, gaia, tmp_path, day, truncated):
    gaia.day = day
    await archive.fetch(REGION, tmp_path / "stars.vot")
    assert stars_in(tmp_path / "stars.vot").meta["truncated"] is truncated


async def test_a_second_equal_query_is_not_sent(make_archive, gaia, store, tmp_path):
    await make_archive().fetch(REGION, tmp_path / "first.vot")
    gaia.day = "down"
    nearly = SkyRegion(ra_deg=202.47002, dec_deg=47.19999, radius_deg=0.2501)
    await make_archive().fetch(nearly, tmp_path / "second.vot")  # by another runner
    assert (tmp_path / "second.vot").read_bytes() == (tmp_path / "first.vot").read_bytes()
    assert len(gaia.queries) == 1
    (key,) = [copy.key async for copy in store.list("gaia/")]
    assert key.endswith("/202.4700+47.2000-0.251.vot")


async def test_another_circle_is_another_query(archive, gaia, tmp_path):
    await archive.fetch(REGION, tmp_path / "stars.vot")
    await archive.fetch(SkyRegion(ra_deg=202.47, dec_deg=47.2, radius_deg=0.3), tmp_path / "more.vot")
    assert len(gaia.queries) == 2
    assert len(stars_in(tmp_path / "more.vot")) == len(stars_in(tmp_path / "stars.vot"))
    assert (tmp_path / "more.vot").stat().st_size > (tmp_path / "stars.vot").stat().st_size


async def test_an_old_copy_is_fetched_again(make_archive, gaia, tmp_path):
    await make_archive().fetch(REGION, tmp_path / "stars.vot")
    await make_archive(cache_life=timedelta(0)).fetch(REGION, tmp_path / "stars.vot")
    assert len(gaia.queries) == 2


@pytest.mark.parametrize("day", list(BAD_DAYS))
async def test_on_a_bad_day_there_are_no_stars_and_a_reason(archive, gaia, store, tmp_path, day):
    gaia.day = day
    with pytest.raises(TransientError, match=f"the Gaia archive .*{BAD_DAYS[day]}"):
        await archive.fetch(REGION, tmp_path / "stars.vot")
    assert [copy.key async for copy in store.list("gaia/")] == []
    assert not (tmp_path / "stars.vot").exists()
    gaia.day = "good"
    await archive.fetch(REGION, tmp_path / "stars.vot")
    assert len(stars_in(tmp_path / "stars.vot")) > 0


async def test_an_archive_that_is_not_there_is_a_reason_too(make_archive, tmp_path, unused_tcp_port):
    archive = make_archive(tap_url=f"http://127.0.0.1:{unused_tcp_port}/tap")
    with pytest.raises(TransientError, match="the Gaia archive could not be reached"):
        await archive.fetch(REGION, tmp_path / "stars.vot")


@pytest.mark.parametrize("day", ["slow", "silent", "endless"])
async def test_nobody_waits_for_ever(make_archive, gaia, tmp_path, day):
    gaia.day = day
    with pytest.raises(TransientError, match=r"the Gaia archive (did not answer within 3|sent more than)"):
        # So long that the archive has said by then which job it is: one it has said nothing of cannot be ended.
        await make_archive(timeout_s=3).fetch(REGION, tmp_path / "stars.vot")
    assert gaia.jobs == {}  # a job that is not waited for is ended


async def test_an_answer_without_end_is_cut_off(archive, gaia, tmp_path, monkeypatch):
    monkeypatch.setattr(gaia_archive, "_MOST_BYTES", 2 * 1024**2)
    gaia.day = "endless"
    with pytest.raises(TransientError, match="sent more than 2097152 bytes"):
        await archive.fetch(REGION, tmp_path / "stars.vot")


async def test_silence_within_a_request_is_a_reason_of_its_own(archive, gaia, tmp_path, monkeypatch):
    monkeypatch.setattr(gaia_archive, "_REQUEST_TIMEOUT_S", 0.3)
    gaia.day = "silent"
    with pytest.raises(TransientError, match="the Gaia archive did not answer in time"):
        await archive.fetch(REGION, tmp_path / "stars.vot")


async def test_a_job_is_ended_when_the_operation_is_cancelled(archive, gaia, tmp_path):
    gaia.day = "slow"
    fetching = asyncio.create_task(archive.fetch(REGION, tmp_path / "stars.vot"))
    await until(lambda: gaia.polls)
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching
    assert gaia.jobs == {}


@pytest.mark.parametrize(
    ("region", "reason"),
    [
        (SkyRegion(ra_deg=10, dec_deg=20, radius_deg=2.5), "at most 120 arcminutes, not within 150"),
        (SkyRegion(ra_deg=10, dec_deg=20, radius_deg=float("nan")), "in degrees"),
        (SkyRegion(ra_deg=float("inf"), dec_deg=20, radius_deg=1), "in degrees"),
        (SkyRegion(ra_deg=10, dec_deg=20, radius_deg=-1), "more than 0"),
    ],
)
async def test_regions_that_cannot_be_are_the_users_mistake(archive, gaia, tmp_path, region, reason):
    with pytest.raises(UsageError, match=reason):
        await archive.fetch(region, tmp_path / "stars.vot")
    assert gaia.queries == []


async def test_without_the_object_store_it_is_tried_later(s3_server, gaia, tmp_path, unused_tcp_port):
    settings = read_settings(
        type(s3_server.settings), {**s3_server.environment, "DATALAB_S3_URL": f"http://127.0.0.1:{unused_tcp_port}"}
    )
    async with ObjectStore(settings, retries=0) as away:
        archive = GaiaArchive(store=away, tap_url=gaia.url, timeout_s=20, cache_life=timedelta(days=1))
        with pytest.raises(TransientError, match="object store"):
            await archive.fetch(REGION, tmp_path / "stars.vot")
    assert gaia.queries == []


def test_the_settings_say_which_archive(monkeypatch):
    monkeypatch.setenv("DATALAB_GAIA_TAP_URL", "http://mirror.example/tap/")
    monkeypatch.setenv("DATALAB_GAIA_CACHE_DAYS", "7")
    settings = read_settings(OperationRunnerSettings, dict(os.environ))
    archive = star_archive(Core(settings, service="test"), settings)
    assert archive._tap_url == "http://mirror.example/tap"
    assert archive._cache_life == timedelta(days=7)


def hr_diagram_job(tmp_path):
    """A job on two images that share three stars in the middle of the field."""
    positions = [east(30 * n) for n in range(3)]
    paths = [
        write_image(tmp_path / f"{filter_name}.fits", filter_name, sources(positions, magnitudes))
        for filter_name, magnitudes in (("gp", [15.0, 16.0, 17.0]), ("rp", [14.5, 15.4, 16.3]))
    ]
    files = [input_file(path) for path in paths]
    (tmp_path / "work").mkdir()
    return job(
        "HR Diagram",
        {
            "blue_filter_files": chosen(files[:1]),
            "red_filter_files": chosen(files[1:]),
            "cluster": {"ra": CENTRE[0], "dec": CENTRE[1]},
        },
        work_dir=tmp_path / "work",
        files=files,
        paths={(file.source, file.basename): path for file, path in zip(files, paths, strict=True)},
    )


async def test_an_operation_gets_its_stars_in_the_process_that_computes_it(make_computer, archive, field, tmp_path):
    computer = await make_computer(stars=archive, packages=("operation_runner.operations.hr_diagram",))
    computed = await computer.compute(hr_diagram_job(tmp_path), on_progress=lambda *_: None, on_product=lambda *_: None)
    (data,) = computed.data
    offset = np.hypot((field["ra"] - CENTRE[0]) * np.cos(np.radians(CENTRE[1])), field["dec"] - CENTRE[1])
    assert data.content["n_stars"] == 3
    assert data.content["n_gaia_only"] == np.count_nonzero(offset <= 0.25)
    json.dumps(data.content, allow_nan=False)


async def test_an_operation_without_gaia_says_so_and_is_tried_again(make_computer, archive, gaia, tmp_path):
    gaia.day = "down"
    computer = await make_computer(stars=archive, packages=("operation_runner.operations.hr_diagram",))
    with pytest.raises(TransientError) as failed:
        await computer.compute(hr_diagram_job(tmp_path), on_progress=lambda *_: None, on_product=lambda *_: None)
    assert failed.value.message == (
        "Could not fetch Gaia data for the cluster field: the Gaia archive answered with HTTP status 503"
    )
