"""Delete a data folder: `python -m datalab.local.delete_data FOLDER`. Asks first, and never while a system uses it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from datalab.errors import UsageError
from datalab.local.data_folder import DataFolder, DataFolderError

_ANSWER: Final = "delete"


def delete_data(root: Path, *, ask: Callable[[str], str] = input) -> str:
    """Delete the folder if the answer to a question is `delete`; return what became of it.

    Raises `DataFolderError`: it is no data folder, or in use.
    """
    if not root.exists():
        return f"there is no data folder {root}"
    if not (root / "credentials.json").is_file() or not (root / "lock").is_file():
        raise DataFolderError(f"{root} is not a data folder of `datalab up`; nothing was deleted")
    folder = DataFolder(root)
    try:
        question = (
            f"This deletes users, sessions, the whole archive and all results in {folder.root} "
            f"({_megabytes(folder.root):.0f} MB), for ever.\nType {_ANSWER} to go on: "
        )
        if _answer(ask, question) != _ANSWER:
            return "nothing was deleted"
        folder.delete()
    finally:
        folder.let_go()
    return f"deleted {root}"


def _answer(ask: Callable[[str], str], question: str) -> str:
    try:
        return ask(question).strip()
    except (EOFError, KeyboardInterrupt):  # nobody is there to ask, or somebody thinks better of it
        return ""


def _megabytes(folder: Path) -> float:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


if __name__ == "__main__":
    try:
        print(delete_data(Path(sys.argv[1])))  # noqa: T201
    except UsageError as error:
        sys.exit(error.message)
