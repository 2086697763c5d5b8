"""The cards that say what counts mean, kept true when pixels are scaled, shifted or combined: the one place for it.

They are the gain, the read noise, the level of saturation, the unit and the zero points of magnitudes. With them the
usual noise model (counts times gain, plus read noise squared, in electrons) holds for a product as for its images.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import numpy as np
from astropy.io import fits

from datalab.astro.headers.card_reader import CardReader
from datalab.astro.headers.cards import readable
from datalab.astro.headers.detector import Detector
from datalab.astro.headers.likeness import GAIN_OF_PIXELS
from datalab.astro.types import Mask, Pixels

#: Electrons per count; GAIN only where it is not a setting of the camera.
ELECTRONS_PER_COUNT = ("EGAIN", "CVF")
GAIN = "GAIN"
#: In electrons.
READ_NOISES = ("RDNOISE", "READNOIS", "READNOISE")
#: In counts, of which SATURATE decides.
SATURATION = "SATURATE"
LEVELS = (SATURATION, "MAXLIN", "SATLEVEL", "DATAMIN", "DATAMAX")
#: Magnitudes of one count (or one a second): all move alike when an image is scaled.
TOTAL_ZERO_POINT, RATE_ZERO_POINT = "MAGZP", "L1ZP"
OTHER_ZERO_POINTS = ("PHOTZP", "ZEROPT", "MAGZERO", "MAGZPT", "MAGZEROP", "ZPOINT", "ZEROPOIN", "ZP")
ZERO_POINTS = (TOTAL_ZERO_POINT, RATE_ZERO_POINT, *OTHER_ZERO_POINTS)
#: Flux of one count: in inverse proportion to what counts are multiplied by.
FLUXES_PER_COUNT = ("PHOTFLAM", "PHOTFNU")
#: Statistics of pixels as they were, and an offset that was added to them.
STATISTICS = ("L1MEAN", "L1MEDIAN", "L1SIGMA", "PEDESTAL")
UNIT = "BUNIT"
#: Cards that tell whether GAIN is a setting (see `Detector`).
_BESIDE_GAIN = (GAIN, "OFFSET", "BLKLEVEL", "ISOSPEED", "USBLIMIT")
#: A GAIN that is the same as EGAIN is no setting.
_SAME_GAIN = 0.01
#: No detector has more counts.
_HIGHEST_LEVEL = 1e12
#: Of 16 bits.
_HIGHEST_CONVERTED = 65535
#: Integers of a camera of at most so many bytes end where their type does.
_COUNTED_BYTES = 2


def gain_cards(header: fits.Header) -> Iterator[str]:
    """Yield the keywords that hold electrons per count."""
    told = {keyword: gain for keyword in ELECTRONS_PER_COUNT if (gain := number(header, keyword)) is not None}
    yield from told
    value = number(header, GAIN)
    if value is None:
        return
    if told:
        is_gain = any(math.isclose(value, gain, rel_tol=_SAME_GAIN) for gain in told.values())
    else:
        beside = fits.Header([header.cards[keyword] for keyword in _BESIDE_GAIN if keyword in header])
        is_gain = Detector.of(beside).gain_e_per_adu == value
    if is_gain:
        yield GAIN


def saturation_of(header: fits.Header, dtype: np.dtype) -> float:
    """Return the level from which a pixel is saturated: of the header, else the highest number its type has.

    Infinite for floats and wide integers of which the header says nothing.
    """
    level = number(header, SATURATION)  # a whole `Detector` would cost small operations their time
    told = level if level is not None and 0 < level <= _HIGHEST_LEVEL else math.inf
    if dtype.kind in "iu" and dtype.itemsize <= _COUNTED_BYTES:
        return min(told, float(np.iinfo(dtype).max))
    return told


def is_saturated(pixels: Pixels, level: float) -> Mask:
    """Return where pixels are saturated, the same shape.

    Of wide types of which no level is known, where they have the highest number of the converters of most cameras.
    """
    if math.isfinite(level):
        return np.asarray(pixels >= level)
    return np.asarray(pixels == _HIGHEST_CONVERTED)


def affine_header(
    header: fits.Header, *, scale: float, offset: float = 0.0, saturation: float | None = None
) -> fits.Header:
    """Return the header of an image whose pixels became `scale` times what they were, plus `offset`.

    Args:
        header: not modified.
        scale: 1 leaves gain, unit and zero points as they are. Of zero, negative or not finite: see `without_counts`.
        offset: in the new counts.
        saturation: the new level, if it is known otherwise; infinite for none. By default it follows.
    """
    if not (math.isfinite(scale) and scale > 0):
        return without_counts(header)
    changed = header.copy()
    with np.errstate(all="ignore"):
        multiply_cards(changed, dict.fromkeys(gain_cards(header), float(1 / np.float64(scale))))
        multiply_cards(changed, dict.fromkeys(FLUXES_PER_COUNT, float(1 / np.float64(scale))))
    for keyword in LEVELS:
        _replace(changed, keyword, lambda level: scale * level + offset)
    if saturation is not None:
        set_saturation(changed, saturation)
    elif (number(changed, SATURATION) or 0.0) < 0:  # a level below zero tells nobody anything
        remove(changed, SATURATION)
    if scale != 1:
        for keyword in ZERO_POINTS:
            _replace(changed, keyword, lambda zero: zero + 2.5 * math.log10(scale))
        remove(changed, UNIT)  # they are counts no more
    if scale != 1 or offset != 0:
        remove(changed, *STATISTICS)
    return changed


def without_counts(header: fits.Header) -> fits.Header:
    """Return a header that says nothing of counts: what they mean is not known any more."""
    changed = header.copy()
    gains = list(gain_cards(header))
    remove(changed, *gains, *READ_NOISES, *LEVELS, *ZERO_POINTS, *FLUXES_PER_COUNT, *STATISTICS, UNIT)
    return changed


def set_saturation(header: fits.Header, level: float) -> None:
    """Write the level from which pixels are saturated, in place; remove it if there is none."""
    if math.isfinite(level) and level > 0:
        header[SATURATION] = level
    else:
        remove(header, SATURATION)


def set_gain(header: fits.Header, keyword: str, gain: float) -> None:
    """Write electrons per count, in place, so that nobody takes it for a setting of the camera."""
    header[keyword] = (gain, GAIN_OF_PIXELS)


def multiply_cards(header: fits.Header, factors: Mapping[str, float]) -> None:
    """Multiply the numbers in the cards of a header, in place; a card whose number would be none any more is removed.

    Args:
        header: what is missing in it, or no number, stays so.
        factors: by keyword.
    """
    for keyword, factor in factors.items():
        value = number(header, keyword)
        if value is None or factor == 1:
            continue
        product = value * float(factor)
        if not math.isfinite(product):
            header.remove(keyword)
        elif keyword in {GAIN, *ELECTRONS_PER_COUNT}:
            set_gain(header, keyword, product)
        else:
            header[keyword] = product


def _replace(header: fits.Header, keyword: str, change: Callable[[float], float]) -> None:
    value = number(header, keyword)
    if value is not None:
        header[keyword] = change(value)


def number(header: fits.Header, keyword: str) -> float | None:
    """Return the number in a card, as text too; None if there is none."""
    value = readable(header, keyword, None)
    return None if value is None else CardReader({keyword: value}).number(keyword)


def remove(header: fits.Header, *keywords: str) -> list[str]:
    """Remove cards, in place; return the keywords there were."""
    there = [keyword for keyword in dict.fromkeys(keywords) if keyword in header]
    for keyword in there:
        header.remove(keyword, remove_all=True)
    return there
