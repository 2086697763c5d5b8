"""From the words of a command line to the inputs of an operation."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any, Final, NoReturn

from datalab.cli.arguments import OUTPUT

JsonObject = dict[str, Any]

#: A pattern the shell has filled in gives names of files instead of frames.
_FITS_FILE: Final = re.compile(r"(?P<name>.+)\.fits(\.(fz|gz|bz2))?", re.IGNORECASE)
#: In the Photon Ranch convention the last part tells the files of a frame from each other.
_PHOTON_RANCH: Final = re.compile(r"(?P<name>[^-]+-[^-]+-\d{8}-\d{8})-[A-Za-z]+\d\d")


class InputError(Exception):
    """The words cannot be understood; the text says which, and what would be right."""


def operation_named(name: str, available: Mapping[str, JsonObject]) -> JsonObject:
    """Return the description of the operation, by its name or its word, in any case. Raises `InputError`."""
    by_word = {word_for(known).lower(): known for known in available}
    wanted = word_for(name).lower()
    if wanted in by_word:
        return available[by_word[wanted]]
    near = [by_word[each] for each in get_close_matches(wanted, by_word, n=3)]
    meant = f"did you mean {' or '.join(near)}?" if near else "`datalab ops available` lists them"
    raise InputError(f"there is no operation {name!r}: {meant}")


def word_for(name: str) -> str:
    """Return a name as one word, which needs no quotes: `Color-Image` for Color Image."""
    return re.sub(r"[\s_-]+", "-", name.strip())


def frame_item(word: str) -> JsonObject:
    """Return the item a word stands for: an output, or a frame by its basename or by the name of one of its files."""
    if word.startswith("@"):
        match = OUTPUT.fullmatch(word)
        if match is None:
            raise InputError(f"{word!r} is no output: @12 is all that operation 12 makes, @12.2 the second of it")
        item: JsonObject = {"source": "datalab", "operation": int(match["operation"])}
        return item | ({"output": int(match["output"])} if match["output"] else {})
    return {"source": "archive", "basename": frame_name(word)}


def frame_name(word: str) -> str:
    """Return the basename of a frame for its own name, or for the name or path of a FITS file of it."""
    file = _FITS_FILE.fullmatch(word.rpartition("/")[2])
    if file is None:
        return word
    photon_ranch = _PHOTON_RANCH.fullmatch(file["name"])
    return photon_ranch["name"] if photon_ranch else file["name"]


def has_pattern(word: str) -> bool:
    return any(character in word for character in "*?[")


def session_items(words: Sequence[str], session: JsonObject) -> list[JsonObject]:
    """Return the items the words stand for in a session.

    `*`, `?` and `[]` choose among its frames; a name of what its operations made is that output, every other a frame.
    Raises `InputError` for a pattern that fits none.
    """
    made = {file["basename"] for operation in session["operations"] for file in _output_files(operation)}
    items: list[JsonObject] = []
    for word in words:
        if not has_pattern(word):
            items.append({"source": "datalab", "basename": word} if word in made else frame_item(word))
            continue
        fitting = [each for each in session["input_data"] if fnmatchcase(str(each.get("basename", "")), word)]
        if not fitting:
            raise InputError(f"no frame of the session fits {word!r}: `datalab sessions show` lists them")
        items += [{key: each[key] for key in ("source", "basename") if key in each} for each in fitting]
    return list({json.dumps(item, sort_keys=True): item for item in items}.values())


def _output_files(operation: JsonObject) -> Sequence[JsonObject]:
    files: Sequence[JsonObject] = (operation["output"] or {}).get("output_files", ())
    return files


def input_data(operation: JsonObject, files: Sequence[str], settings: Sequence[str], session: JsonObject) -> JsonObject:
    """Return the inputs as the API takes them.

    Args:
        operation: its description, from `available_operations`.
        files: words for the operation's first input of files.
        settings: `KEY=VALUE` for any input.
        session: what patterns and names of outputs choose from.

    Raises `InputError`.
    """
    inputs: Mapping[str, JsonObject] = operation["inputs"]
    data: JsonObject = {}
    if files:
        first = next((key for key, described in inputs.items() if described["type"] == "fits"), None)
        if first is None:
            raise InputError(f"{operation['name']} takes no files")
        for word in files:
            key, equals, _ = word.partition("=")
            if equals and key in inputs:
                raise InputError(f"{word!r} is no file; say --set {word!r} to set {key}")
        data[first] = session_items(files, session)
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not key:
            raise InputError(f"--set {setting!r} is not KEY=VALUE")
        described = inputs.get(key)
        if described is None:
            data[key] = _unlisted(key, text, operation)
        elif described["type"] == "fits":
            data[key] = [*data.get(key, []), *_files(key, text, session)]
        else:
            data[key] = _value(key, text, described)
    return {**_defaults(inputs), **data}


def _defaults(inputs: Mapping[str, JsonObject]) -> JsonObject:
    """Return what a form has filled in already, of the inputs the API wants to be given."""
    return {
        key: described["default"]
        for key, described in inputs.items()
        if described.get("required") and "default" in described
    }


def _unlisted(key: str, text: str, operation: JsonObject) -> Any:
    """Return the value of an input no form shows; there are some, and the API knows them."""
    near = get_close_matches(key, operation["inputs"], n=1)
    if near:
        raise InputError(f"{operation['name']} has no input {key!r}: did you mean {near[0]}?")
    try:
        return json.loads(text, parse_constant=_no_number)
    except ValueError:
        return text


def _no_number(word: str) -> NoReturn:
    """Refuse what Python, other than JSON, takes for numbers: NaN and Infinity."""
    raise ValueError(f"{word} is no number")


def _files(key: str, text: str, session: JsonObject) -> list[Any]:
    if text.startswith(("[{", "{")):
        value = _json(key, text)
        return value if isinstance(value, list) else [value]
    return session_items([text], session)


def _value(key: str, text: str, described: JsonObject) -> Any:
    options = described.get("options")
    if options:
        chosen = next((option for option in options if str(option).lower() == text.lower()), None)
        if chosen is None:
            raise InputError(f"{key} cannot be {text!r}: it is {' or '.join(map(str, options))}")
        return chosen
    match described["type"]:
        case "int" | "float" as kind:
            return _number(key, text, whole=kind == "int")
        case "source":
            return _position(key, text)
        case _:
            return text


def _number(key: str, text: str, *, whole: bool) -> int | float:
    try:
        number = int(text) if whole else float(text)
        if math.isfinite(number):
            return number
    except (ValueError, OverflowError):
        pass
    raise InputError(f"{key} has to be a {'whole ' if whole else ''}number, not {text!r}")


def _position(key: str, text: str) -> Any:
    """Return a place on the sky: `RA,DEC` in degrees ICRS, or JSON."""
    if text.startswith("{"):
        return _json(key, text)
    try:
        ra, dec = (float(part) for part in text.split(","))
    except ValueError:
        ra = dec = math.nan
    if math.isfinite(ra) and math.isfinite(dec):
        return {"ra": ra, "dec": dec}
    raise InputError(f"{key} has to be RA,DEC in degrees, for example 132.846,11.814, not {text!r}")


def _json(key: str, text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_number)
    except ValueError as error:
        raise InputError(f"{key} is no JSON: {error}") from error
