"""From a request for pictures to what is said of them, in memory and in a world that fails."""

import contextlib
import hashlib

import pytest

from datalab.errors import TransientError, UsageError
from datalab.events.operations import FailureKind, Lane
from datalab.events.previews import PreviewFailed, PreviewKind, PreviewMade, PreviewRequested
from datalab.events.topology import PREVIEW_MAKERS
from datalab.platform.bus.consuming import Failure
from datalab.platform.metrics import create_registry
from datalab.platform.objects.errors import ObjectNotFoundError
from operation_runner.previews.bus import subscriptions
from operation_runner.previews.metrics import PreviewMetrics
from operation_runner.previews.model import FitsTask, JpegTask
from operation_runner.previews.service import Previews

CONTENT = b"what was sent"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
KEYS = {"jpg_10": "previews/a/b-EX10.jpg", "jpg_11": "previews/a/b-EX11.jpg"}
KINDS = {"jpg_10": PreviewKind.MEDIUM, "jpg_11": PreviewKind.THUMBNAIL}


def request(content, *roles):
    return PreviewRequested(
        event_id="asked-1",
        correlation_id="pictures-1",
        basename="b",
        source={"content": content, "key": "data/source", "sha256": SHA256, "size_bytes": len(CONTENT)},
        wanted=[{"kind": KINDS[role], "role": role, "key": KEYS[role]} for role in roles],
    )


JPEG, FITS = request("jpeg", "jpg_11"), request("fits", "jpg_10", "jpg_11")


class Store:
    def __init__(self):
        self.objects = {"data/source": CONTENT}

    async def get_bytes(self, key, *, max_bytes):
        if key not in self.objects:
            raise ObjectNotFoundError(f"no object {key}")
        return self.objects[key]

    async def fetch_file(self, key, path, *, expected_sha256, max_bytes):
        assert (expected_sha256, max_bytes) == (SHA256, len(CONTENT))
        path.write_bytes(await self.get_bytes(key, max_bytes=max_bytes))

    async def put_bytes(self, key, data, *, content_type):
        assert content_type == "image/jpeg"
        self.objects[key] = data
        return f"etag of {key}"


class Painter:
    """Paints the name of what is wanted, or raises."""

    def __init__(self):
        self.tasks = []
        self.error = None

    async def paint(self, task):
        self.tasks.append(task)
        if self.error:
            raise self.error
        if isinstance(task, JpegTask):
            assert (task.content, task.sha256) == (CONTENT, SHA256)
            return {PreviewKind.THUMBNAIL: b"thumbnail"}
        assert isinstance(task, FitsTask)
        assert task.path.read_bytes() == CONTENT
        return {PreviewKind.MEDIUM: b"medium", PreviewKind.THUMBNAIL: b"thumbnail"}


class Publisher:
    def __init__(self):
        self.events = []
        self.failures = 0

    async def publish(self, event):
        if self.failures:
            self.failures -= 1
            raise TransientError("the bus is away")
        self.events.append(event)


class World:
    def __init__(self, folder):
        @contextlib.asynccontextmanager
        async def work_dir():
            yield folder

        self.work_dir = work_dir
        self.store, self.painter, self.publisher = Store(), Painter(), Publisher()
        self.registry = create_registry()
        self.previews = Previews(
            objects=self.store,
            scratch=self,
            painter=self.painter,
            publisher=self.publisher,
            metrics=PreviewMetrics(self.registry),
        )

    def counted(self, lane, outcome):
        return self.registry.get_sample_value("datalab_previews_ended_total", {"lane": lane, "outcome": outcome})


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


@pytest.mark.parametrize(("asked", "lane"), [(JPEG, "fast"), (FITS, "slow")])
async def test_what_was_asked_for_is_made_stored_and_told(world, asked, lane):
    await world.previews.make(asked)
    (told,) = world.publisher.events
    assert isinstance(told, PreviewMade)
    assert (told.basename, told.source_sha256, told.correlation_id) == ("b", SHA256, "pictures-1")
    assert [(each.role, each.key) for each in told.previews] == [(each.role, each.key) for each in asked.wanted]
    for each in told.previews:
        content = world.store.objects[each.key]
        assert content.decode() == KINDS[each.role]
        assert (each.size_bytes, each.sha256) == (len(content), hashlib.sha256(content).hexdigest())
        assert each.etag == f"etag of {each.key}"
    assert (world.counted(lane, "made"), world.counted(lane, "impossible")) == (1, 0)


async def test_made_again_it_is_the_same_event(world):
    for _ in range(2):
        await world.previews.make(JPEG)
    first, second = world.publisher.events
    assert first.event_id == second.event_id


@pytest.mark.parametrize("reason", ["cannot be decoded", "gone"])
async def test_what_cannot_be_made_is_told_and_nothing_stored(world, reason):
    if reason == "gone":
        del world.store.objects["data/source"]
    else:
        world.painter.error = UsageError("cannot be decoded")
    before = dict(world.store.objects)
    await world.previews.make(JPEG)
    (told,) = world.publisher.events
    assert isinstance(told, PreviewFailed)
    assert (told.basename, told.source_sha256) == ("b", SHA256)
    assert told.reason == ("no object data/source" if reason == "gone" else reason)
    assert world.store.objects == before
    assert world.counted("fast", "impossible") == 1


async def test_what_may_work_later_is_left_to_the_bus(world):
    world.painter.error = TransientError("the machine is busy")
    with pytest.raises(TransientError, match="busy"):
        await world.previews.make(FITS)
    world.painter.error, world.publisher.failures = None, 1
    with pytest.raises(TransientError, match="the bus is away"):
        await world.previews.make(FITS)
    assert world.publisher.events == []
    await world.previews.make(FITS)
    assert len(world.publisher.events) == 1


def test_each_lane_has_slots_of_its_own(world):
    lanes = subscriptions(world.previews, slots={Lane.FAST: 3, Lane.SLOW: 1})
    assert [(each.consumer, each.concurrency) for each in lanes] == [
        (PREVIEW_MAKERS[Lane.FAST], 3),
        (PREVIEW_MAKERS[Lane.SLOW], 1),
    ]
    for asked, subscription in zip((JPEG, FITS), lanes, strict=True):
        assert subscription.consumer.filter_subjects == (asked.subject,)


@pytest.mark.parametrize(("kind", "told"), [(FailureKind.FATAL, 1), (FailureKind.TRANSIENT, 0)])
async def test_our_bug_is_the_end_of_it_and_a_failing_world_is_not(world, kind, told):
    fast, _ = subscriptions(world.previews, slots={Lane.FAST: 1, Lane.SLOW: 1})
    await fast.on_failure(JPEG, Failure(kind, "unknown"))
    assert [event.reason for event in world.publisher.events] == ["unknown"] * told
