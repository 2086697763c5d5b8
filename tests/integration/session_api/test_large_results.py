"""Results whose data are too large for a message or a document."""

import hashlib
import json

import pytest

from datalab.events.operations import LinkedFile, StoredFile
from datalab.platform.objects.store import ObjectStore
from support.session_api import body_of, result, stored_file


@pytest.fixture
async def session_id(world, alice):
    return await world.session(alice)


@pytest.fixture
async def store(world):
    async with ObjectStore(world.settings) as objects:
        yield objects


async def stored_data(store, key, data):
    """Store the data of a result as runners do."""
    text = json.dumps(data).encode()
    await store.put_bytes(key, text, content_type="application/json")
    digest = hashlib.sha256(text).hexdigest()
    return StoredFile(key=key, sha256=digest, size_bytes=len(text), media_type="application/json")


def of(file, *linked):
    return result().model_copy(update={"output_files": (), "output_data_file": file, "linked_files": linked})


def stars(count):
    return [{"cmd": [{"ra": 260.9 + number, "color": 0.5, "gaia_match": True} for number in range(count)]}]


async def test_data_larger_than_a_message_are_shown_like_any_other(world, alice, session_id, store):
    data = stars(100_000)
    file = await stored_data(store, "results/large/data.json", data)
    assert file.size_bytes > 4 * 1024**2
    number = await world.operation(alice, session_id)
    done = await world.succeed(alice, session_id, number, of(file))
    assert done["output"] == {"output_files": [], "output_data": data}
    listed = body_of(await alice.get(f"/api/datasessions/{session_id}/operations/"))
    assert listed["results"] == [done]
    session = body_of(await alice.get(f"/api/datasessions/{session_id}/"))
    assert session["operations"] == [done]
    document = await world.database["operations"].find_one({"_id": number})
    assert document["result"]["output_data"] == []
    assert "X-Amz" not in str(document)


async def test_links_are_put_into_data_of_both_kinds(world, alice, session_id, store):
    linked = LinkedFile(item=0, field="diagnostic_images", name="f1", file=stored_file("results/f1.jpg"))
    apart = of(await stored_data(store, "results/linked/data.json", [{"period": 0.3}]), linked)
    inline = result(output_data=[{"period": 0.3}]).model_copy(update={"linked_files": (linked,)})
    for made in (apart, inline):
        number = await world.operation(alice, session_id)
        done = await world.succeed(alice, session_id, number, made)
        (item,) = done["output"]["output_data"]
        assert item["period"] == 0.3
        assert "X-Amz-Signature" in item["diagnostic_images"]["f1"]
        assert "X-Amz" not in str(await world.database["operations"].find_one({"_id": number}))


async def test_data_that_are_gone_do_not_hide_a_session(world, alice, session_id):
    file = StoredFile(key="results/gone/data.json", sha256="0" * 64, size_bytes=9, media_type="application/json")
    number = await world.operation(alice, session_id)
    done = await world.succeed(alice, session_id, number, of(file))
    assert done["output"] == {"output_files": [], "output_data": []}
    assert (await alice.get("/api/datasessions/")).status_code == 200


async def test_results_of_the_first_version_can_still_be_read(world, alice, session_id):
    number = await world.operation(alice, session_id)
    done = await world.succeed(alice, session_id, number, result(output_data=[{"period": 0.3}]))
    forgotten = {"result.linked_files": "", "result.output_data_file": "", "draft": ""}
    await world.database["operations"].update_one({"_id": number}, {"$unset": forgotten})
    shown = body_of(await alice.get(f"/api/datasessions/{session_id}/operations/{number}/"))
    assert shown["output"]["output_data"] == done["output"]["output_data"] == [{"period": 0.3}]
