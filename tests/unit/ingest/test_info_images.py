"""What a channel shows, whatever the order in which files and words about them come."""

import asyncio
import random
from datetime import timedelta
from itertools import permutations

import pytest

from datalab.documents.file_names import info_image_name
from datalab.documents.frame import FrameFile
from datalab.documents.upload import Outcome
from datalab.errors import AwaitedError, TransientError, UsageError
from datalab.events.envelope import utc_now
from datalab.events.frames import FileRejected, FileUnchanged
from ingest.arrivals.model import AnnouncementError, Arrival, Origin
from ingest.info_images.model import Asked, ImageFile, is_news, with_file
from support.ingest import BEGINNING, Flaky, World, announced, later, notified, sha256_of

OLD, NEW = "tst-inst-20260504-00000041", "tst-inst-20260504-00000042"
KEEP = timedelta(days=2)


def picture(base, ending="EX10.jpg", *, content=b"1", stored=0.0, cards=None):
    name = info_image_name(f"{base}-{ending}")
    file = FrameFile(
        key=f"info-images/{base}-{ending}",
        size_bytes=len(content),
        sha256=sha256_of(content),
        etag="",
        media_type="image/jpeg",
        stored_at=later(stored),
    )
    return ImageFile(name=name, file=file, header=cards)


def asked(first, last=None, *, channel=2):
    return Asked(channel=channel, first=later(first), last=later(first if last is None else last))


def shown_after(facts):
    document, news = None, 0
    for image_file, said in facts:
        after = with_file(document, site="tst", asked=said, image_file=image_file, keep=KEEP, now=BEGINNING)
        news += document is not after and is_news(document, after)
        document = after
    return document, news


def content_of(document):
    """Return all but the count of changes: how many there were depends on the order."""
    return document.model_copy(update={"revision": 0})


FACTS = [
    (picture(OLD), asked(0)),
    (picture(OLD, "EX00.txt", cards={"OBJECT": "old"}), asked(20)),  # late, of the older image
    (picture(NEW), asked(10)),
    (picture(NEW, "EX00.txt", cards={"OBJECT": "new"}), asked(11)),
]


@pytest.mark.parametrize("facts", list(permutations(FACTS)))
def test_any_order_gives_the_image_that_was_asked_for_last_with_all_its_files(facts):
    document, _ = shown_after(facts)
    assert content_of(document) == content_of(shown_after(FACTS)[0])
    assert (document.place, document.basename, sorted(document.files)) == ("tst#2", NEW, ["jpg_10", "txt_00"])
    assert (document.header, document.file_date, document.data_type) == ({"OBJECT": "new"}, "20260504", "EX")


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_an_image_that_is_sent_again_is_shown_again(order):
    facts = [(picture(OLD), asked(0)), (picture(NEW), asked(10)), (picture(OLD, content=b"2", stored=30), asked(0, 30))]
    document, _ = shown_after([facts[number] for number in order])
    assert (document.basename, document.files["jpg_10"].sha256) == (OLD, sha256_of(b"2"))


def test_what_is_known_changes_nothing():
    document, _ = shown_after(FACTS)
    for image_file, said in FACTS:
        after = with_file(document, site="tst", asked=said, image_file=image_file, keep=KEEP, now=later(99))
        assert after is document


def test_only_what_is_seen_is_news():
    assert shown_after([FACTS[2], FACTS[3], FACTS[0], FACTS[1]])[1] == 2
    assert shown_after([FACTS[0], FACTS[2]])[1] == 2


def test_a_channel_remembers_a_few_images():
    facts = [(picture(f"tst-inst-20260504-{number:08d}"), asked(number)) for number in range(20)]
    document, _ = shown_after(facts)
    assert [image.basename[-2:] for image in document.images] == [f"{number:02d}" for number in range(12, 20)]


def test_an_image_is_shown_for_two_days_from_its_last_file():
    document, _ = shown_after([(picture(OLD, stored=5), asked(0)), (picture(OLD, "EX00.txt", stored=3), asked(1))])
    assert document.expires_at == later(5) + KEEP


# --- through the service ------------------------------------------------------------------------------------


def key_of(base, ending="EX10.jpg"):
    return f"info-images/{base}-{ending}"


