"""Notes of products as messages and documents can hold them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from datalab.events.operations import OutputFile

#: Notes of all products of a result, characters: with the data beside them half of the largest message
#: (deploy/nats/nats.conf, `MAX_INLINE_DATA_BYTES`). The FITS files have them in full.
_MOST_CHARACTERS = 250_000
_LONGEST = 500


def with_few_notes(files: Iterable[OutputFile]) -> list[OutputFile]:
    """Return products with as many of their notes as a message can hold; the last one says how many are left out."""
    listed = list(files)
    share = _MOST_CHARACTERS // max(1, sum(1 for file in listed if file.notes))
    return [
        file.model_copy(update={"notes": tuple(_few(file.notes, share))}) if file.notes else file for file in listed
    ]


def _few(notes: Sequence[str], most_characters: int) -> Iterator[str]:
    used = 0
    for number, note in enumerate(notes):
        shown = note if len(note) <= _LONGEST else f"{note[:_LONGEST]}..."
        used += len(shown)
        if used > most_characters:
            yield f"... and {len(notes) - number} more, in the HISTORY of the file"
            return
        yield shown
