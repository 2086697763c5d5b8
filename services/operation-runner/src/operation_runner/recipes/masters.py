"""Calibration frames made ready for use."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from datalab.astro.headers.frame_state import BIAS_CARD, FrameState
from datalab.astro.pixels.arithmetic import exact_dtype, image_median
from datalab.astro.pixels.calibration import is_normalised, largest_sensitivity, relative_sensitivity
from datalab.astro.pixels.geometry import bands
from datalab.astro.types import Pixels
from operation_runner.recipes.corrected_image import BAND_ROWS, CorrectedImage, Masters, check_same_camera
from operation_runner.sdk import FitsFile, Image, Inputs, UsageError


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


def _opened(inputs: Inputs, files: Sequence[FitsFile]) -> Image | None:
    return inputs.image(files[0]) if files else None


def _on_disk(inputs: Inputs, image: Image, rows: Callable[[int, int], Pixels] | None = None) -> Image:
    """Return an image whose pixels lie unpacked on disk: they are read for every input."""
    read = rows or image.rows
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
