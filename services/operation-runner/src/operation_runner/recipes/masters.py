"""Calibration frames made ready for use, and images seen through them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from astropy.io import fits
from astropy.table import Table

from datalab.astro.headers.description import FrameDescription
from datalab.astro.headers.detector import Detector
from datalab.astro.pixels.arithmetic import exact_dtype, image_median
from datalab.astro.pixels.calibration import (
    BIAS_CARD,
    DARK_CARD,
    FLAT_CARD,
    FrameState,
    corrected,
    is_normalised,
    largest_sensitivity,
    relative_sensitivity,
    saturation_after,
)
from datalab.astro.pixels.geometry import bands
from datalab.astro.types import Pixels
from operation_runner.sdk import FitsFile, Image, Inputs, UsageError

#: Exposure times nearer to each other than this are the same.
_SAME_EXPOSURE = 1e-3
#: No shutter is as fast; what is multiplied by more than the ratio to a real exposure is noise.
_SHORTEST_DARK_S = 1e-4
_BAND_ROWS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Masters:
    """The frames that calibrate images.

    `dark` has the counts of its own exposure time; with `dark_has_bias` it takes the bias off, too, and suits no other
    exposure time. `flat` is relative to its median, NaN where it shows no light. The levels are medians.
    """

    bias: Image | None = None
    dark: Image | None = None
    dark_has_bias: bool = False
    flat: Image | None = None
    bias_level: float = 0.0
    dark_level: float = 0.0
    largest_sensitivity: float = 1.0


def prepared_masters(
    inputs: Inputs, *, bias: Sequence[FitsFile] = (), dark: Sequence[FitsFile] = (), flat: Sequence[FitsFile] = ()
) -> Masters:
    """Open calibration frames, at most one of each kind, and take out of each what the others correct for.

    Raises `UsageError` if they do not fit together.
    """
    masters = Masters()
    if (bias_image := _opened(inputs, bias)) is not None:
        masters = Masters(bias=_on_disk(inputs, bias_image), bias_level=_level(bias_image, kind="bias"))
    if (dark_image := _opened(inputs, dark)) is not None:
        masters = _with_dark(inputs, masters, dark_image)
    if (flat_image := _opened(inputs, flat)) is not None:
        masters = _with_flat(inputs, masters, flat_image)
    return masters


class CorrectedImage:
    """An input image without bias, dark current and uneven sensitivity, computed row by row when asked for.

    It is an `operation_runner.sdk.Image`. `divisor` is what the pixels are divided by at last; `saturation` is the
    level from which on a result may be saturated.
    """

    def __init__(self, image: Image, masters: Masters, *, scale_dark: bool = True, divisor: float = 1.0) -> None:
        """Raise `UsageError` if the image and the calibration frames do not fit together."""
        _check_image(image, masters)
        self.raw = image
        self.masters = masters
        self.dark_scale = _dark_scale(image, masters, scale_dark=scale_dark)
        self.divisor = divisor
        self._scale_dark = scale_dark
        self._raw_saturation = Detector.of(image.header).saturation_adu
        level = saturation_after(
            self._raw_saturation,
            bias_adu=masters.bias_level,
            dark_adu=self.dark_scale * masters.dark_level,
            sensitivity=masters.largest_sensitivity,
        )
        self.saturation = level / divisor
        self.basename = image.basename
        self.shape = image.shape
        self.dtype = exact_dtype(image.dtype)

    @property
    def is_free_of_bias(self) -> bool:
        """Whether the bias was taken off, here or before."""
        return (
            self.masters.bias is not None or self.masters.dark_has_bias or FrameState.of(self.raw.header).bias_removed
        )

    def divided_by(self, divisor: float) -> CorrectedImage:
        """Return the same image, with pixels divided by a number."""
        return CorrectedImage(self.raw, self.masters, scale_dark=self._scale_dark, divisor=divisor)

    @property
    def header(self) -> fits.Header:
        """The header of the image, with what was done to it."""
        header = self.raw.header.copy()
        bias, dark, flat = self.masters.bias, self.masters.dark, self.masters.flat
        if bias is not None:
            header[BIAS_CARD] = (bias.basename, "bias subtracted")
        if dark is not None:
            header[DARK_CARD] = (dark.basename, "dark subtracted")
            header["DARKSCAL"] = (self.dark_scale, "factor of the dark")
            if self.masters.dark_has_bias:
                header[BIAS_CARD] = (dark.basename, "bias subtracted, with the dark")
        if flat is not None:
            header[FLAT_CARD] = (flat.basename, "divided by flat")
        if math.isfinite(self.saturation):
            header["SATURATE"] = self.saturation
        return header

    @property
    def description(self) -> FrameDescription:
        """What the header says."""
        return self.raw.description

    def rows(self, start: int, stop: int) -> Pixels:
        """Return corrected rows; see `operation_runner.sdk.Image`."""
        raw = self.raw.rows(start, stop)
        result = corrected(
            raw,
            bias=_rows(self.masters.bias, start, stop),
            dark=_rows(self.masters.dark, start, stop),
            dark_scale=self.dark_scale,
            flat=_rows(self.masters.flat, start, stop),
        )
        result /= self.divisor
        if math.isfinite(self.saturation):
            # Where bias or sensitivity are higher than usual, a saturated pixel must not slip below the level that the
            # header announces.
            result[raw >= self._raw_saturation] = np.fmax(result[raw >= self._raw_saturation], self.saturation)
        return result

    def pixels(self) -> Pixels:
        """Return all rows."""
        result = np.empty(self.shape, self.dtype)
        for start, stop in bands(self.shape[0], _BAND_ROWS):
            result[start:stop] = self.rows(start, stop)
        return result

    def catalogue(self) -> Table | None:
        """Return the sources of the image: what it shows stays where it is."""
        return self.raw.catalogue()


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


def _opened(inputs: Inputs, files: Sequence[FitsFile]) -> Image | None:
    return inputs.image(files[0]) if files else None


def _on_disk(inputs: Inputs, image: Image, rows: Callable[[int, int], Pixels] | None = None) -> Image:
    """Return an image whose pixels lie unpacked on disk: they are read for every input."""
    read = rows or image.rows
    dtype = exact_dtype(image.dtype)
    pixels = inputs.new_pixels(image.shape, dtype)
    for start, stop in bands(image.shape[0], _BAND_ROWS):
        pixels[start:stop] = read(start, stop)
    return inputs.derived(image, pixels)


def _level(image: Image, *, kind: str) -> float:
    """Return the median of a calibration frame. Raises `UsageError` if there is none: it would blank all images."""
    level = image_median(image.pixels())
    if not math.isfinite(level):
        raise UsageError(f"The {kind} {image.basename} cannot be used: too few of its pixels have a value.")
    return level


def _with_dark(inputs: Inputs, masters: Masters, dark: Image) -> Masters:
    if masters.bias is not None:
        check_same_camera(masters.bias, dark, kind="bias")
    is_free = FrameState.of(dark.header).bias_removed
    rows = dark.rows if is_free or masters.bias is None else CorrectedImage(dark, masters).rows
    usable = _on_disk(inputs, dark, rows)
    return replace(
        masters,
        dark=usable,
        dark_has_bias=not is_free and masters.bias is None,
        dark_level=_level(usable, kind="dark"),
    )


def _with_flat(inputs: Inputs, masters: Masters, flat: Image) -> Masters:
    counts = flat.pixels()
    if not (FrameState.of(flat.header).bias_removed or is_normalised(image_median(counts))):
        if masters.bias is None:
            raise UsageError(
                f"The flat {flat.basename} still contains the bias: choose a bias frame too, or a flat that is free of "
                f"it (a Master Frame made with a bias, a flat with a {BIAS_CARD} card, or one with the median 1)."
            )
        counts = CorrectedImage(flat, masters).pixels()
    try:
        relative = relative_sensitivity(counts)
    except ValueError as error:
        raise UsageError(f"The flat {flat.basename} cannot be used: {error}.") from error
    pixels = inputs.new_pixels(flat.shape, relative.dtype)
    pixels[:] = relative
    return replace(masters, flat=inputs.derived(flat, pixels), largest_sensitivity=largest_sensitivity(relative))


def _check_image(image: Image, masters: Masters) -> None:
    state = FrameState.of(image.header)
    for master, kind, done in (
        (masters.bias, "bias", state.bias_removed),
        (masters.dark, "dark", state.dark_removed),
        (masters.flat, "flat", state.flat_removed),
    ):
        if master is None:
            continue
        check_same_camera(image, master, kind=kind)
        if done:
            raise UsageError(f"{image.basename} has been corrected with a {kind} already, as its header says.")
    if masters.flat is None:
        return
    filters = [frame.description.filter_name for frame in (masters.flat, image)]
    if None not in filters and filters[0] != filters[1]:
        raise UsageError(
            f"The flat {masters.flat.basename} was taken in the filter {filters[0]}, {image.basename} in {filters[1]}: "
            "a flat corrects images of its own filter."
        )
    if not (state.bias_removed or masters.bias is not None or masters.dark_has_bias):
        raise UsageError(
            f"{image.basename} still contains the bias, which must not be divided by a flat: choose a bias frame too."
        )


def _dark_scale(image: Image, masters: Masters, *, scale_dark: bool) -> float:
    dark = masters.dark
    if dark is None or not scale_dark:
        return 1.0
    time, dark_time = (exposure_s(frame, needed_to="scale the dark") for frame in (image, dark))
    if abs(time - dark_time) <= _SAME_EXPOSURE * max(time, dark_time):
        return 1.0
    if masters.dark_has_bias:
        raise UsageError(
            f"The dark {dark.basename} was exposed for {dark_time:g} s, {image.basename} for {time:g} s: to scale the "
            "dark current, the bias must be known. Choose a bias frame too, or do not scale the dark."
        )
    if dark_time < _SHORTEST_DARK_S:
        raise UsageError(f"The dark {dark.basename} has no exposure time to scale it by.")
    return time / dark_time


def _rows(image: Image | None, start: int, stop: int) -> Pixels | None:
    return None if image is None else image.rows(start, stop)
