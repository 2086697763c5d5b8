"""Pixel Arithmetic: a formula applied to the pixels of images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from datalab.astro.catalogues.flux_ratio import flux_ratio
from datalab.astro.catalogues.transformed import carried
from datalab.astro.pixels.arithmetic import exact_dtype
from datalab.astro.pixels.expression import Expression, ExpressionError, parse
from datalab.astro.pixels.geometry import bands, common_shape
from datalab.astro.types import Pixels
from operation_runner.recipes.catalogues import carried_catalogue
from operation_runner.recipes.combined_filters import with_filters
from operation_runner.recipes.each_image import each_image
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

if TYPE_CHECKING:
    from astropy.table import Table

#: Rows computed at once: the formula's intermediate results stay small, however large the images are.
_BAND_ROWS = 256
_FURTHER = ("b", "c", "d")


def _one_more(letter: str) -> Any:
    return Field(
        title=f"Image {letter.upper()}",
        description=f"The image called {letter} in the expression",
    )


class PixelArithmetic(Operation):
    """Images of different size are cropped from pixel [0, 0] to what all cover; undefined results are blank (NaN)."""

    name = "Pixel Arithmetic"
    description = (
        "Computes a formula for every pixel, such as (a - b) / median(b), where a is each image of A in turn, and "
        "b, c and d are the images of B, C and D. There are + - * / % **, comparisons, & | ~, the functions abs, "
        "sqrt, exp, log, log10, sin, cos, floor, isnan, minimum(a, b), maximum(a, b), clip(a, low, high), "
        "where(condition, then, else), and of a whole image mean, median, std, sum, min and max."
    )
    version = 2
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
    return ImageProduct(
        pixels=pixels,
        header=with_filters(image.header, used.values()),
        is_exposure=False,
        comment=f"Datalab Pixel Arithmetic: {expression.text} with "
        + ", ".join(f"{name} = {each.basename}" for name, each in used.items()),
        inputs=list(used.values()),
        catalogue=_measured_anew(image, pixels),
    )


def _measured_anew(image: Image, pixels: Pixels) -> Table | None:
    """Return the catalogue of `image` with fluxes as they are in the result; None if no stars are left in it."""
    catalogue = carried_catalogue(image, shape=pixels.shape)
    if catalogue is None:
        return None
    ratio = flux_ratio(pixels, image.rows(0, pixels.shape[0])[:, : pixels.shape[1]], catalogue)
    return None if ratio is None or ratio <= 0 else carried(catalogue, shape=pixels.shape, scale=ratio)
