"""Images seen through calibration frames."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from astropy.io import fits
from astropy.table import Table

from datalab.astro.headers.description import FrameDescription
from datalab.astro.headers.frame_state import BIAS_CARD, DARK_CARD, FLAT_CARD, FrameState
from datalab.astro.headers.likeness import FrameKind
from datalab.astro.pixels.arithmetic import exact_dtype
from datalab.astro.pixels.calibration import corrected, saturation_after
from datalab.astro.pixels.count_cards import STATISTICS, is_saturated, remove, saturation_of
from datalab.astro.pixels.geometry import bands
from datalab.astro.types import Pixels
from operation_runner.recipes.calibration_checks import (
    are_same_exposures,
    check_same_camera,
    exposure_s,
    fit_notes,
)
from operation_runner.sdk import Image, UsageError

#: No shutter is as fast; what is multiplied by more than the ratio to a real exposure is noise.
_SHORTEST_DARK_S = 1e-4
BAND_ROWS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Masters:
    """The frames that calibrate images.

    `dark` has the counts of its own exposure time; with `dark_has_bias` it takes the bias off, too, and suits no other
    exposure time. `flat` is relative to its median, NaN where it shows no light. The levels are medians. `notes` tell
    what of the frames could not be used.
    """

    bias: Image | None = None
    dark: Image | None = None
    dark_has_bias: bool = False
    flat: Image | None = None
    bias_level: float = 0.0
    dark_level: float = 0.0
    largest_sensitivity: float = 1.0
    notes: tuple[str, ...] = ()


class CorrectedImage:
    """An input image without bias, dark current and uneven sensitivity, computed row by row when asked for.

    It is an `operation_runner.sdk.Image`. `divisor` is what the pixels are divided by at last; `saturation` is the
    level from which on a result may be saturated; with `blanks_saturated` such pixels are NaN, as those are that are
    not 0 in `bad`. `doubts` are how the
    calibration frames do not quite fit.
    """

    def __init__(
        self,
        image: Image,
        masters: Masters,
        *,
        scale_dark: bool = True,
        divisor: float = 1.0,
        blanks_saturated: bool = False,
        bad: Pixels | None = None,
    ) -> None:
        """Raise `UsageError` if the image and the calibration frames do not fit together."""
        self.doubts = _check_image(image, masters)
        self.raw = image
        self.masters = masters
        self.dark_scale = _dark_scale(image, masters, scale_dark=scale_dark)
        self.divisor = divisor
        self._scale_dark = scale_dark
        self._blanks_saturated = blanks_saturated
        self._bad = bad
        self._raw_saturation = saturation_of(image.header, image.dtype)
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
        return CorrectedImage(
            self.raw,
            self.masters,
            scale_dark=self._scale_dark,
            divisor=divisor,
            blanks_saturated=self._blanks_saturated,
            bad=self._bad,
        )

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
        remove(header, *STATISTICS)
        return header

    @property
    def description(self) -> FrameDescription:
        """What the header says."""
        return self.raw.description

    @property
    def notes(self) -> Sequence[str]:
        """What was noted on the image."""
        return self.raw.notes

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
        if self._bad is not None:
            result[np.asarray(self._bad[start:stop]) != 0] = np.nan
        if self._blanks_saturated:
            result[is_saturated(raw, self._raw_saturation)] = np.nan
        elif math.isfinite(self.saturation):
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

    def saturated_share(self) -> float:
        """Return what part of the raw pixels is saturated, 0 to 1."""
        count = 0
        for start, stop in bands(self.shape[0], BAND_ROWS):
            count += int(np.count_nonzero(is_saturated(self.raw.rows(start, stop), self._raw_saturation)))
        return count / (self.shape[0] * self.shape[1])

    def catalogue(self) -> Table | None:
        """Return the sources of the image: what it shows stays where it is."""
        return self.raw.catalogue()


def _check_image(image: Image, masters: Masters) -> list[str]:
    """Return notes on how frames differ from an image. Raises `UsageError` if they do not fit together."""
    notes = []
    state = FrameState.of(image.header)
    steps: tuple[tuple[Image | None, FrameKind, bool], ...] = (
        (masters.bias, "bias", state.bias_removed),
        (masters.dark, "dark", state.dark_removed),
        (masters.flat, "flat", state.flat_removed),
    )
    for master, kind, done in steps:
        if master is None:
            continue
        check_same_camera(image, master, kind=kind)
        if done:
            raise UsageError(f"{image.basename} has been corrected with a {kind} already, as its header says.")
        notes += fit_notes(image, master, kind=kind)
    if masters.flat is None:
        return notes
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
    return notes


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
