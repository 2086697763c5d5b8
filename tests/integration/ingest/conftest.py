"""The collections of ingest, without the service."""

from unittest.mock import Mock

import pytest

from datalab.platform.documents.client import DocumentStore
from datalab.platform.documents.outbox import OutboxRelay
from datalab.platform.settings import MongoSettings
from ingest.frames.repository import FrameRepository


@pytest.fixture
async def database(settings_environment):
    store = DocumentStore(MongoSettings())
    yield store.database
    await store.close()


@pytest.fixture
async def frames(database):
    frames = FrameRepository(database=database, relay=Mock(OutboxRelay))
    await frames.ensure_indexes()
    return frames