def world_with(*keys, **options):
    world = World(**options)
    for key in keys:
        world.objects.put(key, key.encode())
    return world


async def test_the_ticket_says_on_which_channel():
    key = key_of(NEW)
    world = world_with(key)
    world.channels.tickets[key] = asked(0, channel=3)
    assert await world.ingestion.ingest(notified(key)) is Outcome.INGESTED
    assert list(world.channels.documents) == ["tst#3"]
    (event,) = world.channels.outbox
    assert (event.site, event.channel, event.basename, event.key, event.roles) == ("tst", 3, NEW, key, ("jpg_10",))
    (entry,) = world.uploads.entries.values()
    assert (entry.site, entry.key, entry.outcome, entry.reason) == ("tst", key, Outcome.INGESTED, None)


async def test_the_announcement_of_its_site_says_on_which_channel():
    key = key_of(NEW)
    world = world_with(key)
    assert await world.ingestion.ingest(announced(key, channel=1, said_at=later(5))) is Outcome.INGESTED
    assert world.channels.documents["tst#1"].images[0].begun == later(5)
    assert await world.ingestion.ingest(notified(key)) is Outcome.UNCHANGED  # what its store tells later adds nothing
    assert len(world.channels.outbox) == 1


async def test_a_clock_that_is_ahead_does_not_block_a_channel():
    world = world_with(key_of(OLD), key_of(NEW))
    await world.ingestion.ingest(announced(key_of(OLD), channel=1, said_at=utc_now() + timedelta(days=9)))
    await world.ingestion.ingest(announced(key_of(NEW), channel=1, said_at=utc_now() + timedelta(days=8)))
    assert world.channels.documents["tst#1"].basename == NEW


async def test_a_late_file_of_an_older_image_is_settled_and_its_sender_told():
    world = world_with(key_of(OLD), key_of(NEW))
    await world.ingestion.ingest(announced(key_of(NEW), channel=2, said_at=later(10)))
    outcome = await world.ingestion.ingest(announced(key_of(OLD), channel=2, said_at=later(0)))
    assert outcome is Outcome.IGNORED
    assert world.channels.documents["tst#2"].basename == NEW
    assert len(world.channels.outbox) == 1
    (told,) = world.published(FileUnchanged)
    assert (told.key, told.reason) == (key_of(OLD), f"channel 2 shows {NEW}, which was asked for later")
    reasons = {entry.key: (entry.outcome, entry.reason) for entry in world.uploads.entries.values()}
    assert reasons[key_of(OLD)] == (Outcome.IGNORED, told.reason)


async def test_a_file_nobody_said_a_channel_for_waits_a_little_and_is_refused_with_the_reason():
    key = key_of(NEW)
    world = world_with()
    world.objects.put(key, b"x", modified_at=utc_now())
    with pytest.raises(AwaitedError, match="on which channel"):
        await world.ingestion.ingest(notified(key))
    await world.ingestion.give_up([notified(key)], "nobody has said")
    assert world.rejections == [(key, "nobody has said")]
    world.objects.put(key, b"x", modified_at=utc_now() - timedelta(minutes=4))
    with pytest.raises(UsageError):
        await world.ingestion.ingest(notified(key))
    event = world.published(FileRejected)[-1]
    assert event.site == "tst"
    assert "ask for the file at /upload with info_channel 1, 2 or 3, or announce it with a channel" in event.reason
    assert {entry.outcome for entry in world.uploads.entries.values()} == {Outcome.REJECTED}
    assert await world.ingestion.ingest(announced(key, channel=2, said_at=later(0))) is Outcome.INGESTED


async def test_a_site_that_announces_without_a_channel_is_told_at_once():
    key = key_of(NEW)
    world = world_with()
    world.objects.put(key, b"x", modified_at=utc_now())
    with pytest.raises(UsageError, match="on which channel"):
        await world.ingestion.ingest(announced(key))


@pytest.mark.parametrize(
    ("key", "site", "words"),
    [
        ("info-images/tst-focus.jpg", "tst", "is not {site}-{instrument}"),
        ("info-images/tst-inst-20260504-00000042-x-EX10.jpg", "tst", "2 parts instead of one"),
        (key_of(NEW), "mrc", "says site 'tst', it was announced by 'mrc'"),
    ],
)
async def test_a_name_that_is_none_is_refused_to_its_site(key, site, words):
    world = world_with(key)
    with pytest.raises(UsageError, match=words.replace("{", r"\{")):
        await world.ingestion.ingest(announced(key, site=site, channel=1))
    assert [event.site for event in world.published(FileRejected)] == [site]


