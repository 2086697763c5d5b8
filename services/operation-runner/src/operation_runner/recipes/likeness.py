"""One check for every operation that combines images: whether they are alike, and none is there twice."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Collection, Sequence

import numpy as np

from datalab.astro.headers.card_reader import CardReader
from datalab.astro.headers.likeness import (
    Difference,
    FrameTraits,
    Trait,
    differences,
    frame_word,
    kind_of,
    named,
)
from datalab.astro.pixels.geometry import common_shape
from datalab.astro.sky.displacement import displacement_px
from datalab.astro.sky.wcs import celestial_wcs, says_where
from operation_runner.sdk import Image, UsageError

#: Rows of an image that stand for all of them, as parts of its height: two exposures of a real detector differ in each.
_ROWS_COMPARED = (0.25, 0.5, 0.75)
#: Images that are further apart show each star twice; aligned ones are within a few hundredths.
_SAME_SKY_PX = 1.0
_OF_TIME = re.compile(r"DATE|MJD|TIM|TSTART|TSTOP|TELAPSE|XPOSURE")

#: In what images must be alike that are combined pixel by pixel, or the result would mean nothing.
MUST_BE_ALIKE = frozenset({Trait.KIND, Trait.UNIT, Trait.BINNING})
#: Of calibration frames no part of the sky matters.
_WITHOUT_SKY = frozenset({"bias", "dark", "flat"})


def likeness_notes(
    images: Sequence[Image],
    *,
    refused: Collection[Trait] = (),
    refused_if_gross: Collection[Trait] = (),
    ignored: Collection[Trait] = (),
    refusal: str = "The input files cannot be combined",
) -> list[str]:
    """Return a note on each respect in which images are not alike.

    Args:
        images: that are to be combined pixel by pixel, or compared.
        refused: in what they must be alike, as the result would be wrong.
        refused_if_gross: the same, for differences that are gross; others are noted.
        ignored: in what they may differ, as the operation is made for it.
        refusal: begins the sentence of a refusal.

    Raises:
        UsageError: they are not alike where they must be.
    """
    found = differences([FrameTraits.of(image.basename, image.header) for image in images])
    if Trait.SKY not in ignored and (sky := sky_difference(images)):
        found.append(sky)
    if Trait.SIZE not in ignored and (size := _size_difference(images)):
        found.append(size)
    notes = []
    for difference in found:
        if difference.trait in ignored:
            continue
        is_wrong = difference.trait in refused or (difference.is_gross and difference.trait in refused_if_gross)
        if is_wrong and not (difference.trait is Trait.BINNING and _are_on_one_grid(images)):
            raise UsageError(f"{refusal}: {difference.text}.")
        notes.append(difference.text[0].upper() + difference.text[1:])
    return notes


def pair_notes(
    images: Sequence[Image], *, refused: Collection[Trait] = (), refusal: str = "The images do not fit together"
) -> list[str]:
    """Return notes on how images differ that a formula combines, where calibration frames are no exposures of the sky.

    Arguments and errors are those of `likeness_notes`.
    """
    if len({image.basename for image in images}) < len(images):
        return [f"{images[0].basename}: combined with itself"]
    of_sky = [image for image in images if _kind(image) not in _WITHOUT_SKY]
    if len(of_sky) == len(images):
        return likeness_notes(images, refused=refused, ignored={Trait.TARGET}, refusal=refusal)
    of_camera = {Trait.KIND, Trait.FILTER, Trait.EXPOSURE, Trait.TARGET, Trait.CORRECTION, Trait.SKY, Trait.DUPLICATE}
    return likeness_notes(images, refused=refused, ignored=of_camera, refusal=refusal)


def _kind(image: Image) -> str | None:
    return kind_of(frame_word(CardReader.of(image.header)))


def sky_difference(images: Sequence[Image]) -> Difference | None:
    """Return how images do not show the same sky on the same pixels, as far as their world coordinates tell."""
    differing: dict[tuple[str, tuple[int, int]], Image] = {}
    for image in images:
        cards = "".join(str(card) for card in image.header.cards if _is_of_place(card.keyword))
        differing.setdefault((cards, image.shape), image)
    if len(differing) < 2:  # aligned images have the same
        return None
    read = ((image.basename, celestial_wcs(image.header, image.shape)) for image in differing.values())
    solved = [(name, wcs) for name, wcs in read if wcs is not None]
    if len(solved) < 2:
        return None
    first_name, first = solved[0]
    offsets = {name: displacement_px(first, wcs) for name, wcs in solved[1:]}
    strangers = [name for name, offset in offsets.items() if math.isinf(offset)]
    if strangers:
        text = f"their world coordinates show different parts of the sky: {first_name} and {named(strangers)}"
        return Difference(trait=Trait.SKY, text=text, is_gross=True)
    name, offset = max(offsets.items(), key=lambda item: item[1])
    if offset <= _SAME_SKY_PX:
        return None
    text = f"pixels do not show the same sky: {name} is {offset:.1f} px off {first_name}, by their world coordinates"
    return Difference(trait=Trait.SKY, text=text)


def _are_on_one_grid(images: Sequence[Image]) -> bool:
    """Tell whether world coordinates say that pixels show the same sky, as those of aligned images do."""
    solved = [celestial_wcs(image.header, image.shape) for image in images]
    return None not in solved and sky_difference(images) is None


def _size_difference(images: Sequence[Image]) -> Difference | None:
    """Return how large images are that have not one size: they are cropped without asking what they show."""
    sizes: dict[tuple[int, int], list[str]] = {}
    for image in images:
        sizes.setdefault(image.shape, []).append(image.basename)
    if len(sizes) < 2:
        return None
    listed = ", ".join(f"{columns} x {rows} ({named(names)})" for (rows, columns), names in sizes.items())
    rows, columns = common_shape(list(sizes))
    text = f"the sizes differ: {listed}: cropped from the first pixel on to {columns} x {rows}"
    return Difference(trait=Trait.SIZE, text=text)


def _is_of_place(keyword: str) -> bool:
    return says_where(keyword) and not _OF_TIME.match(keyword)


def distinct_images(images: Sequence[Image], *, least: int = 2) -> tuple[list[Image], list[str]]:
    """Return images without those that are given more than once, and notes on these, and on copies under other names.

    What counts twice weighs double, and its noise seems to be less than it is.

    Raises:
        UsageError: fewer than `least` remain.
    """
    kept: list[Image] = []
    notes = []
    for image in images:
        if any(other.basename == image.basename and have_same_pixels(image, other) for other in kept):
            notes.append(f"{image.basename}: given more than once, counted once")
        else:
            kept.append(image)
    if len(kept) < least <= len(images):
        raise UsageError(f"At least {least} different images are needed; {kept[0].basename} is given more than once.")
    seen: dict[str, Image] = {}
    for image in kept:
        if (key := fingerprint(image)) is None:
            continue
        first = seen.setdefault(key, image)
        if first is not image:
            notes.append(f"{image.basename}: the same pixels as {first.basename}, and counted as another image")
    return kept, list(dict.fromkeys(notes))


def have_same_pixels(image: Image, other: Image) -> bool:
    """Tell whether two images are one: the same values everywhere, blank pixels apart."""
    if image.shape != other.shape:
        return False
    if image is other:
        return True
    if fingerprint(image) != fingerprint(other):
        return False
    return bool(np.array_equal(image.pixels(), other.pixels(), equal_nan=image.dtype.kind == "f"))


def fingerprint(image: Image) -> str | None:
    """Return a digest of some rows of an image, the same for all types of pixels; None if one value is all there is."""
    rows = image.shape[0]
    picked = sorted({min(rows - 1, int(rows * part)) for part in _ROWS_COMPARED})
    values = np.concatenate([image.rows(row, row + 1).ravel() for row in picked]).astype(np.float64)
    finite = values[np.isfinite(values)]
    if finite.size == 0 or (finite == finite[0]).all():
        return None
    return hashlib.sha256(np.where(np.isfinite(values), values, -np.inf).tobytes()).hexdigest()


def outlier_notes(count: int) -> list[str]:
    """Return a note if so few images are combined that nothing can tell which of two values is the outlier."""
    return ["Of two images nobody can tell an outlier: cosmic rays are in the result by half"] if count == 2 else []
