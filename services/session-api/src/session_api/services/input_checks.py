"""Do these inputs fit the operation? The texts are those users of the reference know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from session_api.domain.catalogue import CatalogueEntry, WizardInput
from session_api.domain.errors import InputRefusedError
from session_api.services.input_cleaning import CleanInputs, NamedFile

_LONGEST_TEXT = 300

#: What would be right, by the keyword of JSON schema that is not satisfied.
_RULES: Mapping[str, str] = {
    "type": "must be of type {}",
    "enum": "must be {}",
    "const": "must be {}",
    "minimum": "must be at least {}",
    "exclusiveMinimum": "must be more than {}",
    "maximum": "must be at most {}",
    "exclusiveMaximum": "must be less than {}",
    "minLength": "must have at least {} characters",
    "maxLength": "must have at most {} characters",
    "minItems": "must have at least {} entries",
    "maxItems": "must have at most {} entries",
}


def check_counts(entry: CatalogueEntry, inputs: CleanInputs) -> None:
    """Raise `InputRefusedError` if an input has too few or too many files."""
    for key, files in inputs.files.items():
        wanted = entry.inputs[key]
        if wanted.minimum is not None and len(files) < wanted.minimum:
            raise InputRefusedError(
                f"Operation {entry.name} requires at least {wanted.minimum:g} {wanted.name} input file(s)."
            )
        if wanted.maximum is not None and len(files) > wanted.maximum:
            raise InputRefusedError(
                f"Operation {entry.name} accepts at most {wanted.maximum:g} {wanted.name} input file(s)."
            )


def check_parameters(entry: CatalogueEntry, inputs: CleanInputs) -> None:
    """Raise `InputRefusedError` if the parameters break the operation's own schema."""
    error = best_match(Draft202012Validator(entry.parameters_schema).iter_errors(inputs.parameters))
    if error is not None:
        raise InputRefusedError(f"Operation {entry.name}: {_where(entry, error)}{_what(error)}."[:_LONGEST_TEXT])


def check_filters(entry: CatalogueEntry, inputs: CleanInputs, filters: Mapping[NamedFile, str | None]) -> None:
    """Raise `InputRefusedError` if an input's files are not of the filters it asks for.

    `filters` is what we know of each file ourselves; what the client says does not count.
    """
    for key, files in inputs.files.items():
        wanted = entry.inputs[key]
        if wanted.single_filter or wanted.filter_options:
            _check_filters_of(entry, wanted, [(file, filters[file]) for file in files])


def _check_filters_of(
    entry: CatalogueEntry, wanted: WizardInput, files: Sequence[tuple[NamedFile, str | None]]
) -> None:
    for file, filter_name in files:
        if not filter_name:
            raise InputRefusedError(
                f"Operation {entry.name} needs to know the filter of every {wanted.name}, "
                f"but {file.basename} does not report a filter."
            )
        if wanted.filter_options and filter_name not in wanted.filter_options:
            raise InputRefusedError(
                f"Operation {entry.name} requires the {wanted.name} to be taken in one of the "
                f"{', '.join(wanted.filter_options)} filters, but got {filter_name}."
            )
    used = list(dict.fromkeys(filter_name for _, filter_name in files if filter_name))
    if wanted.single_filter and len(used) > 1:
        raise InputRefusedError(
            f"Operation {entry.name} requires every {wanted.name} to be taken in the same filter, "
            f"but the input files use {', '.join(used)}."
        )


def _where(entry: CatalogueEntry, error: ValidationError) -> str:
    """Return the label of the input the error is in, and the place in it."""
    path = list(error.absolute_path)
    if not path:
        return ""
    key = str(path[0])
    label = entry.inputs[key].name if key in entry.inputs else key
    return " ".join([label, *(str(part + 1) if isinstance(part, int) else part for part in path[1:])]) + " "


def _what(error: ValidationError) -> str:
    """Say what would be right. The library's own texts repeat the client's data, however large it is."""
    rule = str(error.validator)
    wanted: Any = error.validator_value
    if rule == "required":
        present = error.instance if isinstance(error.instance, dict) else {}
        return f"needs {', '.join(name for name in wanted if name not in present)}"
    if rule == "anyOf":  # how an optional value is declared: that it may be null helps nobody
        alternatives = [each for each in error.context or () if each.validator_value != "null"]
        return " or ".join(dict.fromkeys(map(_what, alternatives)))
    if isinstance(wanted, list):
        wanted = " or ".join(map(str, wanted))
    return _RULES.get(rule, f"does not satisfy {rule}").format(wanted)
