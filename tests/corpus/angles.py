"""Where a telescope pointed, how high it was, and through how much air: without world coordinates."""

from __future__ import annotations

from typing import Any

from astropy.coordinates import FK4, FK5
from astropy.time import Time

from corpus.building import Cards, Raw, cards_of, file
from corpus.model import DECLINATION_DEG, RIGHT_ASCENSION_DEG, UNASKED, File, right
from corpus.truth import START_TIME, degrees, hours, icrs

_PAPER_II = "WCS paper II, section 3.1: RADESYS, EQUINOX"
#: 12h 30m 05s and a half, -5 degrees and as much, written in all ways; and a place below the equator by half a degree.
_HOURS, _DEGREES = hours("12h30m05.5s"), degrees("-05d12m30.2s")
_JUST_SOUTH = degrees("-00d30m00s")
#: A second decimal of a second of time, seen as an angle.
_TEXT_WITHIN_ARCSEC = 0.1


def _at(name: str, ra: Any, dec: Any, position: tuple[float, float] | None, **said: Any) -> File:
    cards = said.pop("cards", {})
    return file(
        name,
        right(**{"position": position, "position_within_arcsec": _TEXT_WITHIN_ARCSEC} | said),
        {"RA": ra, "DEC": dec} | cards,
    )


def _text(name: str, ra: Any, dec: Any, **said: Any) -> File:
    return _at(name, ra, dec, (_HOURS, _DEGREES), **{"may_be_noted": ("RA", "DEC")} | said)


WRITTEN = [
    _text("colons", "12:30:05.5", "-05:12:30.2", may_be_noted=()),
    _text("blanks", "12 30 05.5", "-05 12 30.2", may_be_noted=()),
    _text("doubled-blanks", "12  30  05.5", "-05  12  30.2"),
    _text("blanks-around", "  12:30:05.5 ", " -05:12:30.2  "),
    _text("letters", "12h30m05.5s", "-05d12m30.2s"),
    _text("letters-and-blanks", "12h 30m 05.5s", "-05d 12m 30.2s"),
    _text("capital-letters", "12H30M05.5S", "-05D12M30.2S"),
    _text("degree-signs", "12h30m05.5s", "-05\N{DEGREE SIGN}12'30.2\""),
    _text("masked-degree-signs", "12 30 05.5", "-05*12:30.2"),  # of ASCOM and LX200 mounts
    _text("plus-signs", "+12:30:05.5", "-5:12:30.2"),
    _text("one-digit-parts", "12:30:5.5", "-5:12:30.2"),
    _text("decimal-comma-in-seconds", "12:30:05,5", "-05:12:30,2"),
    _text("zero-filled", "012:30:05.500", "-005:12:30.20"),
    _at("minutes-only", "12:30", "-05:12", (hours("12h30m"), degrees("-5d12m")), may_be_noted=("RA", "DEC")),
    _at(
        "decimal-minutes", "12 30.5", "-05 12.5", (hours("12h30m30s"), degrees("-5d12m30s")), may_be_noted=("RA", "DEC")
    ),
    _at("sixty-seconds", "12:29:60.0", "-05:11:60.0", (hours("12h30m"), degrees("-5d12m")), may_be_noted=("RA", "DEC")),
    _at("negative-zero", "00:00:00", "-00:30:00", (0.0, _JUST_SOUTH), may_be_noted=()),
    _at("negative-zero-in-letters", "0h0m0s", "-0d30m0s", (0.0, _JUST_SOUTH), may_be_noted=("RA", "DEC")),
    _at("decimal-text", "187.522917", "-5.208389", (187.522917, -5.208389), may_be_noted=("RA", "DEC")),
    _at("decimal-comma", "187,522917", "-5,208389", (187.522917, -5.208389), may_be_noted=("RA", "DEC")),
    _at(
        "decimal-comma-unquoted",
        Raw("187,522917"),
        Raw("-5,208389"),
        (187.522917, -5.208389),
        may_be_noted=("RA", "DEC"),
    ),
    _at("exponents", Raw("1.87522917E+02"), Raw("-5.208389D+00"), (187.522917, -5.208389), may_be_noted=()),
    _at("unit-behind", "187.522917 deg", "-5.208389 deg", (187.522917, -5.208389), may_be_noted=("RA", "DEC")),
    _at("hours-with-unit", "12.5015278h", "-5.208389d", (12.5015278 * 15, -5.208389), may_be_noted=("RA", "DEC")),
    _at("whole-circle", 360.0, 0.0, (0.0, 0.0), may_be_noted=("RA",)),
    _at("before-the-circle", -10.0, 5.0, (350.0, 5.0), may_be_noted=("RA",)),
    _at("integers", 187, -5, (187.0, -5.0), may_be_noted=()),
    _at("pole", "00:00:00", "+90:00:00", (0.0, 90.0), may_be_noted=()),
    _at(
        "last-arcsecond",
        "23:59:59.99",
        "-89:59:59.9",
        (hours("23h59m59.99s"), degrees("-89d59m59.9s")),
        may_be_noted=(),
    ),
]

