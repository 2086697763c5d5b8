"""Puts together what deletes objects that are kept for some time only."""

from __future__ import annotations

from datetime import timedelta

from datalab.events.object_keys import ALLSKY, DOWNLOADS, GAIA, INFO_IMAGES, TRIALS
from datalab.platform.assembly import Capability
from datalab.platform.documents.core import DocumentCore
from datalab.platform.periodic import Periodic
from ingest.allsky.repository import AllskyImageRepository
from ingest.info_images.repository import InfoImageRepository
from ingest.retention.metrics import RetentionMetrics
from ingest.retention.service import Retention, Rule
from ingest.settings import IngestSettings

#: Listing must not become the main work.
_LARGEST_SHARE_OF_TIME = 0.1
_TIFF_ENDINGS = (".tif", ".tiff", ".tif.bz2")


def build(
    core: DocumentCore, settings: IngestSettings, *, info_images: InfoImageRepository, allsky: AllskyImageRepository
) -> tuple[Capability, Retention]:
    """Return what looks for objects whose time is over."""
    tif_life = timedelta(seconds=settings.tif_keep_s)
    rules = [
        Rule(family=INFO_IMAGES, keep=timedelta(seconds=settings.info_image_keep_s), spared=info_images.shown_keys),
        Rule(family=ALLSKY, keep=timedelta(seconds=settings.allsky_keep_s), spared=allsky.shown_keys),
        Rule(family=TRIALS, keep=timedelta(seconds=settings.trial_keep_s)),
        Rule(
            family=DOWNLOADS,
            keep=timedelta(seconds=settings.download_keep_s),
            keep_by_ending=tuple((ending, tif_life) for ending in _TIFF_ENDINGS),
            max_bytes=settings.download_max_bytes,
        ),
        Rule(family=GAIA, keep=timedelta(seconds=settings.gaia_keep_s), max_bytes=settings.gaia_max_bytes),
    ]
    retention = Retention(
        objects=core.objects,
        rules=rules,
        meter=RetentionMetrics(core.registry, families=[rule.family for rule in rules]),
    )
    capability = Capability(
        periodic=[
            Periodic(
                name="retention",
                every_s=settings.retention_interval_s,
                share_of_time=_LARGEST_SHARE_OF_TIME,
                work=retention.look,
            )
        ]
    )
    return capability, retention
