"""What kind of exposure a header says it is, in the words of OCS archives, from those of capture programs."""

from __future__ import annotations

import re
from typing import Final

from datalab.astro.headers.card_values import CardValues

#: Where programs say it, the first one counts: LCO and OCS; MaxIm, NINA, SGP, APT, TheSkyX, Siril, PixInsight,
#: AstroImageJ, Ekos, Seestar, IRAF; ZTF; INDI; SharpCap; ESO; Subaru.
_KEYWORDS: Final = (
    "OBSTYPE",
    "IMAGETYP",
    "IMAGETYPE",
    "IMGTYPE",
    "IMGTYP",
    "FRAMETYP",
    "FRAMETYPE",
    "ESO DPR TYPE",
    "DATA-TYP",
)
#: What stands beside the word without changing it.
_FILLERS = re.compile(r"\bmaster|\b(?:fields?|super|calibrated|integration|the)\b|(?:frames?|images?)\b|[\s,._/()-]+")
_WORDS: Final = {
    "EXPOSE": (
        "expose", "exposure", "light", "lights", "object", "objects", "science", "sci", "target", "tricolor", "color",
        "snapshot", "snap", "deepsky", "lightvideo", "lightstack", "stackedlight",
    ),
    "BIAS": ("bias", "biases", "zero", "zeros", "offset", "offsets"),
    "DARK": ("dark", "darks", "autodark", "biasdark", "darkbias", "darkflat", "flatdark", "darkforflat", "thermal"),
    "FLAT": ("flat", "flats", "autoflat"),
    "SKYFLAT": ("skyflat", "skyflats", "flatsky", "twilightflat", "flattwilight", "twilight", "twiflat", "twflat",
                "duskflat", "dawnflat"),
    "DOMEFLAT": ("domeflat", "flatdome", "flatdomeflat", "dome"),
    "LAMPFLAT": ("lampflat", "flatlamp", "internalflat", "panelflat", "flatpanel", "screenflat"),
    "ARC": ("arc", "arcs", "comp", "comparison", "lamp", "arclamp", "wave", "wavelamp", "lampwave"),
    "STANDARD": ("standard", "std", "standardstar"),
}  # fmt: skip
_TYPES: Final = {word: kind for kind, words in _WORDS.items() for word in words}
#: PICTTYPE of SBIG's format, which MaxIm and CCDSoft write: 1 light, 2 bias, 3 dark, 4 flat.
_NUMBERS: Final = {"1": "EXPOSE", "2": "BIAS", "3": "DARK", "4": "FLAT"}


def frame_type(reader: CardValues) -> str | None:
    """Return the kind of exposure: EXPOSE, BIAS, DARK, FLAT, SKYFLAT ...; another word as the header has it.

    Dark flats are darks: of the exposure time of flats.
    """
    found: str | None = None
    for keyword in _KEYWORDS:
        said = reader.text(keyword)
        if not said:
            continue
        kind = _TYPES.get(_FILLERS.sub("", said.lower()), said)
        if found is None:
            found = kind
        elif kind != found and kind in _WORDS and found in _WORDS:
            reader.note(keyword, f"{said!r} is another kind of exposure than {found}, which counts")
    if found is not None:
        return found
    frame = _TYPES.get(_FILLERS.sub("", (reader.text("FRAME") or "").lower()))
    return frame or _NUMBERS.get(reader.text("PICTTYPE") or "")
