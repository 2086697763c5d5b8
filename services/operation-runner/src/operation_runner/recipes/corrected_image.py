"""Images seen through calibration frames."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from astropy.io import fits
from astropy.table import Table

from datalab.astro.headers.description import FrameDescription
from datalab.astro.headers.detector import Detector
from datalab.astro.pixels.arithmetic import exact_dtype
from datalab.astro.pixels.calibration import (
    BIAS_CARD,
    DARK_CARD,
    FLAT_CARD,
    FrameState,
    corrected,
    saturation_after,
)
from datalab.astro.pixels.geometry import bands
from datalab.astro.types import Pixels
from operation_runner.sdk import Image, UsageError

#: Exposure times that differ by less than this part are the same.
_SAME_EXPOSURE = 1e-3
#: No shutter is as fast; what is multiplied by more than the ratio to a real exposure is noise.
_SHORTEST_DARK_S = 1e-4
BAND_ROWS = 256


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

    def mask(self) -> Pixels | None:
        """Return where pixels are bad; see `operation_runner.sdk.Image`."""
        return self.raw.mask()

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
        for start, stop in bands(self.shape[0], BAND_ROWS):
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


def are_same_exposures(times_s: Sequence[float]) -> bool:
    """Tell whether exposure times are alike, as far as dark current is concerned."""
    return max(times_s) - min(times_s) <= _SAME_EXPOSURE * max(times_s)


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
    if are_same_exposures([time, dark_time]):
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
