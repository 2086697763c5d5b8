"""Puts together what makes pictures of frames."""

from __future__ import annotations

from datalab.events.operations import Lane
from datalab.platform.assembly import Capability, Core
from operation_runner.previews.bus import subscriptions
from operation_runner.previews.metrics import PreviewMetrics
from operation_runner.previews.model import Scratch, Sizes
from operation_runner.previews.pool import PreviewPool
from operation_runner.previews.service import Previews
from operation_runner.settings import OperationRunnerSettings

#: Images read at once: each may need a second of a core, and all the memory there is for one.
_IMAGES = 1


def build(core: Core, settings: OperationRunnerSettings, *, scratch: Scratch) -> Capability:
    """Return the capability: requests in, pictures out."""
    pool = PreviewPool(
        processes=settings.preview_slots + _IMAGES,
        time_limit_s=settings.preview_time_limit_s,
        memory_bytes=settings.preview_memory_bytes,
        sizes=Sizes(longest_side_px=settings.preview_longest_side_px, thumbnail_height_px=settings.thumbnail_height_px),
    )
    previews = Previews(
        objects=core.objects,
        scratch=scratch,
        painter=pool,
        publisher=core.bus,
        metrics=PreviewMetrics(core.registry),
    )
    return Capability(
        resources=[pool],
        subscriptions=subscriptions(previews, slots={Lane.FAST: settings.preview_slots, Lane.SLOW: _IMAGES}),
    )