async def test_another_sites_name_is_nothing_against_the_file():
    world = world_with(key_of(NEW))
    with pytest.raises(AnnouncementError):
        await world.ingestion.ingest(announced(key_of(NEW), site="mrc", channel=1))
    assert world.uploads.refusals == {}


async def test_channels_and_sites_are_apart():
    other = key_of(NEW.replace("tst", "mrc"))
    world = world_with(key_of(NEW), key_of(OLD), other)
    await world.ingestion.ingest(announced(key_of(OLD), channel=1, said_at=later(0)))
    await world.ingestion.ingest(announced(key_of(NEW), channel=2, said_at=later(0)))
    await world.ingestion.ingest(announced(other, site="mrc", channel=2, said_at=later(0)))
    shown = {place: document.basename for place, document in world.channels.documents.items()}
    assert shown == {"tst#1": OLD, "tst#2": NEW, "mrc#2": NEW.replace("tst", "mrc")}


@pytest.mark.parametrize("after_effect", [False, True])
@pytest.mark.parametrize("seed", range(5))
async def test_twenty_at_once_in_a_failing_world_give_one_right_document(seed, after_effect):
    keys = [key_of(base, ending) for base in (OLD, NEW) for ending in ("EX10.jpg", "EX11.jpg", "EX00.txt", "EX10.fits")]
    world = world_with(*keys, through=lambda port: Flaky(port, after_effect=after_effect))
    moments = {key: later(number) for number, key in enumerate(keys)}
    said = [announced(key, channel=2, said_at=moments[key]) for key in keys] + [notified(key) for key in keys]
    chance = random.Random(seed)
    arrivals = chance.sample(said + chance.choices(said, k=4), 20)

    async def persist(arrival):
        for _ in range(500):
            try:
                return await world.ingestion.ingest(arrival)
            except (TransientError, UsageError):  # a notification before its announcement is refused: it has no ticket
                await asyncio.sleep(0)
        raise AssertionError("never settled")

    # Every file is announced once at least.
    await asyncio.gather(*map(persist, arrivals + said[: len(keys)]))
    document = world.channels.documents["tst#2"]
    assert (document.basename, sorted(document.files)) == (NEW, ["fits_10", "jpg_10", "jpg_11", "txt_00"])
    assert document.header == {"OBJECT": key_of(NEW, "EX00.txt")}
    assert world.channels.outbox[-1].basename == NEW
    assert world.channels.outbox[-1].roles == ("fits_10", "jpg_10", "jpg_11", "txt_00")
    assert len({event.event_id for event in world.channels.outbox}) == len(world.channels.outbox)


async def test_the_reconciler_finds_a_file_the_site_asked_for_and_nobody_told_of():
    from ingest.arrivals.reconciler import Reconciler

    world = world_with()
    keys = [key_of(OLD), key_of(NEW)]
    for number, key in enumerate(keys):
        world.objects.put(key, key.encode(), modified_at=utc_now() - timedelta(minutes=10))
        world.channels.tickets[key] = asked(number)
    reconciler = Reconciler(
        objects=world.objects,
        frames=world.frames,
        uploads=world.uploads,
        ingestion=world.ingestion,
        meter=world.meter,
        min_age_s=30,
        remembered_s=172_800,
        concurrency=2,
    )
    assert (await reconciler.reconcile()).found == 2
    assert world.channels.documents["tst#2"].basename == NEW
    assert (await reconciler.reconcile()).found == 0


async def test_an_upload_of_somebodys_own_is_no_info_image():
    world = World()
    arrival = Arrival(
        key="info-images/x.fits", origin=Origin.UPLOAD, correlation_id="c", owner="ada", file_name="m31.fits"
    )
    world.objects.put(arrival.key, b"x")
    await world.ingestion.ingest(arrival)
    assert list(world.frames.frames) == ["ada~m31"]
    assert world.channels.documents == {}
