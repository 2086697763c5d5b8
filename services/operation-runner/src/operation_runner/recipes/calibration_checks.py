"""Whether frames fit together that calibrate, or are calibrated."""

from __future__ import annotations

from collections.abc import Sequence

from datalab.astro.headers.card_reader import CardReader
from datalab.astro.headers.frame_state import FrameState
from datalab.astro.headers.likeness import FrameKind, FrameTraits, Trait, differences, frame_word, kind_of
from operation_runner.sdk import Image, UsageError

#: Exposure times that differ by less than this part are the same.
_SAME_EXPOSURE = 1e-3
#: Cameras without a shutter take their bias frames as short as they can; none needs as long.
_LONGEST_BIAS_S = 1.0
#: In what a frame must be like the images it calibrates, by its kind; and what is worth a note.
_MUST_FIT: dict[FrameKind, frozenset[Trait]] = {
    "bias": frozenset(
        {Trait.CAMERA, Trait.GAIN, Trait.READ_MODE, Trait.BINNING, Trait.REGION, Trait.UNIT, Trait.OVERSCAN}
    ),
    "dark": frozenset(
        {Trait.CAMERA, Trait.GAIN, Trait.READ_MODE, Trait.BINNING, Trait.REGION, Trait.UNIT, Trait.OVERSCAN}
    ),
    "flat": frozenset({Trait.CAMERA, Trait.BINNING, Trait.REGION}),
}
_SHOULD_FIT: dict[FrameKind, frozenset[Trait]] = {
    "bias": frozenset({Trait.OFFSET, Trait.TEMPERATURE}),
    "dark": frozenset({Trait.OFFSET, Trait.TEMPERATURE}),
    "flat": frozenset({Trait.READ_MODE, Trait.TELESCOPE}),
}


def fit_notes(image: Image, other: Image, *, kind: FrameKind) -> list[str]:
    """Return notes on how a calibration frame is unlike an image. Raises `UsageError` if it does not fit at all."""
    notes = []
    for difference in differences([FrameTraits.of(frame.basename, frame.header) for frame in (other, image)]):
        is_wrong = difference.trait in _MUST_FIT[kind] or (
            kind == "dark" and difference.trait is Trait.TEMPERATURE and difference.is_gross
        )
        if is_wrong:
            raise UsageError(f"The {kind} {other.basename} does not fit {image.basename}: {difference.text}.")
        if difference.trait in _SHOULD_FIT[kind]:
            notes.append(f"The {kind} {other.basename} does not quite fit: {difference.text}")
    return notes


def check_kind(image: Image, kind: FrameKind) -> None:
    """Raise `UsageError` if the header says that an image is of another kind; unknown words say nothing."""
    word = frame_word(CardReader.of(image.header))
    told = kind_of(word)
    if told is not None and told != kind:
        raise UsageError(f"{image.basename} is not a {kind} frame: its header says {word}.")
    time_s = image.description.exposure_time_s
    if kind == "bias" and time_s is not None and time_s > _LONGEST_BIAS_S:
        raise UsageError(
            f"{image.basename} is not a bias frame: it was exposed for {time_s:g} s, and dark current is in it."
        )


def check_same_camera(image: Image, other: Image, *, kind: str) -> None:
    """Raise `UsageError` unless a calibration frame has the size and the binning of an image."""
    sizes = [f"{columns} x {rows}" for rows, columns in (other.shape, image.shape)]
    if image.shape != other.shape:
        raise UsageError(
            f"The {kind} {other.basename} has {sizes[0]} pixels, {image.basename} has {sizes[1]}: both must come from "
            "the same camera, read out in the same way."
        )
    binnings = [FrameState.of(frame.header).binning for frame in (other, image)]
    if None not in binnings and binnings[0] != binnings[1]:
        words = [f"{binning[0]} x {binning[1]}" for binning in binnings if binning is not None]
        raise UsageError(
            f"The {kind} {other.basename} is binned {words[0]}, {image.basename} {words[1]}: both must be binned alike."
        )


def exposure_s(image: Image, *, needed_to: str) -> float:
    """Return the exposure time. Raises `UsageError` if the header has none."""
    time = image.description.exposure_time_s
    if time is None:
        raise UsageError(
            f"{image.basename} does not state its exposure time (EXPTIME), which is needed to {needed_to}."
        )
    return time


def are_same_exposures(times_s: Sequence[float]) -> bool:
    """Tell whether exposure times are alike, as far as dark current is concerned."""
    return max(times_s) - min(times_s) <= _SAME_EXPOSURE * max(times_s)
