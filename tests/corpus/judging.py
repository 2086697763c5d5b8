"""Whether a reading of a file is right: nothing wrong, nothing lost in silence, nothing told without need."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import numpy as np

from corpus.model import UNASKED, Right
from corpus.readings import Reading

#: Header numbers are doubles; decimal degrees have nine digits at the least.
_NUMBER_WITHIN = 1e-6
_ROUNDING = 1e-3


class Fault(StrEnum):
    """What can be amiss with a reading."""

    WRONG = "wrong value"
    SILENT = "lost in silence"
    LOST = "lost, and told"
    NEEDLESS = "needless note"
    CRASH = "crashed"


@dataclass(frozen=True)
class Finding:
    """One thing amiss: what kind of fault, of which value, and what was read instead of what."""

    fault: Fault
    what: str
    details: str

    def __str__(self) -> str:
        return f"{self.fault}: {self.what}: {self.details}"


def findings(right: Right, reading: Reading) -> list[Finding]:
    """Return all that is amiss with a reading; nothing if it is right."""
    return list(_findings(right, reading))


def unlike(one: Reading, other: Reading) -> list[str]:
    """Return in what two readers of a file do not agree, of what both of them say."""
    if one.crash or other.crash:
        return []
    if (one.refusal is None) != (other.refusal is None):
        return [f"one refuses the file and the other takes it: {one.refusal or other.refusal}"]
    names = ("start", "exposure_s", "position", "filter_name", "kind", "target", "altitude_deg", "airmass")
    differing = [name for name in names if getattr(one, name) != getattr(other, name)]
    if one.shape and other.shape and one.shape != other.shape:
        differing.append("shape")
    if (one.corners is None) != (other.corners is None):
        differing.append("sky")
    return differing


def _findings(right: Right, reading: Reading) -> Iterator[Finding]:
    if reading.crash is not None:
        yield Finding(Fault.CRASH, "reader", reading.crash)
        return
    if right.refused is not None:
        if reading.refusal is None:
            yield Finding(Fault.WRONG, "file", f"taken, though it is none: {right.refused}")
        elif not re.search(right.refused, reading.refusal):
            yield Finding(Fault.SILENT, "file", f"refused for another reason: {reading.refusal}")
        return
    if reading.refusal is not None:
        yield Finding(Fault.LOST, "file", f"refused: {reading.refusal}")
        return
    for name in ("start", "middle", "exposure_s", "filter_name", "kind", "target", "altitude_deg", "airmass"):
        yield from _value(right, reading, name)
    yield from _position(right, reading)
    yield from _sky(right, reading)
    if reading.shape is not None and right.shape is not UNASKED and reading.shape != right.shape:
        yield Finding(Fault.WRONG, "shape", f"{reading.shape}, not {right.shape}")
    elif reading.pixels is not None and right.pixels is not UNASKED:
        yield from _pixels(right, reading.pixels)
    yield from _notes(right, reading)


def _value(right: Right, reading: Reading, name: str) -> Iterator[Finding]:
    expected, found = getattr(right, name), getattr(reading, name)
    if name == "middle" and reading.exposure_s is None and right.exposure_s is not None:
        return  # it follows from what is lost already
    if expected is UNASKED or (expected is None and found is None):
        return
    if found is None:
        yield from _lost(right, reading, name, expected)
    elif expected is None or not _same(expected, found, right):
        yield Finding(Fault.WRONG, name, f"{found}, not {expected}")


def _same(expected: Any, found: Any, right: Right) -> bool:
    if isinstance(expected, datetime):
        return bool(abs((found - expected).total_seconds()) <= right.time_within_s)
    if isinstance(expected, float):
        return math.isclose(found, expected, rel_tol=_NUMBER_WITHIN, abs_tol=_NUMBER_WITHIN)
    return bool(found == expected)


def _lost(right: Right, reading: Reading, name: str, expected: Any) -> Iterator[Finding]:
    if not reading.notes:
        yield Finding(Fault.SILENT, name, f"left out and not noted: {expected}")
    elif name not in right.may_be_left_out:
        yield Finding(Fault.LOST, name, f"left out, but could be known: {expected}")


def _position(right: Right, reading: Reading) -> Iterator[Finding]:
    if right.position is UNASKED:
        return
    given = [angle for angle in reading.position if angle is not None]
    if len(given) == 1:
        yield Finding(Fault.WRONG, "position", f"half a position: {reading.position}")
    elif not given:
        if right.position is not None:
            yield from _lost(right, reading, "position", right.position)
    elif right.position is None:
        yield Finding(Fault.WRONG, "position", f"{reading.position}, though there is none")
    else:
        off_arcsec = _separation_arcsec(given, right.position)
        if not off_arcsec <= right.position_within_arcsec:
            yield Finding(Fault.WRONG, "position", f"{off_arcsec:.3f} arcsec off: {given}, not {right.position}")


def _sky(right: Right, reading: Reading) -> Iterator[Finding]:
    if right.sky is UNASKED:
        return
    if reading.corners is None:
        if right.sky is not None:
            yield from _lost(right, reading, "sky", "world coordinates")
        return
    if right.sky is None:
        yield Finding(Fault.WRONG, "sky", f"world coordinates from what has none: {reading.corners[0]}")
        return
    assert right.shape is not UNASKED
    rows, columns = right.shape
    places = [(-0.5, -0.5), (columns - 0.5, -0.5), (columns - 0.5, rows - 0.5), (-0.5, rows - 0.5)]
    off_arcsec = max(
        _separation_arcsec(corner, right.sky(*place)) for corner, place in zip(reading.corners, places, strict=True)
    )
    if not off_arcsec <= right.sky_within_arcsec:
        yield Finding(Fault.WRONG, "sky", f"a corner is {off_arcsec:.3f} arcsec off: {reading.corners}")


def _separation_arcsec(one: Any, other: Any) -> float:
    """Return the angle between two places given in degrees, by the haversine formula."""
    (ra1, dec1), (ra2, dec2) = np.radians(one), np.radians(other)
    part = math.sin((dec2 - dec1) / 2) ** 2 + math.cos(dec1) * math.cos(dec2) * math.sin((ra2 - ra1) / 2) ** 2
    return math.degrees(2 * math.asin(min(1.0, math.sqrt(part)))) * 3600


def _pixels(right: Right, found: np.ndarray) -> Iterator[Finding]:
    expected = np.asarray(right.pixels)
    if found.shape != expected.shape:
        yield Finding(Fault.WRONG, "pixels", f"shape {found.shape}, not {expected.shape}")
        return
    if expected.dtype == object:  # whole numbers of any size, which no floating-point number may stand for
        differing = np.array(
            [int(a) != b if np.isfinite(a) else True for a, b in zip(found.flat, expected.flat, strict=True)]
        )
    elif expected.dtype.kind in "iu" and found.dtype.kind in "iu":
        differing = found != expected
    else:
        with np.errstate(invalid="ignore"):  # of signalling NaNs
            one, other = found.astype(np.float64), expected.astype(np.float64)
        differing = ~_close(one, other, right.pixels_within)
    if differing.any():
        place = int(np.flatnonzero(differing)[0])
        yield Finding(
            Fault.WRONG,
            "pixels",
            f"{int(differing.sum())} differ, the first is {found.flat[place]}, not {expected.flat[place]}",
        )


def _close(found: np.ndarray, expected: np.ndarray, within: float) -> np.ndarray:
    """Tell which pixels are the same: to a relative error, or to an absolute one if that is more than rounding."""
    with np.errstate(invalid="ignore"):  # of infinite pixels
        size = np.maximum(1.0, np.abs(expected)) if within < _ROUNDING else 1.0
        near = np.abs(found - expected) <= within * size if within else np.zeros(found.shape, bool)
    return near | (found == expected) | (np.isnan(found) & np.isnan(expected))


def _notes(right: Right, reading: Reading) -> Iterator[Finding]:
    for keyword in sorted(right.noted):
        if not any(is_about(note, keyword) for note in reading.notes):
            yield Finding(Fault.SILENT, keyword, f"no note; there are {list(reading.notes)}")
    allowed = right.noted | right.may_be_noted
    for note in reading.notes:
        if not any(is_about(note, keyword) for keyword in allowed):
            yield Finding(Fault.NEEDLESS, "note", note)


def is_about(note: str, word: str) -> bool:
    """Tell whether a note names a keyword, or has a word."""
    return re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", note, re.IGNORECASE) is not None
