"""Pixel Arithmetic: a formula applied to the pixels of images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from datalab.astro.pixels.arithmetic import exact_dtype
from datalab.astro.pixels.expression import Expression, ExpressionError, Reduction, parse
from datalab.astro.pixels.geometry import bands, common_shape
from datalab.astro.types import FloatArray, Pixels
from operation_runner.recipes.changed_counts import ChangedCounts, affine_counts, unknown_counts
from operation_runner.recipes.combined_filters import with_filters
from operation_runner.recipes.each_image import each_image
from operation_runner.recipes.likeness import pair_notes
from operation_runner.recipes.masks import carried_mask
from operation_runner.recipes.parameters import InputFiles, OptionalFile
from operation_runner.sdk import (
    Hint,
    Image,
    ImageProduct,
    Inputs,
    Lane,
    Operation,
    OperationParameters,
    Product,
    Progress,
    UsageError,
    WizardKeys,
)

#: Rows computed at once: the formula's intermediate results stay small, however large the images are.
_BAND_ROWS = 256
_FURTHER = ("b", "c", "d")


def _one_more(letter: str) -> Any:
    return Field(
        title=f"Image {letter.upper()}",
        description=f"The image called {letter} in the expression",
    )


class PixelArithmetic(Operation):
    """Images of different size are cropped from pixel [0, 0] to what all cover; undefined results are blank (NaN).

    Gain, saturation, zero points and the source catalog follow where the formula is a multiple of a, plus something;
    else they are left out.
    """

    name = "Pixel Arithmetic"
    description = (
        "Computes a formula for every pixel, such as (a - b) / median(b), where a is each image of A in turn, and "
        "b, c and d are the images of B, C and D. There are + - * / % **, comparisons, & | ~, the functions abs, "
        "sqrt, exp, log, log10, sin, cos, floor, isnan, minimum(a, b), maximum(a, b), clip(a, low, high), "
        "where(condition, then, else), and of a whole image mean, median, std, sum, min and max."
    )
    version = 3
    lane = Lane.SLOW

    class Parameters(OperationParameters):
        a: Annotated[InputFiles, Field(title="Image A", description="The images called a, one result for each")]
        b: Annotated[OptionalFile, _one_more("b")]
        c: Annotated[OptionalFile, _one_more("c")]
        d: Annotated[OptionalFile, _one_more("d")]
        expression: Annotated[
            str,
            Field(title="Expression", description="The formula, for example (a - b) / median(b)", min_length=1),
            Hint("for example (a - b) / median(b)"),
            WizardKeys({"required": True}),
        ]

    def compute(self, inputs: Inputs, parameters: Parameters, progress: Progress) -> Iterator[Product]:
        chosen = {letter: getattr(parameters, letter) for letter in _FURTHER}
        others = {letter: inputs.image(files[0]) for letter, files in chosen.items() if files}
        try:
            expression = parse(parameters.expression, ["a", *others])
        except ExpressionError as error:
            raise UsageError(f"Operation {self.name}: {error}.") from error
        compute = partial(computed, others=others, expression=expression)
        yield from each_image(inputs, compute, parameters.a, progress=progress)


def computed(image: Image, *, others: Mapping[str, Image], expression: Expression) -> ImageProduct:
    """Return the formula's value where `image` is `a`."""
    named = {"a": image, **others}
    used = {name: named[name] for name in sorted(expression.images | {"a"})}
    rows, columns = common_shape([each.shape for each in used.values()])
    reduced = {each: each.of(used[each.image].rows(0, rows)[:, :columns]) for each in expression.reductions}
    pixels = np.empty((rows, columns), exact_dtype(*(each.dtype for each in used.values())))
    for start, stop in bands(rows, _BAND_ROWS):
        band = {name: each.rows(start, stop)[:, :columns] for name, each in used.items()}
        pixels[start:stop] = expression.evaluate(band, reduced)
    if np.isnan(pixels).all():
        raise UsageError(f"The expression {expression.text} has no value in any pixel where a is {image.basename}.")
    counts = counts_of(image, used, expression, reduced, pixels)
    return ImageProduct(
        pixels=pixels,
        header=with_filters(counts.header, used.values()),
        is_exposure=False,
        comment=f"Datalab Pixel Arithmetic: {expression.text} with "
        + ", ".join(f"{name} = {each.basename}" for name, each in used.items()),
        inputs=list(used.values()),
        catalogue=counts.catalogue,
        extensions=carried_mask(list(used.values()), pixels.shape),
        notes=[*pair_notes(list(used.values())), *counts.notes],
    )


def counts_of(
    image: Image,
    used: Mapping[str, Image],
    expression: Expression,
    reduced: Mapping[Reduction, float],
    pixels: Pixels,
) -> ChangedCounts:
    """Return what header and catalogue say of the result, by what the formula does to `image`."""
    if not expression.is_affine_in("a"):
        return unknown_counts(image, f"{expression.text} is not a multiple of a, plus something")

    def outcome(value: float, start: int, stop: int) -> FloatArray:
        band = {name: each.rows(start, stop)[:, : pixels.shape[1]] for name, each in used.items()}
        return expression.evaluate(band | {"a": np.full(band["a"].shape, value)}, reduced)

    return affine_counts(image, pixels, outcome)