HALF_OR_NONE = [
    _at("half-a-position", RIGHT_ASCENSION_DEG, None, None, noted=("DEC",), may_be_noted=("RA",)),
    _at("other-half", None, DECLINATION_DEG, None, noted=("RA",), may_be_noted=("DEC",)),
    _at("unreadable-half", RIGHT_ASCENSION_DEG, "north", None, noted=("DEC",), may_be_noted=("RA",)),
    _at("beyond-the-pole", 10.0, 95.0, None, noted=("DEC",), may_be_noted=("RA",)),
    _at("beyond-the-day", "25:00:00", "10:00:00", None, noted=("RA",), may_be_noted=("DEC",)),
    _at("minutes-beyond-the-hour", "12:75:00", "10:00:00", None, noted=("RA",), may_be_noted=("DEC",)),
    _at("no-position", None, None, None),
    _at("not-available", "N/A", "N/A", None, may_be_noted=("RA", "DEC")),
    _at("undefined", Raw(""), Raw(""), None, may_be_noted=("RA", "DEC")),
    _at("not-a-number", Raw("NaN"), Raw("NaN"), None, noted=("RA", "DEC")),
    _at("words-for-angles", "zenith", "zenith", None, noted=("RA", "DEC")),
    _at("truths-for-angles", ra=True, dec=False, position=None, noted=("RA", "DEC")),
    # From two sources each half would be right, and the whole wrong.
    file(
        "halves-of-two-sources",
        right(position=(RIGHT_ASCENSION_DEG, DECLINATION_DEG), may_be_noted=("OBJCTRA", "OBJCTDEC")),
        {"OBJCTRA": "01:00:00"},
    ),
]

ELSEWHERE = [
    _at("objctra-objctdec", None, None, (_HOURS, _DEGREES), cards={"OBJCTRA": "12 30 05.5", "OBJCTDEC": "-05 12 30.2"}),
    _at(
        "objctra-in-degrees-sign",
        None,
        None,
        (_HOURS, _DEGREES),
        cards={"OBJCTRA": "12h30m05.5s", "OBJCTDEC": "-05d12m30.2s"},
        may_be_noted=("OBJCTRA", "OBJCTDEC"),
    ),
    _at("nothing-but-crval", None, None, (_HOURS, _DEGREES), cards={"CRVAL1": _HOURS, "CRVAL2": _DEGREES}),
]

_JNOW = FK5(equinox=Time(2023.4, format="jyear", scale="tt"))
_B1950 = FK4(equinox="B1950", obstime=START_TIME)
_B1900 = FK4(equinox="B1900", obstime=START_TIME)

