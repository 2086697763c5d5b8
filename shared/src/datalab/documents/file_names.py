"""What the name of a file says: which frame it belongs to, and as what.

Three conventions are known. **Photon Ranch**: `{site}-{instrument}-{YYYYMMDD}-{8 digits}-{type}{2 digits}.{extension}`,
where all files of an exposure share the first four parts, the base name. **LCO** (and other OCS observatories):
`{site}{telescope}-{instrument}-{YYYYMMDD}-{4 digits}-{letter}{2 digits}.fits`, where every reduction level is a frame
of its own. **Other**: any FITS file an observatory announces under its own site, also `.fit`, `.FITS` and the like;
the object keeps its name, and for what no basename may have, that of the frame has `_`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from enum import Enum, StrEnum
from functools import lru_cache
from urllib.parse import quote

from datalab.errors import UsageError
from datalab.events.object_keys import DATA, FAMILIES, split_key

#: Longest base name: what an operation's input file may be called (`datalab.events.operations.InputFile`).
MAX_BASENAME_CHARACTERS = 256
#: How a FITS file may be compressed, as the end of its name; the empty one is not.
FITS_COMPRESSIONS = ("", "fz", "bz2", "gz")

_PHOTON_RANCH_GRAMMAR = "{site}-{instrument}-{YYYYMMDD}-{8 digits}-{type}{2 digits}.{extension}"
_PHOTON_RANCH_EXAMPLE = "tst-cam01-20260504-00000042-EX00.fits.fz"
#: A file's name is asked for some times while it is taken in, and with the others of its page when it is looked for.
_NAMES_REMEMBERED = 4096
#: ptr-observatory uploads one of these when its night is over; it is a sign, not data.
_END_OF_NIGHT = ".token"
#: As much of a name as tells that its author meant the Photon Ranch grammar.
_PHOTON_RANCH_BASE = re.compile(r"[^-]+-[^-]+-\d+-\d{8}(?!\d)", re.ASCII)
_PHOTON_RANCH = re.compile(
    r"(?P<basename>(?P<site>[A-Za-z0-9_]{3,6})-(?P<instrument>[A-Za-z0-9_]+)-(?P<day>\d{8})-\d{8})"
    r"-(?P<data_type>[A-Za-z]+)(?P<level>\d{2})\.(?P<extension>[A-Za-z]{1,16})(?:\.(?P<rest>[A-Za-z0-9.]+))?",
    re.ASCII,
)
_LCO = re.compile(
    r"(?P<basename>(?P<site>[a-z]{3})[a-z0-9]{2,9}-(?P<instrument>[a-z0-9]+)-(?P<day>\d{8})-\d{4}"
    r"-(?P<data_type>[a-z])(?P<level>\d{2}))\.fits(?:\.(?P<rest>[A-Za-z0-9.]+))?",
    re.ASCII,
)
_OTHER = re.compile(r"(?P<basename>[A-Za-z0-9][A-Za-z0-9_.,+() -]*?)\.fits(?:\.(?P<rest>[A-Za-z0-9.]+))?", re.ASCII)


#: What people call FITS files elsewhere; but for the mark of users' own files, and with something to name them by.
_OTHERWISE = re.compile(
    r"(?P<stem>[^/\\~]*?[A-Za-z0-9][^/\\~]*?)\.(?:fits|fit|fts)(?:\.(?P<rest>[A-Za-z0-9.]+))?",
    re.ASCII | re.IGNORECASE,
)
#: Pictures that have no more to say than whose they are; a name in `[^/]` only, as it is the end of an object key.
_OF_SITE = re.compile(
    r"(?P<basename>(?P<site>[A-Za-z0-9_]{3,6})-[^/\\.]+)\.(?P<extension>[A-Za-z]{1,16})(?:\.(?P<rest>[A-Za-z0-9.]+))?",
    re.ASCII,
)
#: People's own files; a name in `[^/\\\\]` only, as it becomes the end of an object key.
_UPLOADED = re.compile(
    r"(?P<stem>[^/\\]+?)\.(?:fits|fit|fts)(?:\.(?P<compression>fz|bz2|gz))?", re.ASCII | re.IGNORECASE
)
#: OCS ingesters cut a name at its first point, so that no base name has one.
_RECORDED = re.compile(r"[A-Za-z0-9][A-Za-z0-9_,+()-]*", re.ASCII)
_PICTURE_EXTENSIONS = (".jpg", ".jpeg")
#: Between a user's name and that of a file: neither a user's name nor an observatory's file name has it.
_OWNERS_MARK = "~"


class Convention(StrEnum):
    """Whose rules a name follows."""

    PHOTON_RANCH = "photon-ranch"
    LCO = "lco"
    OTHER = "other"


class Content(Enum):
    """What the name says is inside; it decides how the file is inspected."""

    FITS = "fits"
    HEADER_TEXT = "header text"
    JPEG = "jpeg"
    OPAQUE = "opaque"


_CONTENTS = {"fits": Content.FITS, "txt": Content.HEADER_TEXT, "jpg": Content.JPEG, "jpeg": Content.JPEG}


@dataclass(frozen=True, slots=True, kw_only=True)
class FileName:
    """A file name, understood.

    `role` is the file's place in its frame: `fits_01`, `jpg_10` (Photon Ranch), else `fits`. `site` is None where the
    name does not tell. `compression` is one of `FITS_COMPRESSIONS`, and empty for what is not FITS.
    """

    convention: Convention
    basename: str
    role: str
    content: Content
    extension: str
    compression: str = ""
    site: str | None = None
    instrument: str | None = None
    observation_day: date | None = None
    data_type: str | None = None
    reduction_level: int | None = None

    @property
    def is_packed(self) -> bool:
        """Whether all of the file has to be unpacked to know what is in it."""
        return self.compression in {"bz2", "gz"}


def frame_file_name(key: str) -> str | None:
    """Return the file name of an object that belongs to a frame, None for one known to have another purpose.

    Raises `UsageError` for a key in no known folder, in a sub-folder of `data/`, or with anything unprintable.
    """
    if not key.isprintable():
        raise UsageError(f"the object key {shown(key)} has characters that cannot be printed")
    family, name = split_key(key)
    if family is None:
        raise UsageError(f"the object key {shown(key)} is in none of the folders {', '.join(FAMILIES)}")
    if family != DATA:
        return None
    if not name or "/" in name:
        raise UsageError(f"the object key {shown(key)} is not {DATA}<file name>")
    return None if name.endswith(_END_OF_NIGHT) else name


@lru_cache(maxsize=_NAMES_REMEMBERED)
def parse_file_name(name: str) -> FileName:
    """Return what a file name says. Raises `UsageError` saying what is wrong and what would be right."""
    _check_length(name)
    if _PHOTON_RANCH_BASE.match(name):
        return _photon_ranch(name)
    if match := _LCO.fullmatch(name):
        return FileName(
            convention=Convention.LCO,
            basename=match["basename"],
            role="fits",
            content=Content.FITS,
            extension="fits",
            compression=_fits_compression(name, match["rest"]),
            site=match["site"],
            instrument=match["instrument"],
            observation_day=_day(name, match["day"]),
            data_type=match["data_type"],
            reduction_level=int(match["level"]),
        )
    match, basename = _OTHER.fullmatch(name), ""
    if match is not None:
        basename = match["basename"]
    elif name.isprintable() and (match := _OTHERWISE.fullmatch(name)):
        basename = _safe(match["stem"]).lstrip("_.,+()- ")
    if match is not None and basename:
        return FileName(
            convention=Convention.OTHER,
            basename=basename,
            role="fits",
            content=Content.FITS,
            extension="fits",
            compression=_fits_compression(name, match["rest"]),
        )
    raise UsageError(
        f"the file name {shown(name)} is neither {_PHOTON_RANCH_GRAMMAR} (for example {_PHOTON_RANCH_EXAMPLE}) "
        "nor a FITS file's (letters, digits and what else can be printed, but for ~, then .fits, .fit or .fts, "
        "and then perhaps .fz, .bz2 or .gz)"
    )


def info_image_name(name: str) -> FileName:
    """Return what the name of an info image's file says, which is one of Photon Ranch. Raises `UsageError`."""
    _check_length(name)
    return _photon_ranch(name)


