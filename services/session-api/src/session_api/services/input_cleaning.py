"""From what a client posts as inputs to what matters, and what is worth showing again.

The user interface posts whole image objects: signed links, blob addresses, the nested inputs of parent operations. None
of it may reach the runners (equal requests would look different) or the store (it grows with every generation).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import JsonValue

from datalab.events.operations import InputSource
from session_api.domain.catalogue import CatalogueEntry, WizardInput
from session_api.domain.errors import InputRefusedError

#: What clients read in the inputs of an operation: the wizard's own marks, and what dependencies are found by.
SHOWN_ITEM_KEYS = frozenset(
    {
        "basename", "source", "id", "filter", "primary_optical_element", "target_name", "observation_date",
        "operation", "operationIndex", "operationName", "color", "zmin", "zmax",
    }
)  # fmt: skip
_IDENTITY_KEYS = frozenset({"basename", "source"})
_LONGEST_BASENAME = 256

JsonObject = dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class NamedFile:
    """One file as a client names it."""

    source: InputSource
    basename: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanInputs:
    """`shown` is for clients, `parameters` for runners, `files` lists the files of each input."""

    shown: JsonObject
    parameters: JsonObject
    files: dict[str, list[NamedFile]]

    def all_files(self) -> Iterator[NamedFile]:
        """Yield every file, in the order of the wizard."""
        for files in self.files.values():
            yield from files


def clean_inputs(entry: CatalogueEntry, input_data: JsonObject) -> CleanInputs:
    """Return the inputs without noise, lists of files sorted by basename. Raises `InputRefusedError`."""
    unknown = sorted(key for key in input_data if not entry.knows(key))
    if unknown:
        raise InputRefusedError(
            f"Operation {entry.name} has no input {_quoted(unknown[0])}; it takes {', '.join(entry.inputs)}."
        )
    given = {key: value for key, value in input_data.items() if value is not None}
    file_inputs = {key: wizard_input for key, wizard_input in entry.inputs.items() if wizard_input.holds_files}
    clean = CleanInputs(shown={}, parameters={}, files={})
    for key, value in given.items():
        if key not in file_inputs:
            clean.shown[key] = clean.parameters[key] = value
    for key, wizard_input in file_inputs.items():
        items = _file_items(wizard_input, given.get(key, []))
        meaningful = entry.item_keys(key) | _IDENTITY_KEYS
        clean.files[key] = [_named_file(item) for item in items]
        if key in given:
            clean.parameters[key] = [_only(item, meaningful) for item in items]
            clean.shown[key] = [_only(item, meaningful | SHOWN_ITEM_KEYS) for item in items]
    return clean


def _file_items(wizard_input: WizardInput, value: JsonValue) -> list[JsonObject]:
    if not isinstance(value, list):
        raise InputRefusedError(f"{wizard_input.name} must be a list of files.")
    items: list[JsonObject] = []
    for item in value:
        if not isinstance(item, dict) or not _is_basename(item.get("basename")):
            raise InputRefusedError(
                f'Every file of {wizard_input.name} needs a "basename", a text of 1 to {_LONGEST_BASENAME} characters.'
            )
        items.append(item)
    return sorted(items, key=lambda item: str(item["basename"]))


def _named_file(item: JsonObject) -> NamedFile:
    basename, source = str(item["basename"]), item.get("source")
    if source is None:
        raise InputRefusedError(
            f'{basename} names no source; "archive" (a frame) or "datalab" (the output of an operation) is right.'
        )
    if source not in list(InputSource):
        raise InputRefusedError(
            f'{basename}: Source {_quoted(source)} not recognized; "archive" or "datalab" is right.'
        )
    return NamedFile(InputSource(source), basename)


def _is_basename(value: JsonValue) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_BASENAME


def _only(item: JsonObject, keys: frozenset[str]) -> JsonValue:
    return {key: value for key, value in item.items() if key in keys}


def _quoted(value: JsonValue) -> str:
    """Return a client's own text, short enough to send back."""
    return repr(value if isinstance(value, str) else type(value).__name__)[:100]
