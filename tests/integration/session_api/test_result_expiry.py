"""Results nobody refers to go in two steps; what anybody refers to, or makes, stays."""

import hashlib
from datetime import timedelta

import pytest

from datalab.events.envelope import utc_now
from datalab.events.object_keys import MANIFEST, manifest_key, result_file_key
from datalab.events.operations import OperationResult, OperationSucceeded, OutputFile
from datalab.events.topology import LEASES, LEASES_TTL_S
from datalab.platform.bus.leases import LeaseKeeper
from datalab.platform.objects.store import ObjectStore
from session_api.operations.expiry import GRACE, ResultExpiry
from session_api.operations.metrics import OperationMetrics
from support.ingest import BEGINNING, MemoryObjects
from support.session_api import archive, made_by, stored_file
from support.waiting import until

KEEP = timedelta(days=30)
NOW, LATER = timedelta(0), KEEP + timedelta(days=10)


@pytest.fixture
async def store(world):
    async with ObjectStore(world.settings) as objects:
        yield objects


@pytest.fixture
async def session_id(world, alice):
    return await world.session(alice)


@pytest.fixture
async def other(world, alice, session_id):
    """Some operation with a result: a document store without any says nothing about files."""
    number = await world.operation(alice, session_id)
    return await world.succeed(alice, session_id, number, result_of("other"))


@pytest.fixture
def look(world, other):
    """Return what looks once, `after` a time from now."""
    operations = world.operations._operations

    async def look_once(*, after, keep=KEEP, operations=operations, quota_bytes=None):
        expiry = ResultExpiry(
            operations=operations,
            objects=world.core.objects,
            leases=LeaseKeeper(lambda: world.bus.key_value(LEASES), ttl_s=LEASES_TTL_S),
            metrics=OperationMetrics(type(world.core.registry)()),
            keep=keep,
            quota_bytes=quota_bytes,
            clock=lambda: utc_now() + after,
        )
        await expiry.look()

    return look_once


def key_of(name):
    return hashlib.sha256(name.encode()).hexdigest()


def result_of(name):
    files = {role: stored_file(result_file_key(key_of(name), f"{name}-{role}")) for role in ("fits", "large", "small")}
    return OperationResult(
        result_key=key_of(name), output_files=(OutputFile(basename=name, type="fits", files=files),), output_data=()
    )


async def stored(store, name):
    """Store the files of a result, as runners do: the manifest last."""
    result = result_of(name)
    for file in result.output_files[0].files.values():
        await store.put_bytes(file.key, b"pixels", content_type="image/fits")
    await store.put_bytes(manifest_key(result.result_key), b"{}", content_type="application/json")
    await there(store, name, *whole(name))
    return result


async def there(store, name, *expected):
    """Wait until a result's folder holds exactly these names: the store's listings may be a second old."""

    async def as_expected():
        found = [
            each.key.rpartition("/")[2] async for each in store.list(manifest_key(key_of(name)).removesuffix(MANIFEST))
        ]
        return sorted(found) == sorted(expected)

    await until(as_expected)


def files(name):
    return [f"{name}-fits", f"{name}-large", f"{name}-small"]


def whole(name):
    return [*files(name), "manifest.json"]


async def test_what_nobody_refers_to_goes_when_it_is_old_the_manifest_a_day_before_the_files(store, look):
    await stored(store, "alone")
    await look(after=NOW)
    await there(store, "alone", *whole("alone"))
    await look(after=LATER)
    await there(store, "alone", *files("alone"), "expiring")
    await look(after=GRACE - timedelta(hours=1), keep=timedelta(0))
    await there(store, "alone", *files("alone"), "expiring")
    await look(after=LATER)
    await there(store, "alone")


async def test_what_an_operation_has_made_stays_until_the_operation_is_deleted(world, alice, session_id, store, look):
    number = await world.operation(alice, session_id)
    await world.succeed(alice, session_id, number, await stored(store, "made"))
    for _ in range(2):
        await look(after=LATER)
        await there(store, "made", *whole("made"))
    await alice.delete(f"/api/datasessions/{session_id}/operations/{number}/")
    await look(after=LATER)
    await there(store, "made", *files("made"), "expiring")


