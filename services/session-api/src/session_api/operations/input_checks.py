"""Do these inputs fit the operation? The texts are those users of the reference know."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match
from jsonschema.validators import extend
from pydantic import JsonValue

from session_api.offers.model import Offer
from session_api.operations.input_cleaning import CleanInputs, FileItem
from session_api.operations.inputs import NamedFile
from session_api.web.bodies import JsonObject
from session_api.web.failures import InputRefusedError

#: An operation's largest input has 999 files (that is how a wizard says "many"), and a few have another one beside it.
MAX_FILES = 1000
_LONGEST_TEXT = 500
#: An entry of a text is a few numbers; so much of it is repeated to who wrote it.
_LONGEST_ENTRY = 200
_LONGEST_SHOWN = 60
#: A name, a date, a colour: what a wizard says of one file.
MAX_ITEM_VALUE_BYTES = 1024
#: An expression, or positions of 1,000 targets.
MAX_VALUE_BYTES = 256 * 1024

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


def check_inputs(
    offer: Offer,
    inputs: CleanInputs,
    filters: Mapping[NamedFile, str | None],
    *,
    unknown: Collection[str] = (),
) -> None:
    """Raise `InputRefusedError` if the inputs do not fit the operation.

    `filters` is what we know of each file ourselves; what the client says does not count. Inputs in `unknown` hold
    outputs that do not exist yet: what depends on their files is not checked.
    """
    check_total(sum(map(len, inputs.files.values())))
    known = {key: items for key, items in inputs.files.items() if key not in unknown}
    _check_counts(offer, known)
    _check_parameters(offer, inputs.parameters, unknown)
    _check_filters(offer, known, filters)


def without_surplus(offer: Offer, inputs: CleanInputs, filters: Mapping[NamedFile, str | None]) -> JsonObject | None:
    """Return the inputs with as many files as allowed where there are more, all of one filter; None if nowhere.

    The user interface selects every image of the most frequent filter beforehand, whatever the maximum.
    """
    kept: JsonObject = {}
    for key, items in inputs.files.items():
        wanted = offer.inputs[key]
        if wanted.single_filter and wanted.maximum is not None and len(items) > wanted.maximum:
            used = {filter_name for _, filter_name in _with_filters(items, filters)}
            if len(used) == 1:
                kept[key] = [item.shown for item in items[: int(wanted.maximum)]]
    return {**inputs.shown, **kept} if kept else None


def check_total(count: int) -> None:
    """Raise `InputRefusedError` for more files than an operation can have."""
    if count > MAX_FILES:
        raise InputRefusedError(f"An operation takes at most {MAX_FILES} input files, not {count}.")


def check_sizes(inputs: CleanInputs) -> None:
    """Raise `InputRefusedError` for inputs too large to be shown again and again."""
    for key, value in inputs.shown.items():
        whole = _size(value)
        if key not in inputs.files and whole > MAX_VALUE_BYTES:
            raise InputRefusedError(f"{key} has {whole} bytes; {MAX_VALUE_BYTES} are allowed.", input_key=key)
    for item in inputs.items():
        for key, value in item.shown.items():
            size = _size(value)
            if size > MAX_ITEM_VALUE_BYTES:
                name = str(item.shown.get("basename", ""))[:100]
                raise InputRefusedError(f"{key[:100]} of {name} has {size} bytes; {MAX_ITEM_VALUE_BYTES} are allowed.")


def _size(value: JsonValue) -> int:
    if isinstance(value, str):
        return len(value.encode())
    return len(json.dumps(value)) if isinstance(value, list | dict) else 0


def _check_counts(offer: Offer, files: Mapping[str, Sequence[FileItem]]) -> None:
    for key, items in files.items():
        wanted = offer.inputs[key]
        if wanted.minimum is not None and len(items) < wanted.minimum:
            raise InputRefusedError(
                f"Operation {offer.name} requires at least {wanted.minimum:g} {wanted.name} input file(s).",
                input_key=key,
            )
        if wanted.maximum is not None and len(items) > wanted.maximum:
            raise InputRefusedError(
                f"Operation {offer.name} accepts at most {wanted.maximum:g} {wanted.name} input file(s).",
                input_key=key,
            )


def _check_parameters(offer: Offer, parameters: JsonObject, unknown: Collection[str]) -> None:
    """Check the parameters against the operation's own schema."""
    errors = _Validator(offer.parameters_schema).iter_errors(parameters)
    error = best_match(each for each in errors if not each.absolute_path or each.absolute_path[0] not in unknown)
    if error is not None:
        text = _entry_error(offer, error) or _refusal(offer, error)
        text = text or f"Operation {offer.name}: {_where(offer, error)}{_what(error)}."
        raise InputRefusedError(text[:_LONGEST_TEXT], input_key=next(iter(_broken(error)), None))


def _check_filters(
    offer: Offer, files: Mapping[str, Sequence[FileItem]], filters: Mapping[NamedFile, str | None]
) -> None:
    for key, items in files.items():
        wanted = offer.inputs[key]
        if wanted.single_filter or wanted.filter_options:
            _check_filters_of(offer, key, _with_filters(items, filters))


