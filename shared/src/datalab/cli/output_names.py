"""Names people can read for what operations made.

The API names an output by its operation, target, filter and night, and the first digits of its result's key, so that no
two are called the same. A person who saves it knows it by what it was made of: `m31_1` and `m31_2` give
`m31_median.fits`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

JsonObject = dict[str, Any]

_SEPARATORS: Final = "-_. "
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
    """Return how an input file is shown: by its name, or as an output that does not exist yet."""
    return str(item.get("basename") or f"@{_output_number(item)}")


def output_stems(operation: JsonObject) -> list[str]:
    """Return a name for each output file of an operation, without an extension; no two are the same."""
    outputs = (operation["output"] or {}).get("output_files", [])
    # The image itself comes first; what follows is what it was corrected with.
    stems = [_stem(operation, list(output.get("inputs") or ())[:1] or input_names(operation)) for output in outputs]
    seen: Counter[str] = Counter()
    unique: list[str] = []
    for stem in stems:
        seen[stem] += 1
        unique.append(stem if stems.count(stem) == 1 else f"{stem}_{seen[stem]}")
    return unique


def data_stem(operation: JsonObject) -> str:
    """Return a name for the data of an operation."""
    return _stem(operation, input_names(operation))


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
    return f"op{_output_number(item)}" if item.get("operation") else str(item["basename"])


def _output_number(item: JsonObject) -> str:
    return f"{item['operation']}.{item['output']}" if item.get("output") else f"{item['operation']}"


def _is_file(item: object) -> bool:
    return isinstance(item, dict) and bool(item.get("basename") or item.get("operation"))


def safe_name(name: str) -> str:
    """Return a name that is one in every file system, and no hidden one."""
    return _UNSAFE.sub("_", name).lstrip(".-")[-_LONGEST_STEM:].lstrip(".-") or "output"
