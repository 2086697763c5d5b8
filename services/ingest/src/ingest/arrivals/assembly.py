"""Puts together what makes frames of files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from datalab.events.object_keys import ALLSKY, INFO_IMAGES
from datalab.platform.allowance import Allowance
from datalab.platform.assembly import Capability
from datalab.platform.documents.core import DocumentCore
from datalab.platform.periodic import Periodic
from ingest.allsky.repository import AllskyImageRepository
from ingest.allsky.service import AllskyImages
from ingest.arrivals.bus import file_subscription
from ingest.arrivals.gate import AnnouncementGate, announcement_responder
from ingest.arrivals.metrics import IngestMetrics
from ingest.arrivals.reconciler import Reconciler
from ingest.arrivals.records import record_responder
from ingest.arrivals.refusals import Refusals
from ingest.arrivals.scratch import ScratchFolder
from ingest.arrivals.service import Ingestion
from ingest.frames.lifetimes import Lifetimes
from ingest.frames.recent import RecentFrames
from ingest.frames.repository import FrameRepository
from ingest.info_images.repository import InfoImageRepository
from ingest.info_images.service import InfoImages
from ingest.inspection.pool import InspectionPool
from ingest.settings import IngestSettings
from ingest.uploads.repository import UploadRepository

#: Looking must not become the main work: a million objects take minutes to list, and then the pause grows with them.
_LARGEST_SHARE_OF_TIME = 0.1
#: A night's files may be announced together.
_BURST_S = 60.0
_TIDY_EVERY_S = 600.0
#: What is not tallied yet is counted frame by frame: some ten thousand in a night.
_TALLY_EVERY_S, _TALLY_SHARE_OF_TIME = 10.0, 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """The capability, and what does its work."""

    ingestion: Ingestion
    reconciler: Reconciler
    frames: FrameRepository
    info_images: InfoImageRepository
    allsky: AllskyImageRepository
    uploads: UploadRepository
    capability: Capability


def build(core: DocumentCore, settings: IngestSettings, *, recent: RecentFrames) -> Arrivals:
    """Return what listens for files, and looks for them."""
    metrics = IngestMetrics(core.registry)
    frames = FrameRepository(database=core.documents.database, relay=core.relay)
    info_images = InfoImageRepository(database=core.documents.database, relay=core.relay)
    allsky = AllskyImageRepository(database=core.documents.database, relay=core.relay)
    uploads = UploadRepository(database=core.documents.database, keep_s=settings.upload_log_keep_s)
    scratch = ScratchFolder(
        folder=settings.scratch_dir,
        objects=core.objects,
        max_file_bytes=settings.max_file_bytes,
        reserve_bytes=settings.scratch_reserve_bytes,
    )
    inspector = InspectionPool(
        processes=settings.inspection_processes,
        time_limit_s=settings.inspection_time_limit_s,
        memory_limit_bytes=settings.inspection_memory_bytes,
        max_expanded_bytes=settings.max_expanded_bytes,
    )
    told = Allowance(per_s=settings.site_refusals_per_s, burst_s=_BURST_S)
    ingestion = Ingestion(
        objects=core.objects,
        scratch=scratch,
        inspector=inspector,
        frames=frames,
        uploads=uploads,
        publisher=core.bus,
        meter=metrics,
        allowance=told,
        site_images={
            INFO_IMAGES: InfoImages(images=info_images, keep=timedelta(seconds=settings.info_image_keep_s)),
            ALLSKY: AllskyImages(images=allsky, keep=timedelta(seconds=settings.allsky_keep_s)),
        },
        lifetimes=Lifetimes(by_type=settings.expire_after_s, by_site=settings.expire_after_s_at_sites),
        recent=recent,
        open_sites=settings.open_sites,
        picture_patience=timedelta(seconds=settings.preview_patience_s),
    )
    refusals = Refusals(publisher=core.bus, allowance=told)
    gate = AnnouncementGate(
        store=core.bus,
        refusals=refusals,
        allowance=Allowance(per_s=settings.site_announcements_per_s, burst_s=_BURST_S),
    )
    reconciler = Reconciler(
        objects=core.objects,
        frames=frames,
        uploads=uploads,
        ingestion=ingestion,
        meter=metrics,
        min_age_s=settings.reconcile_min_age_s,
        remembered_s=settings.upload_log_keep_s,
        concurrency=settings.reconcile_concurrency,
    )
    capability = Capability(
        resources=[scratch, inspector],
        indexes=[each.ensure_indexes for each in (frames, info_images, allsky, uploads)],
        subscriptions=[
            file_subscription(
                ingestion=ingestion,
                refusals=refusals,
                bucket=settings.s3_bucket,
                concurrency=settings.ingest_concurrency,
            )
        ],
        responders=lambda: [announcement_responder(gate), record_responder(ingestion)],
        periodic=[
            Periodic(
                name="reconciler",
                every_s=settings.reconcile_interval_s,
                first_after_s=settings.reconcile_first_delay_s,
                share_of_time=_LARGEST_SHARE_OF_TIME,
                work=reconciler.reconcile,
            ),
            Periodic(name="release", every_s=settings.release_interval_s, first_after_s=0.0, work=frames.release_due),
            Periodic(
                name="tallies",
                every_s=_TALLY_EVERY_S,
                first_after_s=0.0,
                share_of_time=_TALLY_SHARE_OF_TIME,
                work=frames.tally,
            ),
            Periodic(name="former headers", every_s=_TIDY_EVERY_S, first_after_s=0.0, work=frames.move_headers),
            Periodic(name="unnamed headers", every_s=_TIDY_EVERY_S, work=frames.remove_unnamed_headers),
        ],
    )
    return Arrivals(
        ingestion=ingestion,
        reconciler=reconciler,
        frames=frames,
        info_images=info_images,
        allsky=allsky,
        uploads=uploads,
        capability=capability,
    )
