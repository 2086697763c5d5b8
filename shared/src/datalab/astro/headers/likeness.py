"""Whether frames that are to be combined are alike, as far as their headers tell.

What is compared decides whether the combination can mean anything; how bad a difference is depends on what is done
with the frames, so that is up to who asks. A frame that does not say what it is like is like any other.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal, Self

from astropy.io import fits

from datalab.astro.headers.card_reader import CardReader
from datalab.astro.headers.cards import HeaderCards
from datalab.astro.headers.frame_state import FrameState

FrameKind = Literal["bias", "dark", "flat", "sky"]

#: What observatories call frames of a kind; the first is what Datalab writes (OBSTYPE).
KIND_WORDS: dict[FrameKind, tuple[str, ...]] = {
    "bias": ("BIAS", "ZERO", "ZEROS", "BIAS FRAME", "BIASFRAME", "MASTERBIAS", "MASTER BIAS", "OFFSET"),
    "dark": ("DARK", "DARK FRAME", "DARKFRAME", "MASTERDARK", "MASTER DARK"),
    "flat": (
        "FLAT",
        "SKYFLAT",
        "DOMEFLAT",
        "LAMPFLAT",
        "SCREENFLAT",
        "SKY FLAT",
        "DOME FLAT",
        "FLAT FIELD",
        "FLATFIELD",
        "FLAT FRAME",
        "FLATFRAME",
        "TWILIGHT FLAT",
        "MASTERFLAT",
        "MASTER FLAT",
    ),
    "sky": (
        "EXPOSE",
        "EXPERIMENTAL",
        "STANDARD",
        "TARGET",
        "OBJECT",
        "LIGHT",
        "LIGHT FRAME",
        "LIGHTFRAME",
        "SPECTRUM",
        "SCIENCE",
        "MASTERLIGHT",
    ),
}
_KIND_OF = {word: kind for kind, words in KIND_WORDS.items() for word in words}

#: What was measured, then what was asked for.
TEMPERATURE_CARDS = (
    *("CCD-TEMP", "CCDATEMP", "CCDTEMP", "CCD_TEMP", "DET-TEMP", "DETTEMP", "SENSTEMP"),
    *("SET-TEMP", "CCDSTEMP"),
)
_READ_MODES = ("READMODE", "READOUTM", "RDMODE", "CONFMODE", "READOUT")
#: The comment Datalab gives the gain of combined or scaled pixels, which is not that of their camera.
GAIN_OF_PIXELS = "[electron/count] of these pixels"
_GAINS = ("GAIN", "EGAIN")
_OFFSETS = ("OFFSET", "BLKLEVEL", "BLACKLEV")
#: Where on the detector the pixels lie, as text, or as the first column and row.
_REGIONS = ("CCDSEC", "DETSEC")
_ORIGINS = (("XORGSUBF", "YORGSUBF"), ("ROISTARTX", "ROISTARTY"))
_ADU = frozenset({"ADU", "ADUS", "COUNT", "COUNTS", "CT", "CTS", "DN", "DATA NUMBER"})
_ELECTRONS = frozenset({"ELECTRON", "ELECTRONS", "E-", "E", "PHOTOELECTRON", "PHOTOELECTRONS"})
#: Every count is one of a pixel, whether it is said or not.
_PER_PIXEL = re.compile(r"\s*(?:/|PER)\s*PIX(?:EL)?\b")
_PER_SECOND = re.compile(r"\s*(?:/\s*S(?:EC|ECOND)?|PER SECOND|S\*\*-1|S-1|S\^-1)\s*$")

#: Sensors are regulated to a few tenths of a degree; over two degrees the dark current changes by a quarter, over ten
#: threefold (it doubles about every 6 K: R. Widenhorn et al., Proc. SPIE 4669, 193, 2002).
_SAME_TEMPERATURE_C, _GROSS_TEMPERATURE_C = 2.0, 10.0
#: Shutters and clocks differ by less, gains of amplifiers are measured as well.
_SAME_EXPOSURE, _SAME_GAIN = 1e-3, 0.01
#: Frames of so short an exposure may have one time in the header and be two: not all clocks tell fractions of seconds.
_LEAST_TELLING_EXPOSURE_S = 1.0
#: No camera is colder or warmer.
_COLDEST_C, _WARMEST_C = -273.15, 100.0
#: So many names in a sentence.
_MOST_NAMES = 4


class Trait(StrEnum):
    """What frames that are combined should have in common."""

    DUPLICATE = "duplicate"
    KIND = "kind"
    FILTER = "filter"
    EXPOSURE = "exposure"
    CAMERA = "camera"
    TELESCOPE = "telescope"
    GAIN = "gain"
    OFFSET = "offset"
    READ_MODE = "read mode"
    BINNING = "binning"
    REGION = "region"
    TEMPERATURE = "temperature"
    UNIT = "unit"
    CORRECTION = "correction"
    OVERSCAN = "overscan"
    TARGET = "target"
    SKY = "sky"
    SIZE = "size"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What is not alike, as a sentence without its end; `is_gross` if by far more than could do no harm."""

    trait: Trait
    text: str
    is_gross: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameTraits:
    """What a header says of a frame in the respects of `Trait`; None where it says nothing."""

    name: str
    kind: FrameKind | None = None
    kind_word: str | None = None
    filter_name: str | None = None
    exposure_time_s: float | None = None
    start: datetime | None = None
    camera: str | None = None
    telescope: str | None = None
    #: Cards GAIN and EGAIN, which may be a setting of the camera and electrons per count.
    gains: tuple[float | None, float | None] = (None, None)
    offset: float | None = None
    read_mode: str | None = None
    region: str | None = None
    temperature_c: float | None = None
    unit: str | None = None
    target: str | None = None
    combined: int = 1
    state: FrameState

    @classmethod
    def of(cls, name: str, header: fits.Header) -> Self:
        """Read the header of the frame of a name."""
        cards = HeaderCards(header)
        reader = CardReader(cards)
        kind_word = frame_word(reader)
        is_of_camera = not any(keyword in header and header.comments[keyword] == GAIN_OF_PIXELS for keyword in _GAINS)
        return cls(
            name=name,
            kind=kind_of(kind_word),
            kind_word=kind_word,
            filter_name=reader.filter_name(),
            exposure_time_s=reader.exposure_time_s(),
            start=reader.capture_time(),
            camera=reader.text("INSTRUME"),
            telescope=reader.text("TELID") or reader.text("TELESCOP"),
            gains=(reader.number("GAIN"), reader.number("EGAIN")) if is_of_camera else (None, None),
            offset=reader.number(*_OFFSETS),
            read_mode=_first_text(reader, _READ_MODES),
            region=_region(reader),
            temperature_c=reader.number(*TEMPERATURE_CARDS, lowest=_COLDEST_C, highest=_WARMEST_C),
            unit=_unit(reader.text("BUNIT")),
            target=reader.text("OBJECT"),
            combined=reader.whole("NCOMBINE") or 1,
            state=FrameState.read(cards),
        )


