"""From what a client posts as inputs to what matters, and what is worth showing again.

The user interface posts whole image objects: signed links, blob addresses, the nested inputs of parent operations. None
of it may reach the runners (equal requests would look different) or the store (it grows with every generation).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from datalab.events.operations import InputSource
from session_api.offers.model import Offer, WizardInput
from session_api.operations.inputs import NamedFile
from session_api.web.bodies import JsonObject
from session_api.web.failures import InputRefusedError

#: What clients read in the inputs of an operation: the wizard's own marks, and what dependencies are found by.
SHOWN_ITEM_KEYS = frozenset(
    {
        "basename", "source", "id", "filter", "primary_optical_element", "target_name", "observation_date",
        "operation", "output", "operationIndex", "operationName", "color", "zmin", "zmax",
    }
)  # fmt: skip
_IDENTITY_KEYS = frozenset({"basename", "source"})
_LONGEST_BASENAME = 256
_NO_FILE = 'entry {number} has no image: choose one (its "basename") or remove the entry.'


@dataclass(frozen=True, slots=True)
class OutputsOf:
    """All images an operation made, or the one with this number, counted from 1."""

    operation_id: int
    number: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileItem:
    """One entry of an input, as shown; `operation_id` is the operation the client says the file is from, if any."""

    shown: JsonObject
    names: NamedFile | OutputsOf
    operation_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanInputs:
    """`shown` is for clients, `parameters` for runners, `files` lists the entries of each input that holds files."""

    shown: JsonObject
    parameters: JsonObject
    files: dict[str, list[FileItem]]

    def items(self) -> Iterator[FileItem]:
        """Yield every entry, in the order of the wizard."""
        for items in self.files.values():
            yield from items

    def named_files(self) -> list[NamedFile]:
        """Return every file that has a name, once, in the order of the wizard."""
        return list(dict.fromkeys(item.names for item in self.items() if isinstance(item.names, NamedFile)))

    def replaced(self, outputs: Mapping[NamedFile | OutputsOf, Sequence[str]]) -> JsonObject:
        """Return what is shown, with other entries for some: one for each basename of an output."""
        return {**self.shown, **{key: _replaced(items, outputs) for key, items in self.files.items() if items}}


def clean_inputs(offer: Offer, input_data: JsonObject) -> CleanInputs:
    """Return the inputs without noise, lists of files sorted by basename. Raises `InputRefusedError`.

    Numbers may be texts. Inputs that are clean already come out as they are, with the same parameters.
    """
    unknown = sorted(key for key in input_data if not offer.knows(key))
    if unknown:
        raise InputRefusedError(
            f"Operation {offer.name} has no input {_quoted(unknown[0])}; it takes {', '.join(offer.inputs)}."
        )
    read = {key: offer.with_numbers(key, value) for key, value in input_data.items()}
    given = {key: value for key, value in read.items() if value is not None}
    file_inputs = {key: wizard_input for key, wizard_input in offer.inputs.items() if wizard_input.holds_files}
    clean = CleanInputs(shown={}, parameters={}, files={})
    for key, value in given.items():
        if key not in file_inputs:
            clean.shown[key] = clean.parameters[key] = value
    for key, wizard_input in file_inputs.items():
        meaningful = offer.item_keys(key) | _IDENTITY_KEYS
        no_file = offer.refusals(key).get("noFile", f"{wizard_input.name}: {_NO_FILE}")
        items = [_file_item(item, meaningful) for item in _objects(key, wizard_input, given.get(key, []), no_file)]
        clean.files[key] = items
        if key in given:
            clean.parameters[key] = [_only(item.shown, meaningful) for item in items]
            clean.shown[key] = [item.shown for item in items]
    return clean


def _objects(key: str, wizard_input: WizardInput, value: JsonValue, no_file: str) -> list[JsonObject]:
    """Return the entries of an input, sorted. `no_file` is what users read of entry `{number}` that names none."""
    if not isinstance(value, list):
        raise InputRefusedError(f"{wizard_input.name} must be a list of files.", input_key=key)
    items: list[JsonObject] = []
    for number, item in enumerate(value, start=1):
        if isinstance(item, dict) and item.get("basename") in (None, "") and not _is_reference(item):
            raise InputRefusedError(no_file.replace("{number}", str(number)), input_key=key)
        if not isinstance(item, dict) or not (_is_basename(item.get("basename")) or _is_reference(item)):
            raise InputRefusedError(
                f'Every file of {wizard_input.name} needs a "basename", a text of 1 to {_LONGEST_BASENAME} characters.',
                input_key=key,
            )
        items.append(item)
    return sorted(items, key=lambda item: str(item.get("basename") or ""))


def _file_item(item: JsonObject, meaningful: frozenset[str]) -> FileItem:
    given, basename = item.get("source"), item.get("basename")
    source = InputSource.ARCHIVE if given is None else given
    if source not in list(InputSource):
        raise InputRefusedError(f'{basename}: Source {_shown(source)} not recognized; "archive" or "datalab" is right.')
    operation_id = _whole_number(item.get("operation")) if source == InputSource.DATALAB else None
    shown = _only({**item, "source": str(source)}, meaningful | SHOWN_ITEM_KEYS)
    if isinstance(basename, str):
        return FileItem(shown=shown, names=NamedFile(InputSource(source), basename), operation_id=operation_id)
    if operation_id is None:
        raise InputRefusedError('"operation" must be the number of one of your operations.')
    number = _whole_number(item.get("output"))
    if number is None and item.get("output") is not None:
        raise InputRefusedError('"output" must be 1 for the first image the operation makes, 2 for the second, ...')
    return FileItem(shown=shown, names=OutputsOf(operation_id, number), operation_id=operation_id)


def _replaced(items: Sequence[FileItem], outputs: Mapping[NamedFile | OutputsOf, Sequence[str]]) -> list[JsonValue]:
    replaced: list[JsonValue] = []
    for item in items:
        if item.names in outputs:
            kept = {key: value for key, value in item.shown.items() if key != "output"}
            replaced += [{**kept, "basename": basename} for basename in outputs[item.names]]
        else:
            replaced.append(item.shown)
    return replaced


def _is_basename(value: JsonValue) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_BASENAME


def _is_reference(item: JsonObject) -> bool:
    """Tell whether an entry means the outputs of an operation, whatever they are called."""
    return item.get("source") == InputSource.DATALAB and "operation" in item and item.get("basename") is None


def _whole_number(value: JsonValue) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _only(item: JsonObject, keys: frozenset[str]) -> JsonObject:
    return {key: value for key, value in item.items() if key in keys}


def _quoted(value: JsonValue) -> str:
    """Return a client's own text in quotes, short enough to send back."""
    return repr(value if isinstance(value, str) else type(value).__name__)[:100]


def _shown(value: JsonValue) -> str:
    """Return a client's own text as clients know it from the reference, without quotes."""
    return _quoted(value)[1:-1]
