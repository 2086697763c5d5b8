"""Files of results, whoever else makes the same result."""

import contextlib
import hashlib
import uuid

import pytest

from datalab.errors import OutageError, TransientError
from datalab.events.object_keys import manifest_key
from datalab.platform.objects.store import ObjectStore
from operation_runner.results.store import ObjectResultStore
from operation_runner.sdk.jobs import Computed, Job, LocalData, LocalFile, LocalPicture, LocalProduct
from support.servers import delete_bucket, read_settings

#: One is sent at once, the other is streamed; data of this length are a file.
_SMALL, _LARGE = 1000, 2 * 1024**2


class LosesTheAnswer(ObjectStore):
    """Stores a manifest, but whoever asked does not hear of it."""

    async def put_bytes(self, key, data, *, content_type):
        await super().put_bytes(key, data, content_type=content_type)
        if key.endswith("manifest.json"):
            raise OutageError("no answer")


@pytest.fixture(scope="module")
async def settings(s3_server):
    bucket = f"test-{uuid.uuid4().hex[:16]}"
    settings = read_settings(type(s3_server.settings), {**s3_server.environment, "DATALAB_S3_BUCKET": bucket})
    async with ObjectStore(settings) as store:
        await store.ensure_bucket()
    yield settings
    delete_bucket(settings, bucket)


@pytest.fixture(scope="module")
async def store(settings):
    async with ObjectStore(settings) as store:
        yield store


@pytest.fixture
def result_key():
    return uuid.uuid4().hex * 2


@pytest.fixture
def make_job(tmp_path, result_key):
    def make(name):
        (tmp_path / name).mkdir()
        return Job(
            operation="Median", parameters={}, result_key=result_key, inputs=(), paths={}, work_dir=tmp_path / name
        )

    return make


def written(job, name, content):
    (job.work_dir / name).write_bytes(content)
    return LocalFile(path=job.work_dir / name, media_type="image/jpeg")


def product(job, byte):
    """Return a product all of whose bytes are the same, as no other computation's."""
    return LocalProduct(
        type="fits",
        files={
            "fits": written(job, "fits", byte * _LARGE),
            "large": written(job, "large", byte * _SMALL),
            "small": written(job, "small", byte * _SMALL),
        },
        filter_name=None,
        observation_date=None,
        target_name=None,
        is_exposure=True,
    )


def computed(job, byte):
    picture = LocalPicture(field="pictures", name="star", file=written(job, "picture", byte * _SMALL))
    return Computed(data=(LocalData(content={"text": byte.decode() * _LARGE}, pictures=(picture,)),), compute_s=1.0)


async def granted():
    """The result is ours to make."""


async def lost():
    raise TransientError("somebody else has taken over")


async def names_in(store, result_key):
    return {each.key async for each in store.list(manifest_key(result_key).removesuffix("manifest.json"))}


async def check_whole(store, result):
    """Check that every file of a result is the one that was recorded."""
    files = [file for output in result.output_files for file in output.files.values()]
    files += [linked.file for linked in result.linked_files] + [result.output_data_file]
    assert len(files) == 5
    for file in files:
        content = await store.get_bytes(file.key, max_bytes=10**7)
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file.size_bytes, file.sha256)
    return {file.key for file in files}


async def made(results, job, byte, confirm=granted):
    async with results.new_result(job) as result:
        result.add(product(job, byte))
        return await result.complete(computed(job, byte), confirm=confirm)


@pytest.mark.parametrize("notices", [True, False])
async def test_who_wakes_after_its_lease_touches_no_file_of_a_result_others_have_made(
    store, result_key, make_job, notices
):
    paused, other = ObjectResultStore(store), ObjectResultStore(store)
    job = make_job("paused")
    async with contextlib.AsyncExitStack() as stack:
        late = await stack.enter_async_context(paused.new_result(job))
        finished = await made(other, make_job("other"), b"o")
        late.add(product(job, b"p"))
        if notices:
            with pytest.raises(TransientError, match="taken over"):
                await late.complete(computed(job, b"p"), confirm=lost)
        else:
            also_finished = await late.complete(computed(job, b"p"), confirm=granted)
    names = await check_whole(store, finished)
    if notices:
        assert await ObjectResultStore(store).find(result_key) == finished
    else:
        assert await ObjectResultStore(store).find(result_key) == also_finished
        names |= await check_whole(store, also_finished)
    # What nobody completed is gone.
    assert {name for name in await names_in(store, result_key) if not name.endswith("manifest.json")} == names


async def test_a_manifest_that_may_have_been_stored_keeps_its_files(settings, store, result_key, make_job):
    async with LosesTheAnswer(settings) as unlucky:
        with pytest.raises(OutageError):
            await made(ObjectResultStore(unlucky), make_job("unlucky"), b"u")
    await check_whole(store, await ObjectResultStore(store).find(result_key))