def frame_word(reader: CardReader) -> str | None:
    """Return the word for the kind of a frame."""
    return reader.frame_type()


def kind_of(word: str | None) -> FrameKind | None:
    """Return the kind of a frame by its word; unknown words say nothing."""
    return _KIND_OF.get(" ".join((word or "").upper().replace("_", " ").split()))


def differences(frames: Sequence[FrameTraits]) -> list[Difference]:
    """Return in what frames are not alike, in the order of `Trait`. What a frame does not say is not compared."""
    found = [
        _same_moment(frames),
        _in_words(frames, Trait.KIND, "the types differ", lambda frame: frame.kind),
        _in_words(frames, Trait.FILTER, "the filters differ", lambda frame: frame.filter_name, key=str.strip),
        _in_numbers(
            frames, Trait.EXPOSURE, "the exposure times differ", lambda frame: frame.exposure_time_s, _SAME_EXPOSURE
        ),
        _in_words(frames, Trait.CAMERA, "the cameras differ", lambda frame: frame.camera, key=_plain),
        _in_words(frames, Trait.TELESCOPE, "the telescopes differ", lambda frame: frame.telescope, key=_plain),
        _in_numbers(frames, Trait.GAIN, "the gains (GAIN) differ", lambda frame: frame.gains[0], _SAME_GAIN)
        or _in_numbers(frames, Trait.GAIN, "the gains (EGAIN) differ", lambda frame: frame.gains[1], _SAME_GAIN),
        _in_numbers(frames, Trait.OFFSET, "the offsets of the camera differ", lambda frame: frame.offset),
        _in_words(frames, Trait.READ_MODE, "the read modes differ", lambda frame: frame.read_mode, key=_plain),
        _in_words(frames, Trait.BINNING, "the binnings differ", _binning_words),
        _in_words(frames, Trait.REGION, "the regions of the detector differ", lambda frame: frame.region),
        _in_temperature(frames),
        _in_words(frames, Trait.UNIT, "the units (BUNIT) differ", lambda frame: frame.unit),
        _in_words(frames, Trait.CORRECTION, "not the same was corrected in all", lambda frame: frame.state.steps),
        _in_words(frames, Trait.OVERSCAN, "the overscan is not subtracted from all", _overscan_words),
        _in_words(frames, Trait.TARGET, "the targets (OBJECT) differ", lambda frame: frame.target, key=_plain),
    ]
    return [difference for difference in found if difference is not None]


