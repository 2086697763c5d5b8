"""All files of the corpus, by kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from corpus import (
    angles,
    compressions,
    damage,
    exposures,
    layouts,
    pixel_types,
    programs,
    times,
    world_coordinates,
)
from corpus.model import File

KINDS: Mapping[str, Sequence[File]] = {
    "times": times.FILES,
    "angles": angles.FILES,
    "exposures": exposures.FILES,
    "programs": programs.FILES,
    "layouts": layouts.FILES,
    "pixel types": pixel_types.FILES,
    "compressions": compressions.FILES,
    "world coordinates": world_coordinates.FILES,
    "damage": damage.FILES,
}