SYSTEMS = [
    _at("icrs", 100.0, 20.0, (100.0, 20.0), cards={"RADESYS": "ICRS"}, may_be_noted=()),
    _at("fk5", 100.0, 20.0, icrs(100.0, 20.0, FK5()), cards={"RADESYS": "FK5", "EQUINOX": 2000.0}, may_be_noted=()),
    _at("equinox-2000", 100.0, 20.0, icrs(100.0, 20.0, FK5()), cards={"EQUINOX": 2000.0}, source=_PAPER_II),
    _at(
        "equinox-of-date",
        100.0,
        20.0,
        icrs(100.0, 20.0, _JNOW),
        cards={"EQUINOX": 2023.4},
        source=_PAPER_II,
        may_be_noted=("EQUINOX",),
    ),
    _at(
        "equinox-of-date-in-hours",
        "12:30:05.5",
        "-05:12:30.2",
        icrs(_HOURS, _DEGREES, _JNOW),
        cards={"EQUINOX": 2023.4},
        source=_PAPER_II,
        may_be_noted=("EQUINOX",),
    ),
    _at(
        "equinox-1950",
        100.0,
        20.0,
        icrs(100.0, 20.0, _B1950),
        cards={"EQUINOX": 1950.0},
        source=_PAPER_II + "; FK4 before 1984",
        position_within_arcsec=1.0,  # with the date of the observation or of the equinox: 0.5" a century
        may_be_noted=("EQUINOX",),
    ),
    _at(
        "fk4-without-equinox",
        100.0,
        20.0,
        icrs(100.0, 20.0, _B1950),
        cards={"RADESYS": "FK4"},
        source=_PAPER_II + ": 1950.0 for FK4",
        position_within_arcsec=1.0,
        may_be_noted=("RADESYS", "EQUINOX"),
    ),
    _at(
        "epoch-1950",
        100.0,
        20.0,
        icrs(100.0, 20.0, _B1950),
        cards={"EPOCH": 1950.0},
        source="FITS 4.0, section 8.3: EPOCH stands for EQUINOX where that is missing",
        position_within_arcsec=1.0,
        may_be_noted=("EPOCH", "EQUINOX"),
    ),
    _at(
        "equinox-as-text",
        100.0,
        20.0,
        icrs(100.0, 20.0, FK5()),
        cards={"EQUINOX": "J2000"},
        position_within_arcsec=0.1,
        may_be_noted=("EQUINOX",),
    ),
    _at(
        "radecsys",
        100.0,
        20.0,
        icrs(100.0, 20.0, _B1950),
        cards={"RADECSYS": "FK4", "EQUINOX": 1950.0},
        source="FITS 4.0, section 8.3: RADECSYS stands for RADESYS",
        position_within_arcsec=1.0,
        may_be_noted=("RADECSYS", "RADESYS", "EQUINOX"),
    ),
    _at(
        "radesys-unknown",
        100.0,
        20.0,
        icrs(100.0, 20.0, FK5()),
        cards={"RADESYS": "J2000", "EQUINOX": 2000.0},
        noted=("RADESYS",),
        may_be_noted=("EQUINOX",),
    ),
    _at(
        "equinox-of-nonsense",
        100.0,
        20.0,
        (100.0, 20.0),
        cards={"EQUINOX": 20000.0},
        noted=("EQUINOX",),
        may_be_left_out=("position",),
    ),
]


def _height(name: str, cards: dict[str, Any], altitude_deg: float | None, **said: Any) -> File:
    return file(name, right(altitude_deg=altitude_deg, **said), cards)


HEIGHTS = [
    _height("altitude", {"ALTITUDE": 55.5}, 55.5),
    _height("altitude-sexagesimal", {"ALTITUDE": "55:30:00"}, 55.5, may_be_noted=("ALTITUDE",)),
    _height("altitude-with-blanks", {"ALTITUDE": "+55 30 00.0"}, 55.5, may_be_noted=("ALTITUDE",)),
    _height("objctalt", {"OBJCTALT": "55.5000"}, 55.5, may_be_noted=("OBJCTALT",)),
    _height("objctalt-sexagesimal", {"OBJCTALT": "55 30 00"}, 55.5, may_be_noted=("OBJCTALT",)),
    _height("centalt", {"CENTALT": "55.5"}, 55.5, may_be_noted=("CENTALT",)),
    _height("centalt-number", {"CENTALT": 55.5}, 55.5),
    _height("altitude-beyond-the-zenith", {"ALTITUDE": 99.0}, None, noted=("ALTITUDE",)),
    _height("altitude-in-words", {"ALTITUDE": "high"}, None, noted=("ALTITUDE",)),
]

AIR = [
    file("airmass-text", right(airmass=1.5, may_be_noted=("AIRMASS",)), {"AIRMASS": "1.5"}),
    file("airmass-comma", right(airmass=1.5, may_be_noted=("AIRMASS",)), {"AIRMASS": "1,5"}),
    file("airmass-of-one", right(airmass=1.0), {"AIRMASS": 1.0}),
    # At the horizon the air is as thick as 38 to 40 times that at the zenith (Kasten and Young 1989): 43 is none.
    file("airmass-below-the-horizon", right(airmass=None, noted=("AIRMASS",)), {"AIRMASS": 43.73}),
    file("airmass-below-one", right(airmass=None, noted=("AIRMASS",)), {"AIRMASS": 0.3}),
    file("airmass-of-minus-one", right(airmass=None, noted=("AIRMASS",)), {"AIRMASS": -1.0}),
    file("airmass-unset", right(airmass=None, may_be_noted=("AIRMASS",)), {"AIRMASS": "N/A"}),
    file("airmass-infinite", right(airmass=None, noted=("AIRMASS",)), {"AIRMASS": Raw("Inf")}),
]


def _filters(name: str, cards: dict[str, Any], found: str | None, **said: Any) -> File:
    return file(name, right(filter_name=found, **said), {"FILTER": None} | cards)


FILTERS = [
    _filters("filter-wheels", {"FILTER1": "air", "FILTER2": "V", "FILTER3": "air"}, "V"),
    _filters("filter-empty", {"FILTER": "", "FILTER1": "B"}, "B"),
    _filters("filter-not-available", {"FILTER": "N/A"}, None),
    _filters("filter-number", {"FILTER": 3}, "3", may_be_noted=("FILTER",)),
    _filters("filter-of-truth", {"FILTER": True}, None, noted=("FILTER",)),
    file(
        "filter-twice",
        right(filter_name="rp", noted=("FILTER",), may_be_left_out=("filter_name",)),
        Cards([*cards_of({"FILTER": "gp"}), ("FILTER", "rp")]),
    ),
]