def _with_filters(
    items: Sequence[FileItem], filters: Mapping[NamedFile, str | None]
) -> list[tuple[NamedFile, str | None]]:
    named = [item.names for item in items if isinstance(item.names, NamedFile)]
    return [(file, filters[file]) for file in named]


def _check_filters_of(offer: Offer, key: str, files: Sequence[tuple[NamedFile, str | None]]) -> None:
    wanted = offer.inputs[key]
    for file, filter_name in files:
        if not filter_name:
            raise InputRefusedError(
                f"Operation {offer.name} needs to know the filter of every {wanted.name}, "
                f"but {file.basename} does not report a filter.",
                input_key=key,
            )
        if wanted.filter_options and filter_name not in wanted.filter_options:
            raise InputRefusedError(
                f"Operation {offer.name} requires the {wanted.name} to be taken in one of the "
                f"{', '.join(wanted.filter_options)} filters, but got {filter_name}.",
                input_key=key,
            )
    used = list(dict.fromkeys(filter_name for _, filter_name in files if filter_name))
    if wanted.single_filter and len(used) > 1:
        raise InputRefusedError(
            f"Operation {offer.name} requires every {wanted.name} to be taken in the same filter, "
            f"but the input files use {', '.join(used)}.",
            input_key=key,
        )


def _refusal(offer: Offer, error: ValidationError) -> str | None:
    """Return the operation's own text for an input that breaks its schema, if it has one."""
    path, keywords = error.absolute_path, _keywords(error)
    for broken in _broken(error):
        texts = offer.refusals(broken)
        # What is wrong inside of an input is another keyword's matter.
        for keyword in (*keywords, "*") if len(path) < 2 else ("*",):
            if keyword in texts:
                return texts[keyword]
    return None


def _entries(_validator: object, form: Mapping[str, Any], text: object, _schema: object) -> Iterator[ValidationError]:
    """Check a text of entries: the keyword "x-entries" of an operation's schema."""
    if not isinstance(text, str):
        return
    given = [entry.strip() for entry in re.split(form["separator"], text) if entry.strip()]
    for number, entry in enumerate(given, start=1):
        if len(entry) > _LONGEST_ENTRY or not re.fullmatch(form["entry"], entry, re.ASCII):
            shown = f"{entry[:_LONGEST_SHOWN]}…" if len(entry) > _LONGEST_SHOWN else entry
            yield ValidationError(f'entry {number} ("{shown}") is not {form["right"]}.', validator="x-entries")
            return
    if len(given) < form["minimum"]:
        yield ValidationError(f"needs {form['minimum']} entries", validator="minItems")


_Validator = extend(Draft202012Validator, {"x-entries": _entries})  # type: ignore[no-untyped-call]


def _entry_error(offer: Offer, error: ValidationError) -> str | None:
    """Return what is wrong with an entry of a text, and what would be right."""
    wrong = next((each for each in (error, *_alternatives(error)) if each.validator == "x-entries"), None)
    return None if wrong is None else f"Operation {offer.name}: {_where(offer, error)}{wrong.message}"


def _keywords(error: ValidationError) -> list[str]:
    """Return what is not satisfied: for an optional value, what it would have to be if it were given."""
    return [str(error.validator), *(str(each.validator) for each in _alternatives(error))]


def _alternatives(error: ValidationError) -> list[ValidationError]:
    """Return what is wrong with each alternative of a value; that it may be null helps nobody."""
    return [each for each in error.context or () if each.validator_value != "null"]


def _broken(error: ValidationError) -> list[str]:
    """Return the keys of the inputs an error is about."""
    path = error.absolute_path
    return [str(path[0])] if path else _missing(error)


def _missing(error: ValidationError) -> list[str]:
    if error.validator != "required":
        return []
    wanted: Any = error.validator_value
    present = error.instance if isinstance(error.instance, dict) else {}
    return [name for name in wanted if name not in present]


def _where(offer: Offer, error: ValidationError) -> str:
    """Return the label of the input the error is in, and the place in it."""
    path = list(error.absolute_path)
    if not path:
        return ""
    key = str(path[0])
    label = offer.inputs[key].name if key in offer.inputs else key
    return " ".join([label, *(str(part + 1) if isinstance(part, int) else part for part in path[1:])]) + " "


def _what(error: ValidationError) -> str:
    """Say what would be right. The library's own texts repeat the client's data, however large it is."""
    rule = str(error.validator)
    wanted: Any = error.validator_value
    if rule == "required":
        return f"needs {', '.join(_missing(error))}"
    if rule == "anyOf":  # how an optional value is declared
        return " or ".join(dict.fromkeys(map(_what, _alternatives(error))))
    if isinstance(wanted, list):
        wanted = " or ".join(map(str, wanted))
    return _RULES.get(rule, f"does not satisfy {rule}").format(wanted)