def allsky_image_name(name: str) -> FileName:
    """Return what the name of a file of an all-sky image says: one of Photon Ranch, or `{site}-{anything}.{extension}`.

    Raises `UsageError`.
    """
    _check_length(name)
    if _PHOTON_RANCH_BASE.match(name):
        return _photon_ranch(name)
    match = _OF_SITE.fullmatch(name)
    if match is None or not name.isprintable():
        raise UsageError(
            f"the file name {shown(name)} is neither {_PHOTON_RANCH_GRAMMAR} (for example {_PHOTON_RANCH_EXAMPLE}) "
            "nor {site}-{anything}.{extension}, with a site of 3 to 6 letters and digits"
        )
    extension = match["extension"].lower()
    content = _CONTENTS.get(extension, Content.OPAQUE)
    return FileName(
        convention=Convention.OTHER,
        basename=match["basename"],
        role=extension,
        content=content,
        extension=extension,
        compression=_fits_compression(name, match["rest"]) if content is Content.FITS else "",
        site=match["site"],
    )


def uploaded_file_name(name: str, *, owner: str) -> FileName:
    """Return what the name of a user's own file says: the frame it makes is the user's, and nobody else's name.

    People name files as they like (`.fit`, `M 31 [Ha].FITS`): what no basename may have becomes `_`.
    Raises `UsageError`.
    """
    match = _UPLOADED.fullmatch(name)
    stem = _safe(match["stem"]) if match else ""
    if match is None or not stem or not name.isprintable():
        raise UsageError(
            f"the file {shown(name)} is no FITS file by its name, which ends in .fits, .fit or .fts, "
            "and then perhaps in .fz, .bz2 or .gz"
        )
    basename = f"{owner}{_OWNERS_MARK}{stem}"
    if len(basename) > MAX_BASENAME_CHARACTERS:
        raise UsageError(f"the file name {shown(name)} is too long: at most {MAX_BASENAME_CHARACTERS} with yours")
    return FileName(
        convention=Convention.OTHER,
        basename=basename,
        role="fits",
        content=Content.FITS,
        extension="fits",
        compression=(match["compression"] or "").lower(),
    )