FURTHER = [
    _text("letters-but-the-last", "12h30m05.5", "-05d12m30.2"),
    _text("blank-behind-the-sign", "12 30 05.5", "- 05 12 30.2"),
    _text("dash-for-minus", "12:30:05.5", "\N{EN DASH}05:12:30.2", may_be_left_out=("position",)),
    _text("words-for-units", "12 hours 30 min 5.5 sec", "-5 deg 12 min 30.2 sec", may_be_left_out=("position",)),
    _text("points-between", "12.30.05.5", "-05.12.30.2", may_be_left_out=("position",)),
    # Seconds, or south? Nobody may take it for north.
    _text("south", "12:30:05.5", "05:12:30.2 S", noted=("DEC",), may_be_left_out=("position",)),
    _at(
        "ra-in-degrees-and-minutes",
        "187d31m21.0s",
        "-5d12m30.2s",
        (187 + 31 / 60 + 21 / 3600, _DEGREES),
        may_be_noted=("RA", "DEC"),
    ),
    _at("no-value-as-text", "-999", "-999", None, noted=("DEC",), may_be_noted=("RA",)),
    _at("no-value-as-number", -999.0, -999.0, None, noted=("RA",), may_be_noted=("DEC",)),
    _at("none-in-words", "None", "None", None, may_be_noted=("RA", "DEC")),
    _at("nan-as-text", "nan", "nan", None, may_be_noted=("RA", "DEC")),
    _at("nothing-but-zeros", 0.0, 0.0, (0.0, 0.0), may_be_noted=("RA", "DEC")),
    _at(
        "fk5-of-1950",
        100.0,
        20.0,
        icrs(100.0, 20.0, FK5(equinox="J1950")),
        cards={"RADESYS": "FK5", "EQUINOX": 1950.0},
        may_be_noted=("EQUINOX",),
    ),
    _at(
        "equinox-b1950",
        100.0,
        20.0,
        icrs(100.0, 20.0, _B1950),
        cards={"EQUINOX": "B1950"},
        position_within_arcsec=1.0,
        may_be_noted=("EQUINOX",),
    ),
    _at("icrs-has-no-equinox", 100.0, 20.0, (100.0, 20.0), cards={"RADESYS": "ICRS", "EQUINOX": 2000.0}),
    _at(
        "equinox-jnow",
        100.0,
        20.0,
        icrs(100.0, 20.0, FK5(equinox=START_TIME)),
        cards={"EQUINOX": "JNOW"},
        noted=("EQUINOX",),
        position_within_arcsec=1.0,
    ),
]

RARE = [
    _at("exponents-as-text", "1.875E2", "-5.25E0", (187.5, -5.25), may_be_noted=("RA", "DEC")),
    _at("minutes-beyond-the-pole", "10:00:00", "-90:30:00", None, noted=("DEC",), may_be_noted=("RA",)),
    _at(
        "hours-before-midnight",
        "-01:00:00",
        "10:00:00",
        (345.0, 10.0),
        noted=("RA",),
        may_be_noted=("DEC",),
        may_be_left_out=("position",),
    ),
    _at(
        "three-colons",
        "12:30:05:5",
        "-05:12:30:2",
        (_HOURS, _DEGREES),
        noted=("RA",),
        may_be_noted=("DEC",),
        may_be_left_out=("position",),
    ),
    _at("infinite-as-text", "inf", "inf", None, may_be_noted=("RA", "DEC")),
    _at(
        "equinox-small-j",
        100.0,
        20.0,
        icrs(100.0, 20.0, FK5()),
        cards={"EQUINOX": "j2000.0"},
        may_be_noted=("EQUINOX",),
    ),
    _at(
        "radesys-apparent",
        100.0,
        20.0,
        UNASKED,
        cards={"RADESYS": "GAPPT", "EQUINOX": 2000.0},
        noted=("RADESYS",),
        may_be_noted=("EQUINOX",),
    ),
    _at(
        "equinox-of-zero",
        100.0,
        20.0,
        (100.0, 20.0),
        cards={"EQUINOX": 0.0},
        noted=("EQUINOX",),
        may_be_left_out=("position",),
    ),
]

FILES = [*WRITTEN, *HALF_OR_NONE, *ELSEWHERE, *SYSTEMS, *HEIGHTS, *AIR, *FILTERS, *FURTHER, *RARE]
