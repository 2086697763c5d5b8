"""What our readers make of a file: ingest, which describes it to the archive, and the runner, which computes on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from datalab.astro.headers.description import FrameDescription, describe
from datalab.astro.headers.exposure_times import midpoint
from datalab.astro.sky.positions import sky_positions
from datalab.astro.sky.wcs import celestial_wcs
from datalab.documents.file_names import Content
from datalab.documents.frame import Observation
from datalab.errors import UsageError
from datalab.fits.files import BLOCK_BYTES
from datalab.fits.image import FitsImage
from ingest.frames.model import FrameHeader
from ingest.inspection.file import inspect_file

#: More than any file of the corpus expands to.
_MOST_BYTES = 2**20


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a reader says of a file; `refusal` is why it did not take it, and nothing else is said then."""

    refusal: str | None = None
    #: What our code failed with, which it never should.
    crash: str | None = None
    start: datetime | None = None
    middle: datetime | None = None
    exposure_s: float | None = None
    position: tuple[float | None, float | None] = (None, None)
    filter_name: str | None = None
    kind: str | None = None
    target: str | None = None
    altitude_deg: float | None = None
    airmass: float | None = None
    notes: tuple[str, ...] = ()
    shape: tuple[int, int] | None = None
    pixels: np.ndarray | None = None
    #: The outer corners, in the order of a footprint; None without world coordinates.
    corners: tuple[tuple[float, float], ...] | None = None


def read_by_ingest(path: Path, compression: str) -> Reading:
    """Return what ingest makes of a file."""
    try:
        header = inspect_file(path, Content.FITS, compression, max_expanded_bytes=_MOST_BYTES).header
        assert header is not None
        return _of_frame(header)
    except UsageError as refused:
        return Reading(refusal=str(refused))
    except Exception as error:  # noqa: BLE001  whatever it is, it is found, and the other files are read
        return Reading(crash=repr(error))


def read_header_alone(content: bytes) -> Reading:
    """Return what ingest makes of the header of a file, sent ahead as text."""
    end = content.index(b"END".ljust(80))
    text = content[: -(-end // BLOCK_BYTES) * BLOCK_BYTES]
    try:
        header = inspect_file(text, Content.HEADER_TEXT, "", max_expanded_bytes=_MOST_BYTES).header
        assert header is not None
        return _of_frame(header)
    except UsageError as refused:
        return Reading(refusal=str(refused))
    except Exception as error:  # noqa: BLE001
        return Reading(crash=repr(error))


def read_by_runner(path: Path, work_dir: Path) -> Reading:
    """Return what the runner makes of a file."""
    try:
        return _of_image(FitsImage(path.name.partition(".")[0], path, work_dir=work_dir))
    except UsageError as refused:
        return Reading(refusal=str(refused))
    except Exception as error:  # noqa: BLE001
        return Reading(crash=repr(error))


def _of_image(image: FitsImage) -> Reading:
    pixels = image.pixels()
    wcs = celestial_wcs(image.header, image.shape)
    corners = None
    if wcs is not None:
        rows, columns = image.shape
        x = np.array([-0.5, columns - 0.5, columns - 0.5, -0.5])
        y = np.array([-0.5, -0.5, rows - 0.5, rows - 0.5])
        corners = tuple(zip(*(angles.tolist() for angles in sky_positions(wcs, x, y)), strict=True))
    described = image.description
    image.close()
    return Reading(
        start=described.capture_time,
        middle=midpoint(described),
        **_described(described),
        notes=tuple(image.notes),
        shape=image.shape,
        pixels=pixels,
        corners=corners,
    )


def _of_frame(header: FrameHeader) -> Reading:
    observation = header.observation
    lengths = (header.cards.get("NAXIS2"), header.cards.get("NAXIS1"))
    return Reading(
        start=observation.observation_date,
        middle=midpoint(describe(header.cards)),  # what light curves ask the same cards for
        **_described(observation),
        notes=tuple(header.notes),
        shape=lengths if all(isinstance(length, int) for length in lengths) else None,
        corners=header.footprint,
    )


def _described(said: FrameDescription | Observation) -> dict[str, Any]:
    return {
        "exposure_s": said.exposure_time_s,
        "position": (said.right_ascension_deg, said.declination_deg),
        "filter_name": said.filter_name,
        "kind": said.configuration_type,
        "target": said.target_name,
        "altitude_deg": said.altitude_deg,
        "airmass": said.airmass,
    }