def recorded_file_name(basename: str, extension: str, *, role: str) -> FileName:
    """Return what is known of a file of an OCS ingester, which says itself what the file belongs to.

    Each of its files is a frame of its own, whatever convention the name follows; names in LCO's way tell a site,
    which must be the one that was said. Raises `UsageError`.
    """
    if len(basename) > MAX_BASENAME_CHARACTERS or not _RECORDED.fullmatch(basename):
        raise UsageError(
            f"the base name {shown(basename)} is not one to {MAX_BASENAME_CHARACTERS} letters, digits and _ , + ( ) -"
        )
    lco = _LCO.fullmatch(f"{basename}.fits")
    if role != "fits":
        if extension not in _PICTURE_EXTENSIONS:
            raise UsageError(f"a picture ends in {' or '.join(_PICTURE_EXTENSIONS)}, not in {shown(extension)}")
        return FileName(
            convention=Convention.OTHER,
            basename=basename,
            role=role,
            content=Content.JPEG,
            extension=extension.removeprefix("."),
            site=lco["site"] if lco else None,
        )
    start, point, compression = extension.partition(".fits")
    if start or not point or compression.removeprefix(".") not in FITS_COMPRESSIONS or compression == ".":
        raise UsageError(f"files end in .fits, .fits.fz, .fits.bz2 or .fits.gz, not in {shown(extension)}")
    return FileName(
        convention=Convention.LCO if lco else Convention.OTHER,
        basename=basename,
        role=role,
        content=Content.FITS,
        extension="fits",
        compression=compression.removeprefix("."),
        site=lco["site"] if lco else None,
        instrument=lco["instrument"] if lco else None,
        observation_day=_day(basename, lco["day"]) if lco else None,
        data_type=lco["data_type"] if lco else None,
        reduction_level=int(lco["level"]) if lco else None,
    )


