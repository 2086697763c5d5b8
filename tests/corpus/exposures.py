"""How long an exposure was, and what kind of exposure it was."""

from __future__ import annotations

from typing import Any

from corpus.building import Cards, Raw, cards_of, file
from corpus.model import UNASKED, File, right

_STANDARD = "FITS 4.0, section 9.5: XPOSURE, TELAPSE in seconds"


def _length(name: str, cards: dict[str, Any], exposure_s: float | None, **said: Any) -> File:
    return file(name, right(exposure_s=exposure_s, **said), {"EXPTIME": None} | cards)


LENGTHS = [
    _length("exptime-whole", {"EXPTIME": 45}, 45.0),
    _length("exptime-exponent", {"EXPTIME": Raw("4.5D+01")}, 45.0),
    _length("exptime-zero", {"EXPTIME": 0.0}, 0.0),
    _length("exptime-text", {"EXPTIME": "45.5"}, 45.5, may_be_noted=("EXPTIME",)),
    _length("exptime-with-unit", {"EXPTIME": "45.5 s"}, 45.5, may_be_noted=("EXPTIME",)),
    _length("exptime-with-word", {"EXPTIME": "45.5 sec"}, 45.5, may_be_noted=("EXPTIME",)),
    _length("exptime-comma", {"EXPTIME": "45,5"}, 45.5, may_be_noted=("EXPTIME",)),
    _length("exptime-comma-unquoted", {"EXPTIME": Raw("45,5")}, 45.5, may_be_noted=("EXPTIME",)),
    _length("exptime-undefined-and-exposure", {"EXPTIME": Raw(""), "EXPOSURE": 45.5}, 45.5, may_be_noted=("EXPTIME",)),
    _length("exposure", {"EXPOSURE": 45.5}, 45.5),
    _length("xposure", {"XPOSURE": 45.5}, 45.5, source=_STANDARD),
    _length("exp-time", {"EXP_TIME": 45.5}, 45.5),
    _length("exp-time-dash", {"EXP-TIME": 45.5}, 45.5),
    _length("itime", {"ITIME": 45.5}, 45.5),
    _length("expos", {"EXPOS": 45.5}, 45.5, may_be_left_out=("exposure_s", "middle")),
    _length(
        "telapse",
        {"TELAPSE": 45.5},
        45.5,
        source=_STANDARD,
        may_be_left_out=("exposure_s", "middle"),
        may_be_noted=("TELAPSE",),
    ),
    _length("exptime-and-same-exposure", {"EXPTIME": 45.5, "EXPOSURE": 45.5}, 45.5),
    _length("exptime-and-exposure-in-ms", {"EXPTIME": 45.5, "EXPOSURE": 45500}, 45.5, may_be_noted=("EXPOSURE",)),
    _length("exptime-words", {"EXPTIME": "long"}, None, noted=("EXPTIME",)),
    _length("exptime-negative", {"EXPTIME": -1.0}, None, noted=("EXPTIME",)),
    _length("exptime-endless", {"EXPTIME": 1e30}, None, noted=("EXPTIME",)),
    _length("exptime-nan", {"EXPTIME": Raw("NaN")}, None, noted=("EXPTIME",)),
    _length("exptime-truth", {"EXPTIME": True}, None, noted=("EXPTIME",)),
    _length("exptime-missing", {}, None),
    file(
        "exptime-twice",
        right(exposure_s=45.0, noted=("EXPTIME",), may_be_left_out=("exposure_s", "middle")),
        Cards([*cards_of({}), ("EXPTIME", 45.0)]),
    ),
    _length(
        "exptime-milliseconds", {"EXPTIME": "500 ms"}, 0.5, noted=("EXPTIME",), may_be_left_out=("exposure_s", "middle")
    ),
    _length(
        "exptime-minutes", {"EXPTIME": "2 min"}, 120.0, noted=("EXPTIME",), may_be_left_out=("exposure_s", "middle")
    ),
]


def _word(keyword: str, word: Any, kind: str | None, **said: Any) -> File:
    written = "capitals" if word.isupper() else "small" if word.islower() else "mixed"
    name = f"{keyword}-{word}-{written}".lower().replace(" ", "-")
    return file(name, right(kind=kind, **said), {"OBSTYPE": None, keyword: word})


#: What programs write in IMAGETYP, and what OCS archives call it.
_IMAGETYP = {
    "EXPOSE": ("Light Frame", "LIGHT", "Light", "light", "object", "Object", "science"),
    "DARK": ("Dark Frame", "DARK", "Dark", "dark"),
    "BIAS": ("Bias Frame", "BIAS", "Bias", "zero", "Offset", "bias"),
    "FLAT": ("Flat Field", "Flat Frame", "FLAT", "Flat", "flat"),
    "SKYFLAT": ("Sky Flat", "Twilight Flat"),
}

