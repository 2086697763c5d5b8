"""Names people can read for what operations made.

The API names an output by its operation, target, filter and night, and the first digits of its result's key, so that no
two are called the same. A person who saves it knows it by what it was made of: `m31_1` and `m31_2` give
`m31_median.fits`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

JsonObject = dict[str, Any]

_SEPARATORS: Final = "-_. "
#: What outputs were called before they had names.
_HEX_NAME: Final = re.compile(r"[0-9a-f]{64}(-\d+)?")
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_.,+()-]+")
_LONGEST_STEM: Final = 100


def input_names(operation: JsonObject) -> list[str]:
    """Return the names of all input files of an operation, each once."""
    return list(dict.fromkeys(_shown_name(item) for _, items in input_files(operation) for item in items))


def input_files(operation: JsonObject) -> Iterator[tuple[str, list[JsonObject]]]:
    """Yield the key and the files of each input that holds files."""
    for key, value in operation["input_data"].items():
        items = [item for item in value if _is_file(item)] if isinstance(value, list) else []
        if items:
            yield key, items


def file_label(item: JsonObject) -> str:
    """Return how an input file is shown: by its name, or as output of an operation."""
    if item.get("operation") and (not item.get("basename") or item.get("source") == "datalab"):
        number = f".{item['output']}" if item.get("output") else ""
        return f"@{item['operation']}{number}"
    return str(item["basename"])


def output_stems(operation: JsonObject) -> list[str]:
    """Return a name for each output file of an operation, without an extension; no two are the same."""
    outputs = (operation["output"] or {}).get("output_files", [])
    named = _named_items(operation)
    stems = [_stem(operation, _made_of(output, named) or input_names(operation)) for output in outputs]
    seen: Counter[str] = Counter()
    unique: list[str] = []
    for stem in stems:
        seen[stem] += 1
        unique.append(stem if stems.count(stem) == 1 else f"{stem}_{seen[stem]}")
    return unique


def data_stem(operation: JsonObject) -> str:
    """Return a name for the data of an operation."""
    return _stem(operation, input_names(operation))


def _named_items(operation: JsonObject) -> dict[str, str]:
    """Return what the inputs are shown as, by their basenames."""
    items = [item for _, items in input_files(operation) for item in items]
    return {str(item["basename"]): _shown_name(item) for item in items if item.get("basename")}


def _made_of(output: JsonObject, named: Mapping[str, str]) -> list[str]:
    """Return the first file an output was made of: the image itself; what follows is what it was corrected with."""
    made_of: Sequence[str] = output.get("inputs") or ()
    return [named.get(name, name) for name in made_of[:1]]


def _stem(operation: JsonObject, names: Sequence[str]) -> str:
    kind = "-".join(re.findall(r"[a-z0-9]+", operation["name"].lower()))
    common = _common_beginning(names)
    return safe_name(f"{common}_{kind}" if common else f"{kind}_{operation['id']}")


def _common_beginning(names: Sequence[str]) -> str:
    """Return what all names begin with, as far as it ends where a part of a name does."""
    if len(names) == 1:
        return names[0]
    first, last = min(names, default=""), max(names, default="")  # what these two share, all between them do
    differing = (at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other)
    common = first[: next(differing, len(first))]
    if common not in names and common[-1:] not in _SEPARATORS:
        common = re.sub(rf"[^{re.escape(_SEPARATORS)}]*$", "", common)
    return common.rstrip(_SEPARATORS)


def _shown_name(item: JsonObject) -> str:
    name = file_label(item)
    if name.startswith("@"):
        return f"op{name[1:]}"
    return name[:8] if _HEX_NAME.fullmatch(name) else name


def _is_file(item: object) -> bool:
    return isinstance(item, dict) and bool(item.get("basename") or item.get("operation"))


def safe_name(name: str) -> str:
    """Return a name that is one in every file system, and no hidden one."""
    return _UNSAFE.sub("_", name).lstrip(".-")[-_LONGEST_STEM:].lstrip(".-") or "output"
