"""Images treated one by one, of which some may be of no use: the others are delivered all the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from operation_runner.sdk import DataProduct, FitsFile, Image, Inputs, Product, Progress, UsageError, WrittenProduct
from operation_runner.sdk.jobs import LocalProduct

#: So many reasons are told of why nothing could be made.
_MOST_REASONS = 5


@dataclass(frozen=True, slots=True)
class Refusal:
    """An input file that could not be treated, and why."""

    basename: str
    reason: str

    @classmethod
    def of(cls, file: FitsFile | Image, error: UsageError) -> Refusal:
        """Return what is told of an input whose turn ended with an error."""
        return cls(file.basename, error.message)

    @property
    def note(self) -> str:
        """What is noted in the products made of the others."""
        reason = self.reason.rstrip(".")
        return f"{self.basename}: left out: {reason}"


def each_image(
    inputs: Inputs, function: Callable[[Image], Any], files: Sequence[FitsFile], *, progress: Progress
) -> Iterator[Product]:
    """Yield what a function makes of each image, as `Inputs.parallel_images` does, but for those it refuses.

    `function` returns a product, or several in a tuple. Where it, or opening the file, raises `UsageError`, the file is
    noted in the products that follow, and in the one before if none does.

    Raises:
        UsageError: no image could be treated.
    """
    yield from delivered(inputs.parallel_images(function, files, progress=progress, refused=Refusal.of))


def delivered(answers: Iterable[Any]) -> Iterator[Product]:
    """Yield the products among answers, of which some are refusals, noted as `each_image` does.

    Raises:
        UsageError: all of them are.
    """
    refusals: list[Refusal] = []
    held: tuple[Product, ...] = ()
    for answer in answers:
        if isinstance(answer, Refusal):
            refusals.append(answer)
            continue
        yield from with_notes(held, refusals)
        held = answer if type(answer) is tuple else (answer,)
    if not held:
        raise none_left(refusals)
    yield from with_notes(held, refusals)


def with_notes(products: Sequence[Product], refusals: Sequence[Refusal]) -> Iterator[Product]:
    """Yield products with a note on each file that was refused."""
    notes = tuple(refusal.note for refusal in refusals)
    for product in products:
        match product:
            case WrittenProduct(files=LocalProduct() as files) if notes:
                yield WrittenProduct(replace(files, notes=(*files.notes, *notes)))
            case DataProduct(content=content) if notes:
                yield DataProduct(content={**content, "notes": [*content.get("notes", ()), *notes]})
            case _:
                yield product


def none_left(refusals: Sequence[Refusal]) -> UsageError:
    """Return what to raise when nothing could be made of any input."""
    reasons = list(dict.fromkeys(refusal.reason for refusal in refusals))
    if len(refusals) == 1:
        return UsageError(reasons[0])
    told = " ".join(reason if reason.endswith(".") else f"{reason}." for reason in reasons[:_MOST_REASONS])
    more = f" And {len(reasons) - _MOST_REASONS} more." if len(reasons) > _MOST_REASONS else ""
    return UsageError(f"Not one of the {len(refusals)} input files could be used. {told}{more}")