KINDS = [
    *(_word("IMAGETYP", word, kind) for kind, words in _IMAGETYP.items() for word in words),
    _word("FRAME", "Light", "EXPOSE"),
    _word("FRAME", "Dark", "DARK"),
    _word("FRAME", "Bias", "BIAS"),
    _word("FRAME", "Flat", "FLAT"),
    _word("IMGTYPE", "object", "EXPOSE"),
    _word("OBSTYPE", "DARK", "DARK"),
    _word("OBSTYPE", "SKYFLAT", "SKYFLAT"),
    _word("OBSTYPE", "bias", "BIAS"),
    _word("OBSTYPE", "dark", "DARK"),
    file("obstype-and-imagetyp", right(kind="EXPOSE"), {"IMAGETYP": "Light Frame"}),
    file("obstype-against-imagetyp", right(kind="EXPOSE", may_be_noted=("IMAGETYP",)), {"IMAGETYP": "Dark Frame"}),
    file("no-kind", right(kind=None), {"OBSTYPE": None}),
    file("kind-of-truth", right(kind=None, noted=("OBSTYPE",)), {"OBSTYPE": True}),
]

FURTHER = [
    _length("exptime-fraction", {"EXPTIME": "1/250"}, 0.004, may_be_noted=("EXPTIME",)),
    _length("exptime-as-a-clock", {"EXPTIME": "00:00:45"}, 45.0, may_be_noted=("EXPTIME",)),
    _length("exptime-text-with-exponent", {"EXPTIME": "4.5E1"}, 45.0, may_be_noted=("EXPTIME",)),
    _length(
        "exptime-microseconds",
        {"EXPTIME": "500000 us"},
        0.5,
        noted=("EXPTIME",),
        may_be_left_out=("exposure_s", "middle"),
    ),
    _length("exptime-minus-one-and-exposure", {"EXPTIME": -1, "EXPOSURE": 45.0}, 45.0, noted=("EXPTIME",)),
    _word("IMAGETYP", "Master Flat", "FLAT"),
    _word("IMAGETYP", "Master Bias", "BIAS"),
    _word("IMAGETYP", "Light Frame (Calibrated)", "EXPOSE"),
    _word("IMAGETYP", "Stacked Light", "EXPOSE"),
    _word("IMAGETYP", "Flat Dark", "DARK"),
    _word("IMAGETYP", "sky flat", "SKYFLAT"),
    _word("IMAGETYP", "Dome Flat", "DOMEFLAT"),
    _word("IMAGETYP", "LIGHTFRAME", "EXPOSE"),
    _word("IMAGETYP", "DarkFrame", "DARK"),
    _word("ESO DPR TYPE", "FLAT,SKY", "SKYFLAT"),
    _word("FRAMETYP", "Science", "EXPOSE"),
]

RARE = [
    _length(
        "exptime-milliseconds-in-words",
        {"EXPTIME": "45500 milliseconds"},
        45.5,
        noted=("EXPTIME",),
        may_be_left_out=("exposure_s", "middle"),
    ),
    _length(
        "exptime-minutes-and-seconds",
        {"EXPTIME": "1m30s"},
        90.0,
        noted=("EXPTIME",),
        may_be_left_out=("exposure_s", "middle"),
    ),
    _length("exptime-ten-times-thirty", {"EXPTIME": "10x30"}, None, noted=("EXPTIME",)),
    _length("exptime-bulb", {"EXPTIME": "Bulb"}, None, noted=("EXPTIME",)),
    _length("exptime-infinite", {"EXPTIME": Raw("Inf")}, None, noted=("EXPTIME",)),
    _length(
        "exptime-with-thousands",
        {"EXPTIME": "1,200.5"},
        1200.5,
        noted=("EXPTIME",),
        may_be_left_out=("exposure_s", "middle"),
    ),
    # A comma of decimals, or of thousands: it must be told which it was taken for.
    _length("exptime-with-one-comma", {"EXPTIME": "1,200"}, UNASKED, middle=UNASKED, noted=("EXPTIME",)),
    _word("IMAGETYP", "Tricolor Image", "EXPOSE"),
    _word("IMAGETYP", "LIGHT FRAME", "EXPOSE"),
    _word("IMAGETYP", "bias frame", "BIAS"),
    _word("IMAGETYP", "MASTERDARK", "DARK"),
    _word("IMAGETYP", "Master_Flat", "FLAT"),
]

FILES = [*LENGTHS, *KINDS, *FURTHER, *RARE]
