"""A frame becomes everybody's in lists when its public date has come, and not before."""

from datetime import UTC, datetime, timedelta
from unittest.mock import Mock

import pytest

from datalab.documents.frame import CLOSED, COMPLETE, OPEN
from datalab.platform.documents.client import DocumentStore
from datalab.platform.documents.outbox import OutboxRelay
from datalab.platform.settings import MongoSettings
from ingest.frames.repository import FrameRepository
from support.session_api import frame_document

NOW = datetime.now(UTC)
EARLIER = NOW - timedelta(days=1)


@pytest.fixture
async def database(module_settings_environment):
    store = DocumentStore(MongoSettings())
    yield store.database
    await store.close()


async def test_what_is_due_is_released(database):
    frames = FrameRepository(database=database, relay=Mock(OutboxRelay))
    await frames.ensure_indexes()
    kept = {
        "due": {"public_date": EARLIER},
        "picture": {"public_date": EARLIER, "files": {}},
        "later": {"public_date": NOW + timedelta(hours=1)},
        "never": {"public_date": None},
    }
    then = {"created": EARLIER - timedelta(days=1), "modified": EARLIER - timedelta(days=1)}
    await database["frames"].insert_many([frame_document(name, **then, **fields) for name, fields in kept.items()])

    async def releases():
        return {frame["_id"]: frame["release"] async for frame in database["frames"].find()}

    assert set((await releases()).values()) == {CLOSED}
    assert await frames.release_due() == 2
    assert await releases() == {"due": COMPLETE, "picture": OPEN, "later": CLOSED, "never": CLOSED}
    assert await frames.release_due() == 0
