"""What is done with a message about files that could not be handled."""

import pytest

from datalab.errors import UsageError
from datalab.events.operations import FailureKind
from datalab.platform.bus.consuming import Failure
from ingest.arrivals.announcements import AnnouncedFiles
from ingest.arrivals.bus import file_subscription
from support.ingest import BASE, FITS, TEXT, World, announced


@pytest.fixture
def world():
    world = World()
    world.objects.put(TEXT, b"a header")
    return world


@pytest.fixture
def subscription(world):
    return file_subscription(ingestion=world.ingestion, bucket="datalab", concurrency=4)


async def test_every_file_of_a_message_is_ingested(world, subscription):
    await subscription.handle(AnnouncedFiles(arrivals=(announced(TEXT),)))
    assert list(world.frames.frames) == [BASE]


@pytest.mark.parametrize("kind", [FailureKind.TRANSIENT, FailureKind.FATAL])
async def test_a_failure_is_told_for_the_files_that_were_not_ingested(world, subscription, kind):
    await world.ingestion.ingest(announced(TEXT))
    files = AnnouncedFiles(arrivals=(announced(TEXT), announced(FITS)))
    await subscription.on_failure(files, Failure(kind, "why"))
    assert world.rejections == [(FITS, "why")]


async def test_a_usage_error_is_told_once(world, subscription):
    files = AnnouncedFiles(arrivals=(announced("data/nonsense"),))
    with pytest.raises(UsageError, match="is neither") as refused:
        await subscription.handle(files)
    await subscription.on_failure(files, Failure(FailureKind.USAGE, refused.value.message))
    assert world.rejections == [("data/nonsense", refused.value.message)]


def test_failed_messages_are_kept_for_an_operator(subscription):
    assert subscription.keep_failed
