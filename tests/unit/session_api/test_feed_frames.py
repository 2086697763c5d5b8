"""What clients hear of the archive's news."""

from datalab.events.envelope import utc_now
from datalab.events.feed import FileRefused, FrameChanged, FrameDeleted, InfoImageChanged
from datalab.events.frames import FileRejected, FrameIngested, FrameRemoved
from datalab.events.site_images import InfoImageIngested
from session_api.feed.archive_news import ArchiveNewsPublisher


class Published:
    def __init__(self):
        self.events = []

    async def publish(self, event):
        self.events.append(event)


async def test_an_ingested_frame_is_a_changed_frame():
    ingested = FrameIngested(
        site="tst",
        frame_id=7,
        basename="tst-7",
        key="data/tst-7.fits",
        roles=("fits", "jpg_10"),
        observation_date=utc_now(),
        filter_name="rp",
        target_name="M 31",
        exposure_time_s=30.0,
        public_date=utc_now(),
        proposal_id="P1",
        image_changed=True,
    )
    published = Published()
    news = ArchiveNewsPublisher(publisher=published)
    await news.publish(ingested)
    await news.publish(FrameIngested.decode(ingested.encode()))
    first, second = published.events
    assert first == second
    assert isinstance(first, FrameChanged)
    assert first.event_id != ingested.event_id
    assert first.producer == "session-api"
    own = {"type", "event_id", "producer"}
    assert first.model_dump(exclude=own) == ingested.model_dump(exclude={*own, "key"})


async def test_an_info_image_is_told_with_its_channel():
    ingested = InfoImageIngested(
        site="tst", channel=2, basename="tst-7", key="info-images/tst-7-EX10.jpg", roles=("jpg_10",)
    )
    published = Published()
    await ArchiveNewsPublisher(publisher=published).publish(ingested)
    (changed,) = published.events
    assert isinstance(changed, InfoImageChanged)
    own = {"type", "event_id", "producer"}
    assert changed.model_dump(exclude=own) == ingested.model_dump(exclude={*own, "key"})


async def test_a_rejected_file_is_a_refused_file():
    rejected = FileRejected(site="tst", key="data/tst-7.fits", reason="truncated after 3 of 5 blocks")
    published = Published()
    await ArchiveNewsPublisher(publisher=published).publish(rejected)
    (refused,) = published.events
    assert isinstance(refused, FileRefused)
    own = {"type", "event_id", "producer"}
    assert refused.model_dump(exclude=own) == rejected.model_dump(exclude=own)


async def test_a_removed_frame_is_a_deleted_frame():
    removed = FrameRemoved(
        site="tst",
        frame_id=7,
        basename="tst-7",
        cause="expired",
        keys=("data/tst-7.fits",),
        public_date=utc_now(),
        proposal_id="P1",
    )
    published = Published()
    await ArchiveNewsPublisher(publisher=published).publish(removed)
    (deleted,) = published.events
    assert isinstance(deleted, FrameDeleted)
    own = {"type", "event_id", "producer"}
    assert deleted.model_dump(exclude=own) == removed.model_dump(exclude={*own, "keys"})