def named(names: Sequence[str]) -> str:
    """Return names for a sentence, not too many of them."""
    if len(names) <= _MOST_NAMES:
        return ", ".join(names)
    return f"{', '.join(names[: _MOST_NAMES - 1])} and {len(names) - _MOST_NAMES + 1} more"


def _in_words(
    frames: Sequence[FrameTraits],
    trait: Trait,
    what: str,
    value_of: Callable[[FrameTraits], str | None],
    *,
    key: Callable[[str], Hashable] = lambda word: word,
) -> Difference | None:
    groups: dict[Hashable, tuple[str, list[str]]] = {}
    for frame in frames:
        value = value_of(frame)
        if value is not None:
            groups.setdefault(key(value), (value, []))[1].append(frame.name)
    if len(groups) < 2:
        return None
    listed = ", ".join(f"{value} ({named(names)})" for value, names in groups.values())
    return Difference(trait=trait, text=f"{what}: {listed}")


def _in_numbers(
    frames: Sequence[FrameTraits],
    trait: Trait,
    what: str,
    value_of: Callable[[FrameTraits], float | None],
    tolerance: float = 0.0,
) -> Difference | None:
    """Compare numbers that may differ by a part `tolerance` of the largest."""
    ends = _ends(frames, value_of)
    if ends is None:
        return None
    (low, low_name), (high, high_name) = ends
    if high - low <= tolerance * max(abs(low), abs(high)):
        return None
    return Difference(trait=trait, text=f"{what}: from {low:g} ({low_name}) to {high:g} ({high_name})")


def _in_temperature(frames: Sequence[FrameTraits]) -> Difference | None:
    ends = _ends(frames, lambda frame: frame.temperature_c)
    if ends is None:
        return None
    (low, low_name), (high, high_name) = ends
    if high - low <= _SAME_TEMPERATURE_C:
        return None
    text = f"the temperatures of the detector differ: from {low:g} ({low_name}) to {high:g} C ({high_name})"
    return Difference(trait=Trait.TEMPERATURE, text=text, is_gross=high - low >= _GROSS_TEMPERATURE_C)


def _ends(
    frames: Sequence[FrameTraits], value_of: Callable[[FrameTraits], float | None]
) -> tuple[tuple[float, str], tuple[float, str]] | None:
    known = [(value, frame.name) for frame in frames if (value := value_of(frame)) is not None and math.isfinite(value)]
    if len(known) < 2:
        return None
    return min(known, key=lambda pair: pair[0]), max(known, key=lambda pair: pair[0])


def _same_moment(frames: Sequence[FrameTraits]) -> Difference | None:
    """Find exposures of one camera that began at the same moment: one in two forms, such as raw and reduced."""
    seen: dict[Hashable, list[str]] = {}
    for frame in frames:
        if frame.start is None or frame.camera is None or frame.combined > 1:
            continue
        if (frame.exposure_time_s or 0.0) < _LEAST_TELLING_EXPOSURE_S or _is_midnight(frame.start):
            continue
        seen.setdefault((frame.start, _plain(frame.camera), _plain(frame.telescope or "")), []).append(frame.name)
    alike = next((names for names in seen.values() if len(names) > 1), None)
    if alike is None:
        return None
    return Difference(
        trait=Trait.DUPLICATE, text=f"{named(alike)} began at the same moment in one camera: they may be one exposure"
    )


def _is_midnight(moment: datetime) -> bool:
    """Tell whether a time may stand for a date alone."""
    return moment.hour == moment.minute == moment.second == moment.microsecond == 0


def _binning_words(frame: FrameTraits) -> str | None:
    binning = frame.state.binning
    return None if binning is None else f"{binning[0]} x {binning[1]}"


def _overscan_words(frame: FrameTraits) -> str:
    return "subtracted" if frame.state.overscan_removed else "not known to be"


def _plain(text: str) -> str:
    """Return a name without what programs write differently: case, blanks, punctuation."""
    return re.sub(r"[\W_]", "", text).casefold()


def _first_text(reader: CardReader, keywords: Sequence[str]) -> str | None:
    return next((text for text in map(reader.text, keywords) if text), None)


def _region(reader: CardReader) -> str | None:
    text = _first_text(reader, _REGIONS)
    if text is not None:
        return "".join(text.split())
    for names in _ORIGINS:
        x, y = (reader.number(name) for name in names)
        if x is not None and y is not None:
            return f"from column {x:g}, row {y:g}"
    return None


def _unit(text: str | None) -> str | None:
    if text is None:
        return None
    upper = _PER_PIXEL.sub("", " ".join(text.upper().split()))
    rate = _PER_SECOND.search(upper)
    base = upper[: rate.start()].strip() if rate else upper
    plain = "adu" if base in _ADU else "electron" if base in _ELECTRONS else base.lower()
    return f"{plain}/s" if rate else plain
