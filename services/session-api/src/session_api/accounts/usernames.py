"""Which names users may have: each is written in one way, and no two of them look the same."""

from __future__ import annotations

import unicodedata
from typing import Final

from session_api.web.failures import FieldError

#: The name the operator's own token acts under; no account can have it.
ADMIN_USERNAME: Final = "admin"
#: Small letters of other alphabets that look like a Latin one (Unicode Technical Standard 39, confusables).
_LOOKALIKES: Final = str.maketrans(
    "аеорсухіјѕԁԛԝһӏвкмнтαβεικνορτυχωϲϳıɑɡ",
    "aeopcyxijsdqwhlbkmhtabeikvoptuxwcjiag",
)


def canonical(username: str) -> str:
    """Return what names that people take for each other have in common."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", username).casefold())
    return folded.translate(_LOOKALIKES)


def check_username(username: str) -> None:
    """Raise `FieldError` for a name nobody may have, with what would be right."""
    normal = unicodedata.normalize("NFKC", username)
    if normal != username:
        raise FieldError({"username": [f"Write it in plain characters: {normal}"]})
    if canonical(username) == canonical(ADMIN_USERNAME):
        raise name_taken(username, by=ADMIN_USERNAME)


def name_taken(username: str, *, by: str) -> FieldError:
    """Return the error that says that somebody has this name, or one that looks like it."""
    same = "A user with that username already exists."
    alike = f"A user exists whose name looks the same: {by}"
    return FieldError({"username": [same if by == username else alike]})
