"""Streams, consumers and key-value buckets, as data. `datalab topology apply` makes the server match this page."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from datalab.events.operations import Lane

_MINUTE_S = 60.0
_DAY_S = 86_400.0
_GIBIBYTE = 1024**3

#: Where the object store tells of new objects.
BUCKET_NOTIFICATIONS = "datalab.bucket.notification"
#: Where the session API tells of files it has taken in; the last token is a site, or `unknown`.
FILES_UPLOADED = "datalab.file.uploaded.v1.*"
#: What is said of a single file that came in one message, and by which its sender knows what became of it.
_VERDICTS = ("datalab.frame.ingested.v1.*", "datalab.file.rejected.v1.*", "datalab.file.unchanged.v1.*")
_INFO_IMAGES = "datalab.info-image.ingested.v1.*"
_FRAMES_REMOVED = "datalab.frame.removed.v1.*"


class _Declaration(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    description: str


class Stream(_Declaration):
    """A stored sequence of messages. Messages stay until they are too old or too many, acknowledged or not.

    A `backlog` keeps only what its consumers have still to take, and refuses what there is no room for instead of
    dropping what is oldest: whoever sends hears of it, and nobody's messages push out those of others.
    """

    subjects: tuple[str, ...]
    max_age_s: float
    max_bytes: int
    backlog: bool = False
    max_messages_per_subject: int | None = Field(
        None, description="beyond it a backlog refuses, others drop the oldest"
    )
    dedupe_window_s: float = Field(10 * _MINUTE_S, description="a repeated event id within this time is dropped")


class Consumer(_Declaration):
    """A durable pull consumer: shared by every process that subscribes to it."""

    stream: str
    filter_subjects: tuple[str, ...]
    ack_wait_s: float = Field(description="a message without a sign of life for this long goes to somebody else")
    max_tries: int = Field(description="tries before the message is given up; hand-backs without a try do not count")
    retry_base_s: float = Field(0.5, description="delay before the second delivery; doubles each time")
    max_ack_pending: int = 1000


class Bucket(_Declaration):
    """A key-value bucket."""

    ttl_s: float | None = None
    history: int = 1


class QueueGroup(_Declaration):
    """Processes that share requests: each request reaches one of them, or is refused at once if there is none."""

    subjects: tuple[str, ...]


class Broadcast(_Declaration):
    """What whoever is there hears, over plain NATS: no stream stores it, and what is missed is followed by the next."""

    subjects: tuple[str, ...]


WORK = Stream(
    name="WORK",
    description="operations to compute",
    subjects=("datalab.operation.requested.v1.*",),
    max_age_s=14 * _DAY_S,
    max_bytes=2 * _GIBIBYTE,
)
CANCELLATIONS = Stream(
    name="CANCELLATIONS",
    description="operations to stop; every runner hears them all",
    subjects=("datalab.operation.cancel_requested.v1",),
    max_age_s=14 * _DAY_S,
    max_bytes=_GIBIBYTE // 4,
)
REPORTS = Stream(
    name="REPORTS",
    description="what runners say about their operations",
    subjects=(
        "datalab.operation.started.v1",
        "datalab.operation.progressed.v1",
        "datalab.operation.delayed.v1",
        "datalab.operation.succeeded.v1",
        "datalab.operation.failed.v1",
        "datalab.operation.cancelled.v1",
    ),
    max_age_s=14 * _DAY_S,
    max_bytes=2 * _GIBIBYTE,
)
FILES = Stream(
    name="FILES",
    description="new files, announced by observatories, by the API that took them in, or by the object store itself",
    subjects=("observatory.*.image.new", FILES_UPLOADED, BUCKET_NOTIFICATIONS),
    max_age_s=14 * _DAY_S,
    max_bytes=_GIBIBYTE,
    backlog=True,
    # One subject is one site: three nights of a busy one, while nobody takes its files in.
    max_messages_per_subject=20_000,
)
FRAMES = Stream(
    name="FRAMES",
    description="what became of files: frames ingested and removed, images of sites, files rejected or unchanged",
    subjects=(
        *_VERDICTS,
        _FRAMES_REMOVED,
        _INFO_IMAGES,
        "datalab.allsky-image.ingested.v1.*",
    ),
    max_age_s=14 * _DAY_S,
    max_bytes=_GIBIBYTE,
)
REMOVALS = Stream(
    name="REMOVALS",
    description="frames that are to go",
    subjects=("datalab.frame.removal-requested.v1",),
    max_age_s=14 * _DAY_S,
    max_bytes=_GIBIBYTE // 4,
)
PREVIEWS = Stream(
    name="PREVIEWS",
    description="pictures of frames that nobody sent: wanted, made, or impossible",
    subjects=("datalab.preview.requested.v1.*", "datalab.preview.made.v1", "datalab.preview.failed.v1"),
    max_age_s=14 * _DAY_S,
    # Ingest asks again for what was pushed out: a thousand frames are 1 MB.
    max_bytes=_GIBIBYTE // 4,
)
FEED = Stream(
    name="FEED",
    description="what user interfaces hear; its sequence is the sequence clients resume from",
    subjects=("datalab.feed.v1.>",),
    max_age_s=2 * _DAY_S,
    max_bytes=2 * _GIBIBYTE,
)
DEAD = Stream(
    name="DEAD",
    description="messages nobody could handle, each with the reason",
    subjects=("datalab.dead.*",),
    max_age_s=90 * _DAY_S,
    max_bytes=_GIBIBYTE,
    # One subject is one consumer: a flood in one of them does not push out what is kept of the others.
    max_messages_per_subject=50_000,
)
STREAMS: tuple[Stream, ...] = (WORK, CANCELLATIONS, REPORTS, FILES, FRAMES, REMOVALS, PREVIEWS, FEED, DEAD)

RUNNERS: dict[Lane, Consumer] = {
    lane: Consumer(
        name=f"runner-{lane}",
        description=f"runners, {lane} lane",
        stream=WORK.name,
        filter_subjects=(f"datalab.operation.requested.v1.{lane}",),
        # A killed runner's work starts again after this; a living runner sends a sign of life three times as often.
        ack_wait_s=15,
        max_tries=8,
        max_ack_pending=10_000,
    )
    for lane in Lane
}
PROJECTOR = Consumer(
    name="projector",
    description="session API: brings the operations up to date",
    stream=REPORTS.name,
    filter_subjects=REPORTS.subjects,
    ack_wait_s=10,
    max_tries=20,
    max_ack_pending=10_000,
)
FILE_INGEST = Consumer(
    name="file-ingest",
    description="ingest: new files",
    stream=FILES.name,
    filter_subjects=FILES.subjects,
    ack_wait_s=30,
    max_tries=12,
    # Above what a site may have waiting, so that one whose files are missing does not stop the others.
    max_ack_pending=50_000,
)
FRAME_FEED = Consumer(
    name="frame-feed",
    description="session API: tells the feed about frames and info images, and learns what became of people's uploads",
    stream=FRAMES.name,
    filter_subjects=(*_VERDICTS, _FRAMES_REMOVED, _INFO_IMAGES),
    ack_wait_s=10,
    max_tries=20,
)
FRAME_REMOVAL = Consumer(
    name="frame-removal",
    description="ingest: frames that are to go",
    stream=REMOVALS.name,
    filter_subjects=REMOVALS.subjects,
    ack_wait_s=30,
    max_tries=20,
)
REMOVED_FRAMES = Consumer(
    name="removed-frames",
    description="session API: forgets what it knows of the files of frames that went",
    stream=FRAMES.name,
    filter_subjects=(_FRAMES_REMOVED,),
    ack_wait_s=30,
    max_tries=20,
)
#: Beside the operations of users: neither waits for the other. A thumbnail of a JPEG never waits behind an image.
PREVIEW_MAKERS: dict[Lane, Consumer] = {
    lane: Consumer(
        name=f"preview-{lane}",
        description=f"runners: previews, {lane} lane",
        stream=PREVIEWS.name,
        filter_subjects=(f"datalab.preview.requested.v1.{lane}",),
        ack_wait_s=15,
        # Ingest asks again for what failed so often, hours later.
        max_tries=5,
    )
    for lane in Lane
}
PREVIEW_NOTES = Consumer(
    name="preview-notes",
    description="ingest: notes previews that were made, and those that cannot be",
    stream=PREVIEWS.name,
    filter_subjects=("datalab.preview.made.v1", "datalab.preview.failed.v1"),
    ack_wait_s=10,
    max_tries=20,
)
CONSUMERS: tuple[Consumer, ...] = (
    *RUNNERS.values(),
    PROJECTOR,
    FILE_INGEST,
    FRAME_FEED,
    FRAME_REMOVAL,
    REMOVED_FRAMES,
    *PREVIEW_MAKERS.values(),
    PREVIEW_NOTES,
)

OPERATION_OFFERS = Bucket(name="catalogue", description="operations there are, as the runners describe them")
LEASES_TTL_S = 20
LEASES = Bucket(name="leases", description="which runner computes which result key now", ttl_s=LEASES_TTL_S)
ANALYSIS_OFFERS = Bucket(name="analyses", description="analysis actions there are, as the runners describe them")
HEALTH = Bucket(name="health", description="written by each readiness check: can the server store?", ttl_s=600)
HAND_BACKS = Bucket(
    name="hand_backs", description="how often a message was handed back without having been tried", ttl_s=_DAY_S
)
#: One that says nothing any more is shown for this long.
PROCESSES = Bucket(name="processes", description="processes there are and what they do, as each says", ttl_s=600)
BUCKETS: tuple[Bucket, ...] = (OPERATION_OFFERS, LEASES, ANALYSIS_OFFERS, HEALTH, HAND_BACKS, PROCESSES)

#: Questions with one answer, over plain NATS: no stream stores them. Runners share them as this queue group.
ANALYSTS = QueueGroup(
    name="analysts",
    description="runners, analysis actions",
    subjects=("datalab.analysis.requested.v1.*",),
)

#: As analyses, but what is made is stored, and the work goes on when nobody waits any more.
ARCHIVERS = QueueGroup(
    name="archivers",
    description="runners, archives of many files",
    subjects=("datalab.archive.requested.v1",),
)

#: As analyses, of no file: where the Sun and the Moon stand is computed, and nothing is fetched or stored.
ALMANAC = QueueGroup(
    name="almanac",
    description="runners, the Sun and the Moon over a place",
    subjects=("datalab.site-night.requested.v1", "datalab.moon-passages.requested.v1"),
)

#: Sites announce their files here; what is taken goes into FILES under the site's name. The last token is the site, and
#: the bus sees to it that only that site's user can send it.
ANNOUNCERS = QueueGroup(
    name="announcements",
    description="ingest: announcements of observatories",
    subjects=("datalab.file.announced.v1.*",),
)

#: The session API asks for files to be made part of their frames, where somebody waits for the frame.
RECORDERS = QueueGroup(
    name="records",
    description="ingest: files that an OCS ingester stored",
    subjects=("datalab.file.record_requested.v1",),
)

#: A site tells of its devices several times a second: stored, it would push everything else out of the feed within
#: hours, for texts that are read for a second.
SITE_STATUSES = Broadcast(
    name="site-statuses",
    description="session API: hands on what sites say of their devices, weather and roof",
    subjects=("datalab.site-status.changed.v1.*",),
)


def stream_for(subject: str) -> Stream:
    """Return the stream that stores `subject`. Raises `LookupError` if none does."""
    for stream in STREAMS:
        if any(subject_matches(pattern, subject) for pattern in stream.subjects):
            return stream
    raise LookupError(f"no stream stores messages on {subject!r}")


def stream_of(bucket: Bucket) -> Stream:
    """Return the stream the server keeps a bucket in; the last token of a subject is the key."""
    return Stream(
        name=f"KV_{bucket.name}",
        description=bucket.description,
        subjects=(f"$KV.{bucket.name}.>",),
        max_age_s=bucket.ttl_s or 0,
        max_bytes=-1,
    )


def subject_matches(pattern: str, subject: str) -> bool:
    """Tell whether a NATS subject pattern (`*` one token, `>` one or more at the end) covers `subject`."""
    wanted, given = pattern.split("."), subject.split(".")
    for position, part in enumerate(wanted):
        if part == ">":
            return len(given) > position
        if position >= len(given) or part not in ("*", given[position]):
            return False
    return len(wanted) == len(given)


def inbox_prefix(user: str) -> str:
    """Return the subject below which answers to a user of the bus arrive."""
    return f"_INBOX_{user}"


def dead_letter_subject(consumer: Consumer) -> str:
    """Return where messages go that `consumer` could not handle."""
    return f"datalab.dead.{consumer.name}"
