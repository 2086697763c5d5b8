"""Calibration frames made ready for use."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from datalab.astro.headers.frame_state import BIAS_CARD, FrameState
from datalab.astro.headers.likeness import FrameKind
from datalab.astro.pixels.arithmetic import exact_dtype, image_median
from datalab.astro.pixels.calibration import LEAST_SENSITIVITY, is_normalised, largest_sensitivity, relative_sensitivity
from datalab.astro.pixels.geometry import bands
from datalab.astro.types import Pixels
from operation_runner.recipes.calibration_checks import check_kind, check_same_camera, fit_notes
from operation_runner.recipes.corrected_image import BAND_ROWS, CorrectedImage, Masters
from operation_runner.sdk import FitsFile, Image, Inputs, UsageError

_NO_SENSITIVITY = f"saturated, blank or below {LEAST_SENSITIVITY:g} of the median of this flat"
_NO_VALUE = "saturated or blank"


def prepared_masters(
    inputs: Inputs, *, bias: Sequence[FitsFile] = (), dark: Sequence[FitsFile] = (), flat: Sequence[FitsFile] = ()
) -> Masters:
    """Open calibration frames, at most one of each kind, and take out of each what the others correct for.

    Raises `UsageError` if they do not fit together.
    """
    masters = Masters()
    if (bias_image := _opened(inputs, bias, "bias")) is not None:
        usable = _on_disk(inputs, bias_image, _unsaturated(bias_image).rows)
        masters = Masters(
            bias=usable,
            bias_level=_level(usable, kind="bias"),
            notes=_blank_notes(bias_image, usable.pixels(), _NO_VALUE),
        )
    if (dark_image := _opened(inputs, dark, "dark")) is not None:
        masters = _with_dark(inputs, masters, dark_image)
    if (flat_image := _opened(inputs, flat, "flat")) is not None:
        masters = _with_flat(inputs, masters, flat_image)
    return masters


def _opened(inputs: Inputs, files: Sequence[FitsFile], kind: FrameKind) -> Image | None:
    if not files:
        return None
    image = inputs.image(files[0])
    check_kind(image, kind)
    return image


def _unsaturated(image: Image, masters: Masters | None = None) -> CorrectedImage:
    """Return a calibration frame whose saturated and masked pixels are blank, as their values are not known."""
    return CorrectedImage(image, masters or Masters(), blanks_saturated=True, bad=image.mask())


def _on_disk(inputs: Inputs, image: Image, read: Callable[[int, int], Pixels]) -> Image:
    """Return an image whose pixels lie unpacked on disk: they are read for every input."""
    dtype = exact_dtype(image.dtype)
    pixels = inputs.new_pixels(image.shape, dtype)
    for start, stop in bands(image.shape[0], BAND_ROWS):
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
        masters = replace(masters, notes=(*masters.notes, *fit_notes(dark, masters.bias, kind="bias")))
    is_free = FrameState.of(dark.header).bias_removed
    usable = _on_disk(inputs, dark, _unsaturated(dark, None if is_free else masters).rows)
    return replace(
        masters,
        dark=usable,
        dark_has_bias=not is_free and masters.bias is None,
        dark_level=_level(usable, kind="dark"),
        notes=(*masters.notes, *_blank_notes(dark, usable.pixels(), _NO_VALUE)),
    )


def _with_flat(inputs: Inputs, masters: Masters, flat: Image) -> Masters:
    counts = flat.pixels()
    if not (FrameState.of(flat.header).bias_removed or is_normalised(image_median(counts))):
        if masters.bias is None:
            raise UsageError(
                f"The flat {flat.basename} still contains the bias: choose a bias frame too, or a flat that is free of "
                f"it (a Master Frame made with a bias, a flat with a {BIAS_CARD} card, or one with the median 1)."
            )
        corrected = _unsaturated(flat, masters)
        masters = replace(masters, notes=(*masters.notes, *corrected.doubts))
        counts = corrected.pixels()
    else:
        counts = _unsaturated(flat).pixels()
    try:
        relative = relative_sensitivity(counts)
    except ValueError as error:
        raise UsageError(f"The flat {flat.basename} cannot be used: {error}.") from error
    pixels = inputs.new_pixels(flat.shape, relative.dtype)
    pixels[:] = relative
    return replace(
        masters,
        flat=inputs.derived(flat, pixels),
        largest_sensitivity=largest_sensitivity(relative),
        notes=(*masters.notes, *_blank_notes(flat, relative, _NO_SENSITIVITY)),
    )


def _blank_notes(frame: Image, pixels: Pixels, what: str) -> tuple[str, ...]:
    blank = int(np.count_nonzero(np.isnan(pixels)))
    return (f"{frame.basename}: {blank} of {pixels.size} pixels are {what}: blank in the result",) if blank else ()
