"""What the header of a stack says: of its noise, saturation and magnitudes, of when it was exposed and of what."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

import numpy as np
from astropy.io import fits

from datalab.astro.headers.card_reader import CardReader
from datalab.astro.headers.cards import readable
from datalab.astro.headers.description import FrameDescription
from datalab.astro.headers.exposure_times import midpoint, modified_julian_date
from datalab.astro.headers.likeness import TEMPERATURE_CARDS, named
from datalab.astro.pixels.count_cards import (
    FLUXES_PER_COUNT,
    OTHER_ZERO_POINTS,
    RATE_ZERO_POINT,
    READ_NOISES,
    SATURATION,
    STATISTICS,
    TOTAL_ZERO_POINT,
    gain_cards,
    number,
    remove,
    set_gain,
    set_saturation,
)
from datalab.astro.types import FloatArray

How = Literal["sum", "average", "median"]

#: Cards of the exposure time that are kept; the others are of one exposure only.
EXPOSURE_TIMES = ("EXPTIME", "EXPOSURE")
#: Cards that say of one exposure when and where it was taken: what is known of all is written anew.
_OF_ONE_EXPOSURE = re.compile(
    r"DATE[-_](?:OBS|BEG|END|AVG|MID|LOC|STA|UTC)|DATEOBS|MJD(?!REF).*|OBSMJD|JD(?:[-_].*)?|OBSJD|[HB]JD.*|"
    r"TIME(?:[-_](?:OBS|BEG|END))?|UTC?(?:[-_]?(?:OBS|START|STA|STOP|END|MIDDLE|SHUT))?|SHUTOPEN|SHUTCLOS|"
    r"LST.*|ST|SIDEREAL|LOCALTIM|LOCTIME|TSTART|TSTOP|MIDPOINT|EXPSTART|EXPEND|EXPMID|"
    r"TELAPSE|ELAPTIME|ONTIME|LIVETIME|TOTALEXP|XPOSURE|EXP[-_]TIME|EXPOS|TEXP|ITIME|INTTIME|COADDS|STACKCNT|"
    r"ESO DET DIT|ESO DET NDIT|"
    r"HA|ZD|SECZ|AMSTART|AMEND|AMBEG|PARANG|PARALLAC|ALTITUDE|AZIMUTH|OBJCT(?:ALT|AZ|HA)|CENT(?:ALT|AZ)|"
    r"MOON(?:ALT|DIST|FRAC|STAT)|SUN(?:ALT|DIST)|ORIGNAME|FRAMENUM|MOLFRNUM|EXPID|EXPNUM|OBSID|SEQNUM"
)
#: Cards that name what all images should share: where they differ, the stack has none.
_SHARED = ("OBJECT", "TELESCOP", "TELID", "INSTRUME", "SITEID", "OBSERVAT", "READMODE", "CONFMODE", "PROPID", "USERID")
_SHARED_SILENTLY = ("BLKUID", "REQNUM", "MOLUID", "CCDSEC", "DETSEC", "OBSERVER", "USERNAME", "TAGID")
#: Gains of one camera differ by less.
_SAME_GAIN = 0.01
#: Variance of a mean in units of that of a median, of many normally distributed values; of three values it is 0.74.
_MEDIAN_EFFICIENCY = 2 / math.pi
_UNIT_ELECTRONS = frozenset({"ELECTRON", "ELECTRONS", "E-"})


@dataclass(frozen=True, slots=True, kw_only=True)
class StackedImage:
    """One image of a stack: its header, and the level from which its pixels are saturated (infinite: unknown)."""

    name: str
    header: fits.Header
    description: FrameDescription
    saturation: float = math.inf


@dataclass(slots=True)
class _Stack:
    """A stack whose header is being written: what was left out of it, and why, is in `notes`."""

    header: fits.Header
    images: Sequence[StackedImage]
    how: How
    #: What each image's pixels were multiplied by before they were added.
    factors: FloatArray
    efficiency: float
    notes: list[str] = field(default_factory=list)


def effective_images(count: int, *, weights: FloatArray | None = None, is_median: bool = False) -> float:
    """Return how many images of equal noise have a plain mean as precise as the combination of `count` of them.

    Args:
        count: of images.
        weights: of a weighted mean; None if all count the same.
        is_median: whether the images are combined by their median.
    """
    if is_median and count > 2:
        return count * _MEDIAN_EFFICIENCY
    if weights is None:
        return float(count)
    shares = weights / weights.max()  # whose squares no float is too small or too large for
    return float(shares.sum() ** 2 / (shares**2).sum())


def stacked_header(
    header: fits.Header, images: Sequence[StackedImage], *, how: How, weights: FloatArray | None = None
) -> tuple[fits.Header, list[str]]:
    """Return the header of a stack, and notes on what had to be left out of it.

    - Exposure time: of a sum that of all images together, else their (weighted) mean.
    - DATE-OBS is the earliest start, DATE-END the latest end, DATE-AVG and MJD-AVG are the mean of the middles of the
      exposures, weighted as their pixels are; all UTC (FITS Standard 4.0, section 9.5).
    - AIRMASS and temperatures are means.
    - Gain, read noise: so that counts times gain plus read noise squared is the variance of the stack, in electrons.
    - SATURATE is the level above which a source of constant brightness is saturated in one of the images.
    - MAGZP and L1ZP are those of the stack.
    - What images should share and do not, and what is of one exposure only, is left out.

    Args:
        header: the stack's own so far, of its first image or with a new WCS; not modified.
        images: all of them, in the order of `weights`.
        how: of a sum that was weighted, counts are those of the weighted mean times the number of images.
        weights: one for each image, positive, on any scale.
    """
    count = len(images)
    shares = np.ones(count) if weights is None else np.asarray(weights, np.float64) / np.max(weights)
    factors = shares / shares.sum() * (count if how == "sum" else 1)
    efficiency = effective_images(count, is_median=how == "median") / count
    stack = _Stack(header.copy(), images, how, factors, efficiency)
    combined = sum(int(number(image.header, "NCOMBINE") or 1) for image in images)
    stack.header["NCOMBINE"] = (combined, "number of images combined")
    _set_noise(stack)
    _set_levels(stack)
    _set_zero_points(stack)
    _set_times(stack)
    _set_means(stack)
    _leave_out_unshared(stack)
    return stack.header, stack.notes


def _values(stack: _Stack, keyword: str) -> list[float | None]:
    return [number(image.header, keyword) for image in stack.images]


def _all_known(stack: _Stack, keyword: str) -> FloatArray | None:
    """Return the numbers of a card in all images; None, with a note, if the card is in some of them only."""
    values = _values(stack, keyword)
    if None not in values:
        return np.array(values, np.float64)
    if any(value is not None for value in values):
        unknown = [image.name for image, value in zip(stack.images, values, strict=True) if value is None]
        _leave_out(stack, [keyword], f"not known of {named(unknown)}")
    return None


def _leave_out(stack: _Stack, keywords: Sequence[str], reason: str) -> None:
    there = remove(stack.header, *keywords)
    if there:
        stack.notes.append(f"{', '.join(there)}: {reason}, left out")


def _set_noise(stack: _Stack) -> None:
    noises = [keyword for keyword in READ_NOISES if number(stack.header, keyword) is not None]
    keywords = list(gain_cards(stack.header))
    gains = np.ones(len(stack.images))
    new_gain = float(stack.factors.sum() / (stack.factors**2).sum() * stack.efficiency)
    for keyword in keywords:
        known = _all_known(stack, keyword)
        if known is None or (known <= 0).any():
            _leave_out(stack, [keyword, *noises], "not a gain in all images")
            return
        spread = float(known.max() - known.min())
        is_of_one_camera = any(number(image.header, "NCOMBINE") for image in stack.images)
        if spread > _SAME_GAIN * known.max() and not is_of_one_camera:
            _leave_out(stack, [keyword, *noises], f"from {known.min():g} to {known.max():g}")
            return
        gains = known
        new_gain = float(stack.factors.sum() / (stack.factors**2 / gains).sum() * stack.efficiency)
        set_gain(stack.header, keyword, new_gain)
    if not keywords:
        unit = str(stack.header.get("BUNIT", "")).strip().upper()
        if unit in _UNIT_ELECTRONS and new_gain != 1:
            set_gain(stack.header, "GAIN", new_gain)
    for keyword in noises:
        known = _all_known(stack, keyword)
        if known is not None:
            variance = float(((stack.factors * known / gains) ** 2).sum()) / stack.efficiency
            stack.header[keyword] = new_gain * math.sqrt(variance)


def _set_levels(stack: _Stack) -> None:
    times = _exposure_times(stack)
    levels = np.array([image.saturation for image in stack.images])
    unknown = [image.name for image in stack.images if not math.isfinite(image.saturation)]
    set_saturation(stack.header, _reached(levels, stack.factors, times))
    if 0 < len(unknown) < len(stack.images):
        stack.notes.append(f"{SATURATION}: not known of {named(unknown)}, that of the others counts")
    if number(stack.header, "MAXLIN") is not None and (known := _all_known(stack, "MAXLIN")) is not None:
        stack.header["MAXLIN"] = _reached(known, stack.factors, times)
    remove(stack.header, "SATLEVEL", "DATAMIN", "DATAMAX", *STATISTICS)


def _reached(levels: FloatArray, factors: FloatArray, times: FloatArray | None) -> float:
    """Return the count in the stack of a source that reaches its level in one of the images.

    Counts grow with the exposure time, or are equal where images were scaled: the lower answer is taken.
    """
    reached = float(levels.min() * factors.sum())
    if times is not None and (times > 0).all():
        reached = min(reached, float((levels / times).min() * (factors * times).sum()))
    return reached


def _set_zero_points(stack: _Stack) -> None:
    times = _exposure_times(stack)
    if number(stack.header, TOTAL_ZERO_POINT) is not None:
        known = _all_known(stack, TOTAL_ZERO_POINT)
        if known is not None:
            stack.header[TOTAL_ZERO_POINT] = _mean_zero_point(known, stack.factors)
    if number(stack.header, RATE_ZERO_POINT) is not None:
        known = _all_known(stack, RATE_ZERO_POINT)
        if known is not None and times is not None and (times > 0).all():
            light = stack.factors * times
            stack.header[RATE_ZERO_POINT] = _mean_zero_point(known, light / light.sum())
        elif known is not None:
            _leave_out(stack, [RATE_ZERO_POINT], "exposure times are not known")
    for keyword in (*OTHER_ZERO_POINTS, *FLUXES_PER_COUNT):
        values = _values(stack, keyword)
        if stack.how == "sum" or any(value != values[0] for value in values):
            _leave_out(stack, [keyword], "not that of the stack")


def _mean_zero_point(zero_points: FloatArray, factors: FloatArray) -> float:
    """Return the magnitude of one count where `factors` times the counts of images were added."""
    highest = float(zero_points.max())
    return highest + 2.5 * math.log10(float((factors * 10 ** (0.4 * (zero_points - highest))).sum()))


def _exposure_times(stack: _Stack) -> FloatArray | None:
    times = [image.description.exposure_time_s for image in stack.images]
    return None if None in times else np.array(times, np.float64)


def _set_times(stack: _Stack) -> None:
    starts = [image.description.capture_time for image in stack.images]
    times = _exposure_times(stack)
    kept = [keyword for keyword in EXPOSURE_TIMES if keyword in stack.header]
    if any(image.description.exposure_time_s is not None for image in stack.images):
        if times is None:
            unknown = [image.name for image in stack.images if image.description.exposure_time_s is None]
            remove(stack.header, *kept)
            stack.notes.append(f"EXPTIME: not known of {named(unknown)}, left out")
        else:
            for keyword in kept or EXPOSURE_TIMES[:1]:
                stack.header[keyword] = float((stack.factors * times).sum())
    remove(stack.header, *[keyword for keyword in stack.header if _OF_ONE_EXPOSURE.fullmatch(keyword)])
    if all(start is None for start in starts):
        return
    unknown = [image.name for image, start in zip(stack.images, starts, strict=True) if start is None]
    if unknown:
        stack.notes.append(f"DATE-OBS: not known of {named(unknown)}, left out")
        return
    start = min(start for start in starts if start is not None)
    _set_moment(stack.header, "OBS", start, "start of the first exposure")
    if "TIMESYS" in stack.header:
        stack.header["TIMESYS"] = "UTC"
    if times is None:
        return
    _set_moment(stack.header, "END", max(map(_end, stack.images)), "end of the last exposure")
    middles = [middle for image in stack.images if (middle := midpoint(image.description)) is not None]
    seconds = np.array([(middle - start).total_seconds() for middle in middles])
    mean = start + timedelta(seconds=float((stack.factors * seconds).sum() / stack.factors.sum()))
    _set_moment(stack.header, "AVG", mean, "mean of the middles of the exposures")


def _set_moment(header: fits.Header, which: str, moment: datetime, what: str) -> None:
    header[f"DATE-{which}"] = (moment.replace(tzinfo=None).isoformat(timespec="milliseconds"), f"[UTC] {what}")
    header[f"MJD-{which}"] = (modified_julian_date(moment), f"[d] {what}")


def _end(image: StackedImage) -> datetime:
    start = image.description.capture_time
    if start is None:
        raise ValueError(f"{image.name} has no start")
    told = CardReader({"DATE-END": readable(image.header, "DATE-END", None)}).moment("DATE-END")
    try:
        end = start + timedelta(seconds=image.description.exposure_time_s or 0.0)
    except OverflowError:
        end = start
    return end if told is None else max(end, told)


def _set_means(stack: _Stack) -> None:
    if "AIRMASS" in stack.header:
        airmasses = [image.description.airmass for image in stack.images]
        known = [airmass for airmass in airmasses if airmass is not None]
        if len(known) == len(airmasses):
            stack.header["AIRMASS"] = float((stack.factors * known).sum() / stack.factors.sum())
        elif known:
            _leave_out(stack, ["AIRMASS"], "not known of all images")
    for keyword in TEMPERATURE_CARDS:
        if number(stack.header, keyword) is not None:
            temperatures = _all_known(stack, keyword)
            if temperatures is not None and np.ptp(temperatures) > 0:
                stack.header[keyword] = round(float(temperatures.mean()), 3)


def _leave_out_unshared(stack: _Stack) -> None:
    differing = [keyword for keyword in _SHARED if _differs(stack, keyword)]
    _leave_out(stack, differing, "not the same in all images")
    remove(stack.header, *[keyword for keyword in _SHARED_SILENTLY if _differs(stack, keyword)])


def _differs(stack: _Stack, keyword: str) -> bool:
    if keyword not in stack.header:
        return False
    values = {" ".join(str(image.header.get(keyword, "")).split()).upper() for image in stack.images} - {""}
    return len(values) > 1