async def test_what_an_operation_takes_as_input_stays(world, alice, session_id, store, look):
    """Requested, or waiting for other inputs; the operation that made it may be gone."""
    parent = await world.operation(alice, session_id)
    await world.succeed(alice, session_id, parent, await stored(store, "input"))
    unfinished = await world.operation(alice, session_id)
    children = [
        await world.operation(alice, session_id, input_data={"input_files": items})
        for items in (
            [made_by(parent, "input"), archive("f1")],
            [made_by(parent, "input"), made_by(unfinished, "yet-to-come")],
        )
    ]
    await world.database["operations"].delete_one({"_id": parent})
    for child in children:
        await look(after=LATER)
        await there(store, "input", *whole("input"))
        await alice.delete(f"/api/datasessions/{session_id}/operations/{child}/")
    await look(after=LATER)
    await there(store, "input", *files("input"), "expiring")


async def test_a_report_that_was_on_its_way_finds_its_files(world, alice, session_id, store, look):
    result = await stored(store, "late")
    number = await world.operation(alice, session_id)
    await look(after=LATER)
    await there(store, "late", *files("late"), "expiring")
    await world.report(OperationSucceeded, number, result=result, reused=True, compute_s=0.0)
    await world.wait_for(alice, session_id, number, "COMPLETED")
    for _ in range(2):
        await look(after=LATER)
        await there(store, "late", *files("late"))


async def test_without_room_the_unused_go_sooner_and_what_an_operation_has_stays(world, alice, session_id, store, look):
    await stored(store, "crowded")
    number = await world.operation(alice, session_id)
    await world.succeed(alice, session_id, number, await stored(store, "shown"))
    await look(after=timedelta(minutes=30), quota_bytes=1)
    await there(store, "crowded", *whole("crowded"))  # a report of it may be on its way
    await look(after=timedelta(hours=2), quota_bytes=1024**3)
    await there(store, "crowded", *whole("crowded"))
    await look(after=timedelta(hours=2), quota_bytes=1)
    await there(store, "crowded", *files("crowded"), "expiring")
    await look(after=timedelta(hours=27), quota_bytes=1)
    await there(store, "crowded")
    await there(store, "shown", *whole("shown"))


async def test_the_oldest_go_first_and_no_more_than_have_to():
    objects = MemoryObjects()
    for age, name in enumerate(("new", "old", "older", "oldest")):
        objects.put(manifest_key(key_of(name)), b"x" * 10, modified_at=BEGINNING - timedelta(days=age))
    expiry = ResultExpiry(
        operations=None, objects=objects, leases=None, metrics=None, keep=KEEP, quota_bytes=25, clock=utc_now
    )
    beyond = await expiry._beyond_quota({key_of("oldest")})
    assert beyond == {manifest_key(key_of(name)).removesuffix(MANIFEST) for name in ("older", "old")}


async def test_what_is_made_anew_meanwhile_stays(store, look):
    await stored(store, "anew")
    await look(after=LATER)
    await there(store, "anew", *files("anew"), "expiring")
    await store.put_bytes(manifest_key(key_of("anew")), b"{}", content_type="application/json")
    await there(store, "anew", *whole("anew"), "expiring")
    await look(after=GRACE * 2)
    await there(store, "anew", *whole("anew"))


async def test_what_is_being_computed_is_left_alone(world, store, look):
    await stored(store, "leased")
    bucket = await world.bus.key_value(LEASES)
    revision = await bucket.create(key_of("leased"), b"computing")
    await look(after=LATER)
    await there(store, "leased", *whole("leased"))
    await bucket.delete(key_of("leased"), last=revision)
    await look(after=LATER)
    await there(store, "leased", *files("leased"), "expiring")
    await bucket.create(key_of("leased"), b"computing")  # and the lease is free again


async def test_an_empty_document_store_says_nothing_about_files(store, look):
    class Empty:
        async def any_referenced_results(self):
            return set()

    await stored(store, "orphan")
    await look(after=LATER, operations=Empty())
    await there(store, "orphan", *whole("orphan"))


async def test_a_file_that_is_of_no_result_takes_none_with_it(world, alice, session_id, store, look):
    number = await world.operation(alice, session_id)
    await world.succeed(alice, session_id, number, await stored(store, "beside"))
    await store.put_bytes("results/stray", b"", content_type="text/plain")
    await store.put_bytes(f"results/{'/'.join(key_of('beside')[:3])}/stray", b"", content_type="text/plain")
    for _ in range(3):
        await look(after=LATER)
    await there(store, "beside", *whole("beside"))


async def test_the_application_looks(world, store, other):
    await stored(store, "young")
    await world.work("expired results")
    await there(store, "young", *whole("young"))