def shown(text: str) -> str:
    """Return a text from outside as it may stand in a message: printable, quoted, not too long."""
    printable = "".join(
        character if character.isprintable() else quote(character, errors="replace") for character in text
    )
    return f"'{printable[:200]}{'…' if len(printable) > 200 else ''}'"


def _safe(stem: str) -> str:
    """Return a name with `_` for what no basename may have."""
    return re.sub(r"[^A-Za-z0-9_.,+() -]", "_", stem, flags=re.ASCII).strip()


def _check_length(name: str) -> None:
    if len(name) > MAX_BASENAME_CHARACTERS:
        raise UsageError(f"the file name has {len(name)} characters, at most {MAX_BASENAME_CHARACTERS} are allowed")


def _photon_ranch(name: str) -> FileName:
    match = _PHOTON_RANCH.fullmatch(name)
    if match is None:
        raise UsageError(
            f"the file name {shown(name)} is not {_PHOTON_RANCH_GRAMMAR}, site of 3 to 6 letters and digits, "
            f"for example {_PHOTON_RANCH_EXAMPLE}: {_photon_ranch_fault(name)}"
        )
    extension = match["extension"].lower()
    content = _CONTENTS.get(extension, Content.OPAQUE)
    if content is not Content.FITS and match["rest"] is not None:
        raise UsageError(f"the file name {shown(name)} goes on after .{extension}; only FITS files may be compressed")
    return FileName(
        convention=Convention.PHOTON_RANCH,
        basename=match["basename"],
        role=f"{extension}_{match['level']}",
        content=content,
        extension=extension,
        compression=_fits_compression(name, match["rest"]) if content is Content.FITS else "",
        site=match["site"],
        instrument=match["instrument"],
        observation_day=_day(name, match["day"]),
        data_type=match["data_type"],
    )


def _photon_ranch_fault(name: str) -> str:
    """Say what is wrong in a name that does not match the grammar."""
    parts = name.split("-", 3)
    if len(parts) < 4:
        return f"it has {len(parts)} parts between hyphens instead of five"
    site, instrument, day, remainder = parts
    stem, _, ending = remainder.partition(".")
    counter, *rest = stem.split("-")
    for what, part, pattern in (
        ("site", site, r"[A-Za-z0-9_]{3,6}"),
        ("instrument", instrument, r"[A-Za-z0-9_]+"),
        ("date", day, r"\d{8}"),
        ("counter", counter, r"\d{8}"),
    ):
        if not re.fullmatch(pattern, part, re.ASCII):
            return f"the {what} is {shown(part)}"
    if len(rest) != 1:
        return f"{len(rest)} parts instead of one follow the counter"
    if not re.fullmatch(r"[A-Za-z]+\d{2}", rest[0], re.ASCII):
        return f"type and level are {shown(rest[0])}"
    return f"the extension is {shown(ending)}"


def _fits_compression(name: str, rest: str | None) -> str:
    compression = (rest or "").lower()
    if compression not in FITS_COMPRESSIONS:
        raise UsageError(
            f"the FITS file {shown(name)} ends in .{compression}; known compressions are .fz, .bz2 and .gz"
        )
    return compression


def _day(name: str, digits: str) -> date:
    try:
        return date.fromisoformat(digits)
    except ValueError:
        raise UsageError(f"the file name {shown(name)} has the date {digits}, which is not a day (YYYYMMDD)") from None
