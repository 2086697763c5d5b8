"""Saving what an operation made, under names people can read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from datalab.cli.connection import CommandError
from datalab.cli.output_names import data_stem, output_stems, safe_name

JsonObject = dict[str, Any]


class Rendering(StrEnum):
    """The forms an output comes in."""

    FITS = "fits"
    TIF = "tif"
    LARGE = "large"
    SMALL = "small"


_ENDS: Final = {
    Rendering.FITS: ".fits",
    Rendering.TIF: ".tif",
    Rendering.LARGE: "-large.jpg",
    Rendering.SMALL: "-small.jpg",
}


@dataclass(frozen=True, slots=True)
class Download:
    """A file to be: what a link leads to, or data that came with the answer."""

    path: Path
    link: str | None = None
    data: Any = None


def planned(
    operation: JsonObject, folder: Path, rendering: Rendering | None, *, only: int | None = None
) -> list[Download]:
    """Return the files to save: of every output one rendering, or the best one it has, and with that the data.

    With `only` it is one output, counted from 1. Raises `CommandError` when there is nothing to save.
    """
    output = operation["output"]
    if output is None:
        status, number = operation["state"], operation["id"]
        raise CommandError(f"operation {number} is {status}: there is nothing to save (`datalab ops show {number}`)")
    count = len(output["output_files"])
    if only is not None and only > count:
        raise CommandError(f"operation {operation['id']} made {count}, no @{operation['id']}.{only}")
    files = list(_files(operation, folder, rendering, only))
    if rendering is None and only is None and output.get("output_data"):
        files += _data(operation, folder)
    if not files:
        kind = f" as {rendering}" if rendering else ""
        raise CommandError(f"operation {operation['id']} made nothing that can be saved{kind}")
    return files


async def save(files: list[Download], *, overwrite: bool) -> None:
    """Save the files. Raises `CommandError` before anything is written over, and `DatalabApiError`."""
    from datalab.client.downloads import save_link  # noqa: PLC0415 - loaded when called

    demand_free([file.path for file in files], overwrite=overwrite)
    try:
        for file in files:
            file.path.parent.mkdir(parents=True, exist_ok=True)
            if file.link is not None:
                await save_link(file.link, file.path)
            else:
                file.path.write_text(json.dumps(file.data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise unwritable(error, files[0].path) from error


def demand_free(paths: Iterable[Path], *, overwrite: bool) -> None:
    """Raise `CommandError` if a file would be written over that nobody said may be."""
    present = [path for path in paths if path.exists()]
    if present and not overwrite:
        raise CommandError(f"{present[0]} exists already; --overwrite replaces it, --to names another folder")


def unwritable(error: OSError, path: Path) -> CommandError:
    """Return the end of a command that could not write a file."""
    return CommandError(f"{error.filename or path.parent} cannot be written: {error.strerror}")


def _files(operation: JsonObject, folder: Path, rendering: Rendering | None, only: int | None) -> Iterator[Download]:
    named = zip(output_stems(operation), operation["output"]["output_files"], strict=True)
    for number, (stem, output) in enumerate(named, start=1):
        if only not in (None, number):
            continue
        best = Rendering.FITS if output["type"] == "fits" else Rendering.TIF
        chosen = rendering or best
        link = output.get(f"{chosen}_url")
        if link:
            yield Download(folder / f"{stem}{_ENDS[chosen]}", link=link)


def _data(operation: JsonObject, folder: Path) -> Iterator[Download]:
    """Yield the pictures among the data, then the data with their names: a link is worth nothing in a week."""
    stem = data_stem(operation)
    items: list[Any] = []
    for item in operation["output"]["output_data"]:
        shown = dict(item) if isinstance(item, dict) else item
        for field, value in item.items() if isinstance(item, dict) else ():
            if not isinstance(value, dict):
                continue
            links = {name: link for name, link in value.items() if _is_link(link)}
            names = {name: safe_name(f"{stem}_{field}_{name}") + _extension(link) for name, link in links.items()}
            yield from (Download(folder / names[name], link=link) for name, link in links.items())
            shown[field] = {**value, **names}
        items.append(shown)
    yield Download(folder / f"{stem}.json", data=items[0] if len(items) == 1 else items)


def _is_link(value: object) -> bool:
    return isinstance(value, str) and value.startswith(("http://", "https://")) and "X-Amz-Signature=" in value


def _extension(link: str) -> str:
    """Return the extension of the object a link leads to."""
    return Path(urlsplit(link).path).suffix
