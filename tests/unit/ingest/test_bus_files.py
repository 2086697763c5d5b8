"""What is done with a message about files that could not be handled."""

import pytest

from datalab.errors import UsageError
from datalab.events.operations import FailureKind
from datalab.platform.allowance import Allowance
from datalab.platform.bus.consuming import Failure
from ingest.arrivals.announcements import AnnouncedFiles
from ingest.arrivals.bus import file_subscription
from ingest.arrivals.refusals import NO_KEY, Refusals
from support.ingest import BASE, FITS, TEXT, World, announced


@pytest.fixture
def world():
    world = World()
    world.objects.put(TEXT, b"a header")
    return world


@pytest.fixture
def subscription(world):
    refusals = Refusals(publisher=world.publisher, allowance=Allowance(per_s=0.05, burst_s=60))
    return file_subscription(ingestion=world.ingestion, refusals=refusals, bucket="datalab", concurrency=4)


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


@pytest.mark.parametrize(
    ("body", "key"),
    [(b'{"key": "data/x.fits"}', "data/x.fits"), (b"[" * 9999, NO_KEY), (b"\xff", NO_KEY), (b'{"key": 3}', NO_KEY)],
    ids=["with a key", "deep", "no text", "a number"],
)
async def test_what_is_no_announcement_is_told_to_the_site_it_came_from(world, subscription, body, key):
    await subscription.on_unreadable("observatory.tst.image.new", body, "Field required (at site)")
    (event,) = world.publisher.events.values()
    assert (event.site, event.key) == ("tst", key)
    assert event.reason == "not an announcement: Field required (at site)"


@pytest.mark.parametrize("subject", ["observatory.no site.image.new", "datalab.bucket.notification"])
async def test_what_comes_from_no_site_is_told_to_none(world, subscription, subject):
    await subscription.on_unreadable(subject, b"x", "why")
    assert world.publisher.events == {}


async def test_a_site_hears_of_so_many_refusals_and_another_of_its_own(world, subscription):
    for number in range(10):
        await subscription.on_unreadable("observatory.bad.image.new", b"%d" % number, "why")
    await subscription.on_unreadable("observatory.tst.image.new", b"1", "why")
    sites = [event.site for event in world.publisher.events.values()]
    assert sites == ["bad"] * 3 + ["tst"]
