"""World coordinates in all dialects, and broken ones: where is this pixel on the sky?

What is right comes from astropy.wcs and astropy.coordinates on a header as the standard wants it, which means the same
as the one in the file. FITS 4.0, section 8; WCS papers I (Greisen and Calabretta 2002) and II (Calabretta and Greisen
2002); SIP (Shupe et al. 2005); TPV (registry of FITS conventions).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from astropy.coordinates import FK4, FK5, BarycentricMeanEcliptic, Galactic

from corpus.building import Cards, Raw, cards_of, extension, file, made, primary
from corpus.model import UNASKED, File, Sky, right
from corpus.truth import icrs, sky_of

_I, _II = "WCS paper I", "WCS paper II"
#: 36 by 64 pixels of 0.72": distortions show, and the files stay small.
_SHAPE = (36, 64)
_STORED = (np.arange(36 * 64) % 251).astype(np.uint8).reshape(_SHAPE)
_RA, _DEC = 202.47, 47.2
_SCALE = 2e-4
_TAN: dict[str, Any] = {
    "CTYPE1": "RA---TAN",
    "CTYPE2": "DEC--TAN",
    "CRVAL1": _RA,
    "CRVAL2": _DEC,
    "CRPIX1": 32.5,
    "CRPIX2": 18.5,
}
_CD = {"CD1_1": -_SCALE, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": _SCALE}
_TURNED_DEG = 30.0
_C, _S = math.cos(math.radians(_TURNED_DEG)), math.sin(math.radians(_TURNED_DEG))
_TURNED_CD = {"CD1_1": -_SCALE * _C, "CD1_2": -_SCALE * _S, "CD2_1": -_SCALE * _S, "CD2_2": _SCALE * _C}
_ICRS = {"RADESYS": "ICRS"}
_PLAIN = {**_TAN, **_CD, **_ICRS}
_CDELT = {"CDELT1": -_SCALE, "CDELT2": _SCALE}
_SIP = {
    "CTYPE1": "RA---TAN-SIP",
    "CTYPE2": "DEC--TAN-SIP",
    "A_ORDER": 2,
    "A_2_0": 4e-4,
    "A_1_1": -3e-4,
    "A_0_2": 2e-4,
    "B_ORDER": 2,
    "B_2_0": -2e-4,
    "B_1_1": 3e-4,
    "B_0_2": 5e-4,
}
_PV_FIRST_DEGREE = {"PV1_0": 0.0, "PV1_1": 1.0, "PV1_2": 0.0, "PV2_0": 0.0, "PV2_1": 1.0, "PV2_2": 0.0}
_PV_THIRD_DEGREE = {
    **_PV_FIRST_DEGREE,
    "PV1_4": 0.8,
    "PV1_5": -0.5,
    "PV1_6": 0.3,
    "PV1_7": 20.0,
    "PV2_4": -0.4,
    "PV2_5": 0.6,
    "PV2_6": 0.7,
    "PV2_10": -15.0,
}
_TPV = {"CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV"}


def _image(name: str, cards: dict[str, Any], sky: Sky | None, **said: Any) -> File:
    """Return a file of which the world coordinates are the only word on where it is."""
    told = {"shape": _SHAPE, "pixels": _STORED, "sky": sky, "position": UNASKED} | said
    return file(f"wcs-{name}", right(**told), {"RA": None, "DEC": None} | cards, _STORED)


def _tan(name: str, cards: dict[str, Any], meant: dict[str, Any] = {}, **said: Any) -> File:  # noqa: B006  only read
    """Return a file that means a plain tangent projection, or what `meant` adds to it."""
    told = {"sky": sky_of({**_PLAIN, **meant}), "position": (_RA, _DEC)} | said
    return _image(name, cards, told.pop("sky"), **told)


MATRICES = [
    _tan("cd", _PLAIN, source=f"{_I}, section 2.1.2"),
    _tan("cd-turned", {**_PLAIN, **_TURNED_CD}, _TURNED_CD),
    _tan("pc-and-cdelt", {**_TAN, **_ICRS, **_CDELT, "PC1_1": 1.0, "PC2_2": 1.0}, source=f"{_I}, section 2.1.2"),
    _tan("cdelt-alone", {**_TAN, **_ICRS, **_CDELT}, source=f"{_I}, section 2.1.2: PC is the unit matrix"),
    _tan(
        "pc-turned",
        {**_TAN, **_ICRS, **_CDELT, "PC1_1": _C, "PC1_2": _S, "PC2_1": -_S, "PC2_2": _C},
        _TURNED_CD,
    ),
    _tan(
        "crota2",
        {**_TAN, **_ICRS, **_CDELT, "CROTA2": _TURNED_DEG},
        _TURNED_CD,
        source=f"{_II}, section 6.1",
    ),
    _tan("cd-without-zeros", {**_TAN, **_ICRS, "CD1_1": -_SCALE, "CD2_2": _SCALE}, source=f"{_I}: missing ones are 0"),
    _tan("mirrored", {**_PLAIN, "CD1_1": _SCALE}, {"CD1_1": _SCALE}),
    _tan("pixels-not-square", {**_PLAIN, "CD2_2": 2 * _SCALE}, {"CD2_2": 2 * _SCALE}),
    _tan(
        "cd001001",
        {**_TAN, **_ICRS, **_CDELT, "PC001001": 1.0, "PC001002": 0.0, "PC002001": 0.0, "PC002002": 1.0},
        source=f"{_I}, section 2.1.2: forms of the drafts",
    ),
    _tan(
        "declination-first",
        {
            **_ICRS,
            "CTYPE1": "DEC--TAN",
            "CTYPE2": "RA---TAN",
            "CRVAL1": _DEC,
            "CRVAL2": _RA,
            "CRPIX1": 32.5,
            "CRPIX2": 18.5,
            "CD1_1": 0.0,
            "CD1_2": _SCALE,
            "CD2_1": -_SCALE,
            "CD2_2": 0.0,
        },
        source=f"{_I}: axes in any order",
    ),
    _tan(
        "equinox-in-fk5",
        {**_TAN, **_CD, "EQUINOX": 2000.0},
        {"RADESYS": "FK5"},
        position=icrs(_RA, _DEC, FK5()),
        source=f"{_II}, section 3.1: FK5 from 1984 on",
    ),
    _tan("no-system-said", {**_TAN, **_CD}, source=f"{_II}, section 3.1: ICRS"),
    _tan(
        "axes-of-a-cube",
        {**_PLAIN, "WCSAXES": 3, "CTYPE3": "FREQ", "CRVAL3": 5e14, "CDELT3": 1e9, "CRPIX3": 1.0},
        may_be_noted=("WCSAXES",),
    ),
    _tan("crpix-outside", {**_PLAIN, "CRPIX1": -500.0, "CRPIX2": 900.0}, {"CRPIX1": -500.0, "CRPIX2": 900.0}),
    _tan(
        "alternate-beside",
        {
            **_PLAIN,
            "CTYPE1A": "LINEAR",
            "CTYPE2A": "LINEAR",
            "CRVAL1A": 1.0,
            "CRVAL2A": 1.0,
            "CD1_1A": 1.0,
            "CD2_2A": 1.0,
        },
    ),
    _tan("lonpole", {**_PLAIN, "LONPOLE": 180.0, "LATPOLE": 47.2}),
    _tan("wcs-in-extension-form", {**_PLAIN, "WCSNAME": "celestial", "CUNIT1": "deg", "CUNIT2": "deg"}),
]

_AROUND = {"CRVAL1": 0.0, "CRVAL2": 10.0}
_POLE = {"CRVAL1": 100.0, "CRVAL2": 90.0}
VALUES = [
    _tan(
        "crval-before-the-circle",
        {**_PLAIN, "CRVAL1": -10.0},
        {"CRVAL1": 350.0},
        position=(350.0, _DEC),
        may_be_noted=("CRVAL1",),
    ),
    _tan(
        "crval-beyond-the-circle",
        {**_PLAIN, "CRVAL1": 370.0},
        {"CRVAL1": 10.0},
        position=(10.0, _DEC),
        may_be_noted=("CRVAL1",),
    ),
    _tan("across-zero", {**_PLAIN, **_AROUND}, _AROUND, position=(0.0, 10.0)),
    _tan("at-the-pole", {**_PLAIN, **_POLE}, _POLE, position=UNASKED),
    _tan(
        "crpix-as-text",
        {**_PLAIN, "CRPIX1": "32.5", "CRPIX2": "18.5"},
        noted=("CRPIX1",),
        may_be_noted=("CRPIX2",),
        may_be_left_out=("sky",),
    ),
    _tan(
        "crval-as-text",
        {**_PLAIN, "CRVAL1": "202.47", "CRVAL2": "47.2"},
        noted=("CRVAL1",),
        may_be_noted=("CRVAL2",),
        may_be_left_out=("sky",),
    ),
    _tan(
        "cd-as-text",
        {**_PLAIN, "CD1_1": "-2.0E-4", "CD2_2": "2.0E-4"},
        noted=("CD1_1",),
        may_be_noted=("CD2_2",),
        may_be_left_out=("sky",),
    ),
    _tan(
        "crval-with-comma",
        {**_PLAIN, "CRVAL1": Raw("202,47"), "CRVAL2": Raw("47,2")},
        noted=("CRVAL1",),
        may_be_noted=("CRVAL2",),
        may_be_left_out=("sky",),
    ),
    _tan(
        "crval-sexagesimal",
        {**_PLAIN, "CRVAL1": "13:29:52.8", "CRVAL2": "+47:12:00"},
        noted=("CRVAL1",),
        may_be_noted=("CRVAL2",),
        may_be_left_out=("sky",),
    ),
    _tan(
        "cunit-arcsec",
        {
            **_TAN,
            **_ICRS,
            "CUNIT1": "arcsec",
            "CUNIT2": "arcsec",
            "CRVAL1": _RA * 3600,
            "CRVAL2": _DEC * 3600,
            "CD1_1": -_SCALE * 3600,
            "CD2_2": _SCALE * 3600,
        },
        source=f"{_I}, section 3.2.5; FITS 4.0, section 8.2",
        may_be_noted=("CUNIT1", "CUNIT2"),
    ),
    _tan(
        "cunit-degrees-in-words",
        {**_PLAIN, "CUNIT1": "degrees", "CUNIT2": "degrees"},
        may_be_noted=("CUNIT1", "CUNIT2"),
    ),
    _tan("cunit-capital", {**_PLAIN, "CUNIT1": "DEG", "CUNIT2": "DEG"}, may_be_noted=("CUNIT1", "CUNIT2")),
    _tan("cunit-empty", {**_PLAIN, "CUNIT1": "", "CUNIT2": ""}, may_be_noted=("CUNIT1", "CUNIT2")),
    _tan(
        "cunit-nonsense",
        {**_PLAIN, "CUNIT1": "parsec", "CUNIT2": "parsec"},
        noted=("CUNIT1",),
        may_be_noted=("CUNIT2",),
        may_be_left_out=("sky", "position"),
    ),
    _tan("exponents-d", {**_PLAIN, "CRVAL1": Raw("2.0247D+02"), "CD2_2": Raw("2.0D-04")}),
    _tan(
        "unused-texts",
        {**_PLAIN, "CRDER1": "small", "CSYER1": "none"},
        may_be_noted=("CRDER1", "CSYER1", "CRDER", "CSYER"),
    ),
]

_FK4, _FK5_1975 = FK4(equinox="B1950", obstime="2026-05-04T22:00:01.417"), FK5(equinox="J1975")


def _in(longitude: str, latitude: str, **cards: Any) -> dict[str, Any]:
    return {**_TAN, **_CD, "CTYPE1": longitude, "CTYPE2": latitude, **cards}


_GALACTIC = _in("GLON-TAN", "GLAT-TAN", CRVAL1=104.85, CRVAL2=68.56)
_ECLIPTIC = _in("ELON-TAN", "ELAT-TAN", CRVAL1=176.5, CRVAL2=50.5, RADESYS="ICRS")
SYSTEMS = [
    _image(
        "fk5",
        {**_TAN, **_CD, "RADESYS": "FK5", "EQUINOX": 2000.0},
        sky_of({**_TAN, **_CD, "RADESYS": "FK5", "EQUINOX": 2000.0}),
        position=icrs(_RA, _DEC, FK5()),
        source=f"{_II}, section 3.1",
    ),
    _image(
        "fk5-1975",
        {**_TAN, **_CD, "RADESYS": "FK5", "EQUINOX": 1975.0},
        sky_of({**_TAN, **_CD, "RADESYS": "FK5", "EQUINOX": 1975.0}),
        position=icrs(_RA, _DEC, _FK5_1975),
        may_be_noted=("EQUINOX",),
    ),
    _image(
        "fk4",
        {**_TAN, **_CD, "RADESYS": "FK4", "EQUINOX": 1950.0},
        sky_of({**_TAN, **_CD, "RADESYS": "FK4", "EQUINOX": 1950.0, "DATE-OBS": "2026-05-04T22:00:01.417"}),
        position=icrs(_RA, _DEC, _FK4),
        position_within_arcsec=1.0,
        sky_within_arcsec=1.0,
        may_be_noted=("EQUINOX",),
    ),
    _image(
        "equinox-1950",
        {**_TAN, **_CD, "EQUINOX": 1950.0},
        sky_of({**_TAN, **_CD, "RADESYS": "FK4", "EQUINOX": 1950.0, "DATE-OBS": "2026-05-04T22:00:01.417"}),
        position=icrs(_RA, _DEC, _FK4),
        position_within_arcsec=1.0,
        sky_within_arcsec=1.0,
        may_be_noted=("EQUINOX",),
        source=f"{_II}, section 3.1: FK4 before 1984",
    ),
    _image(
        "epoch-1950",
        {**_TAN, **_CD, "EPOCH": 1950.0},
        sky_of({**_TAN, **_CD, "RADESYS": "FK4", "EQUINOX": 1950.0, "DATE-OBS": "2026-05-04T22:00:01.417"}),
        position=icrs(_RA, _DEC, _FK4),
        position_within_arcsec=1.0,
        sky_within_arcsec=1.0,
        may_be_noted=("EPOCH", "EQUINOX"),
    ),
    _image(
        "radecsys",
        {**_TAN, **_CD, "RADECSYS": "FK5", "EQUINOX": 2000.0},
        sky_of({**_TAN, **_CD, "RADESYS": "FK5", "EQUINOX": 2000.0}),
        position=icrs(_RA, _DEC, FK5()),
    ),
    _image(
        "radesys-j2000",
        {**_TAN, **_CD, "RADESYS": "J2000", "EQUINOX": 2000.0},
        sky_of({**_TAN, **_CD, "RADESYS": "FK5", "EQUINOX": 2000.0}),
        position=icrs(_RA, _DEC, FK5()),
        noted=("RADESYS",),
    ),
    _image(
        "radesys-lower-case",
        {**_TAN, **_CD, "RADESYS": "icrs"},
        sky_of(_PLAIN),
        position=(_RA, _DEC),
        may_be_noted=("RADESYS",),
    ),
    _image(
        "equinox-as-text",
        {**_TAN, **_CD, "RADESYS": "FK5", "EQUINOX": "2000.0"},
        sky_of({**_TAN, **_CD, "RADESYS": "FK5", "EQUINOX": 2000.0}),
        position=icrs(_RA, _DEC, FK5()),
        may_be_noted=("EQUINOX",),
    ),
    _image(
        "galactic", _GALACTIC, sky_of(_GALACTIC), position=icrs(104.85, 68.56, Galactic()), source=f"{_II}, section 3.1"
    ),
    _image(
        "ecliptic",
        _ECLIPTIC,
        sky_of(_ECLIPTIC),
        position=icrs(176.5, 50.5, BarycentricMeanEcliptic(equinox="J2000")),
        position_within_arcsec=1.0,
        may_be_left_out=("position", "sky"),
        may_be_noted=("CTYPE1", "RADESYS"),
    ),
]


def _projected(name: str, code: str, **cards: Any) -> File:
    meant = {"CTYPE1": f"RA---{code}", "CTYPE2": f"DEC--{code}", **cards}
    return _tan(f"projection-{name}", {**_PLAIN, **meant}, meant, source=f"{_II}, section 5", position=UNASKED)


PROJECTIONS = [
    _projected("sin", "SIN"),
    _projected("ncp", "SIN", PV2_1=0.0, PV2_2=1 / math.tan(math.radians(_DEC))),
    _projected("arc", "ARC"),
    _projected("stg", "STG"),
    _projected("zea", "ZEA"),
    _projected("zpn", "ZPN", PV2_1=1.0, PV2_3=40.0),
    _projected("car", "CAR"),
    _projected("ait", "AIT"),
    _projected("mol", "MOL"),
    _projected("gls", "SFL"),
]


def _wat(axis: int, text: str) -> dict[str, str]:
    """Return IRAF's attributes of an axis, 68 characters to a card."""
    return {
        f"WAT{axis}_{number + 1:03}": text[start : start + 68] for number, start in enumerate(range(0, len(text), 68))
    }


def _bent(constant_deg: float, along: float, across: float) -> dict[str, float]:
    """Return the linear part that a correction of the first degree, of xi only, leaves the same."""
    matrix = np.array([[1 + along, across], [0, 1]]) @ np.array([[-_SCALE, 0], [0, _SCALE]])
    shift = np.linalg.solve(matrix, [constant_deg, 0])
    cd = {f"CD{row + 1}_{column + 1}": float(matrix[row, column]) for row in (0, 1) for column in (0, 1)}
    return {**cd, "CRPIX1": 32.5 - float(shift[0]), "CRPIX2": 18.5 - float(shift[1])}


_TNX_TRUTH = sky_of({**_PLAIN, **_bent(1e-4, 2e-3, 3e-3)})
#: astropy evaluates SCAMP's polynomials as those of TPV, from which they became a convention.
_SCAMP_TRUTH = sky_of({**_PLAIN, **_TPV, **_PV_THIRD_DEGREE})
DISTORTIONS = [
    _tan("sip", {**_PLAIN, **_SIP}, _SIP, source="SIP: Shupe et al. 2005, section 2"),
    _tan("sip-turned", {**_PLAIN, **_TURNED_CD, **_SIP}, {**_TURNED_CD, **_SIP}),
    _tan(
        "sip-order-3",
        {**_PLAIN, **_SIP, "A_ORDER": 3, "A_3_0": 1e-5, "B_ORDER": 3, "B_0_3": -1e-5},
        {**_SIP, "A_ORDER": 3, "A_3_0": 1e-5, "B_ORDER": 3, "B_0_3": -1e-5},
    ),
    _tan(
        "sip-without-suffix",
        {**_PLAIN, **_SIP, "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN"},
        _SIP,
        noted=("CTYPE1",),
        may_be_noted=("CTYPE2", "A_ORDER", "SIP"),
        may_be_left_out=("sky",),
        source="SIP: the suffix says that there are such terms",
    ),
    _tan(
        "suffix-without-sip",
        {**_PLAIN, "CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP"},
        may_be_noted=("CTYPE1", "CTYPE2", "A_ORDER", "SIP"),
    ),
    _tan(
        "sip-half",
        {key: value for key, value in {**_PLAIN, **_SIP}.items() if key[:2] != "B_"},
        sky=UNASKED,
        noted=("B_ORDER",),
        may_be_noted=("A_ORDER", "SIP", "CTYPE1"),
    ),
    _tan(
        "sip-order-as-text",
        {**_PLAIN, **_SIP, "A_ORDER": "2", "B_ORDER": "2"},
        _SIP,
        noted=("A_ORDER",),
        may_be_noted=("B_ORDER",),
        may_be_left_out=("sky",),
    ),
    _tan(
        "sip-endless-order",
        {**_PLAIN, **_SIP, "A_ORDER": 10**9},
        sky=None,
        noted=("A_ORDER",),
        may_be_noted=("WCS", "SIP"),
    ),
    _tan(
        "tpv",
        {**_PLAIN, **_TPV, **_PV_THIRD_DEGREE},
        {**_TPV, **_PV_THIRD_DEGREE},
        source="TPV: registry of FITS conventions",
    ),
    _tan("tpv-first-degree", {**_PLAIN, **_TPV, **_PV_FIRST_DEGREE}, {}),
    _tan(
        "scamp-first-degree",
        {**_PLAIN, **_PV_FIRST_DEGREE},
        {},
        may_be_noted=("PV1_0", "PV1_1", "PV", "PV2_1", "CTYPE1"),
        source="SCAMP writes TPV's polynomials under the name TAN",
    ),
    _image(
        "scamp-third-degree",
        {**_PLAIN, **_PV_THIRD_DEGREE},
        _SCAMP_TRUTH,
        position=(_RA, _DEC),
        may_be_noted=("PV1_0", "PV1_1", "PV", "PV2_1", "CTYPE1"),
        source="SCAMP writes TPV's polynomials under the name TAN",
    ),
    _tan(
        "tan-with-pole-parameters",
        {**_PLAIN, "PV1_1": 0.0, "PV1_2": 90.0, "LONPOLE": 180.0, "LATPOLE": _DEC},
        source=f"{_II}, section 2.5: PV1_1 to PV1_4 of the longitude place the native pole",
    ),
    _image(
        "tnx",
        {
            **_PLAIN,
            "CTYPE1": "RA---TNX",
            "CTYPE2": "DEC--TNX",
            "WAT0_001": "system=image",
            **_wat(1, 'wtype=tnx axtype=ra lngcor = "3. 2. 2. 1. -0.01 0.01 -0.01 0.01 1E-4 2E-3 3E-3 0. "'),
            **_wat(2, 'wtype=tnx axtype=dec latcor = "3. 2. 2. 1. -0.01 0.01 -0.01 0.01 0. 0. 0. 0. "'),
        },
        _TNX_TRUTH,
        position=(_RA, _DEC),
        may_be_left_out=("sky",),
        may_be_noted=("WAT1_001", "CTYPE1", "CTYPE2", "TNX"),
        source="IRAF: TNX, polynomials added to the projected coordinates in degrees",
    ),
]

#: From none of these may a pixel be given a place: it would be one of many, or nowhere.
BROKEN = [
    _image(
        "only-cdelt1", {**_TAN, **_ICRS, "CDELT1": -_SCALE}, None, noted=("CDELT2",), may_be_noted=("CDELT1", "WCS")
    ),
    _image("only-cdelt2", {**_TAN, **_ICRS, "CDELT2": _SCALE}, None, noted=("CDELT1",), may_be_noted=("CDELT2", "WCS")),
    _image("no-scale", {**_TAN, **_ICRS}, None, may_be_noted=("CD1_1", "CDELT1", "WCS", "CTYPE1")),
    _image(
        "cd-of-zeros",
        {**_TAN, **_ICRS, **dict.fromkeys(_CD, 0.0)},
        None,
        noted=("CD1_1",),
        may_be_noted=("CD2_2", "WCS", "CD"),
    ),
    _image(
        "cd-singular",
        {**_TAN, **_ICRS, **dict.fromkeys(_CD, _SCALE)},
        None,
        noted=("CD1_1",),
        may_be_noted=("CD2_2", "WCS", "CD"),
    ),
    _image("cd-nan", {**_PLAIN, "CD1_1": Raw("NaN")}, None, noted=("CD1_1",), may_be_noted=("WCS",)),
    _image(
        "cd-of-sixty-degrees",
        {**_PLAIN, "CD1_1": -60.0, "CD2_2": 60.0},
        None,
        noted=("CD1_1",),
        may_be_noted=("WCS", "CD2_2", "CD"),
    ),
    _image(
        "crval-nan",
        {**_PLAIN, "CRVAL1": Raw("NaN")},
        None,
        position=None,
        noted=("CRVAL1",),
        may_be_noted=("CRVAL2", "WCS"),
    ),
    _image(
        "crval-half",
        {**_TAN, **_CD, "CRVAL2": None},
        None,
        position=None,
        noted=("CRVAL2",),
        may_be_noted=("CRVAL1", "WCS"),
    ),
    _image(
        "crval-beyond-the-pole",
        {**_PLAIN, "CRVAL2": 95.0},
        None,
        position=None,
        noted=("CRVAL2",),
        may_be_noted=("CRVAL1", "WCS"),
    ),
    _tan(
        "crpix-missing",
        {**_PLAIN, "CRPIX1": None, "CRPIX2": None},
        {"CRPIX1": 0.0, "CRPIX2": 0.0},
        noted=("CRPIX1",),
        may_be_noted=("CRPIX2", "WCS"),
        may_be_left_out=("sky",),
        source=f"{_I}, section 2.1.4: default 0",
    ),
    _image(
        "ctype-unknown",
        {**_PLAIN, "CTYPE1": "RA---QQQ", "CTYPE2": "DEC--QQQ"},
        None,
        noted=("CTYPE1",),
        may_be_noted=("CTYPE2", "WCS"),
    ),
    _image(
        "ctype-of-two-projections",
        {**_PLAIN, "CTYPE2": "DEC--SIN"},
        None,
        noted=("CTYPE1",),
        may_be_noted=("CTYPE1", "CTYPE2", "WCS"),
    ),
    _image(
        "ctype-of-one-axis",
        {**_PLAIN, "CTYPE2": "RA---TAN"},
        None,
        position=UNASKED,
        noted=("CTYPE1",),
        may_be_noted=("CTYPE1", "CTYPE2", "CRVAL1", "CRVAL2", "WCS"),
    ),
    _image(
        "ctype-linear",
        {**_PLAIN, "CTYPE1": "LINEAR", "CTYPE2": "LINEAR"},
        None,
        position=UNASKED,
        may_be_noted=("CTYPE1", "CTYPE2", "WCS", "CRVAL1"),
    ),
    _image(
        "ctype-missing",
        {**_PLAIN, "CTYPE1": None, "CTYPE2": None},
        None,
        position=UNASKED,
        may_be_noted=("CTYPE1", "CTYPE2", "WCS", "CRVAL1"),
    ),
    _image("wcsaxes-endless", {**_PLAIN, "WCSAXES": 10**9}, None, noted=("WCSAXES",), may_be_noted=("WCS",)),
    _image(
        "sip-that-folds",
        {**_PLAIN, **_SIP, "A_2_0": 5.0, "B_0_2": -5.0},
        None,
        noted=("A_ORDER",),
        may_be_noted=("WCS", "SIP", "A_2_0", "B_0_2", "CTYPE1"),
    ),
    file(
        "crval-twice",
        right(
            shape=_SHAPE,
            pixels=_STORED,
            sky=UNASKED,
            position=UNASKED,
            noted=("CRVAL1",),
            source="FITS 4.0, section 4.4: the value is indeterminate",
        ),
        Cards([*cards_of({**_PLAIN, "RA": None, "DEC": None}), ("CRVAL1", 100.0)]),
        _STORED,
    ),
]

ELSEWHERE = [
    made(
        "solution-in-the-extension.fits",
        right(shape=_SHAPE, pixels=_STORED, sky=sky_of(_PLAIN), position=(_RA, _DEC), source="FITS 4.0, section 8"),
        lambda: primary({"RA": None, "DEC": None}, None) + extension("SCI", _PLAIN, _STORED),
    ),
    file(
        "solution-and-a-target",
        right(shape=_SHAPE, pixels=_STORED, sky=sky_of(_PLAIN), position=(_RA, _DEC)),
        {**_PLAIN, "RA": "13:00:00", "DEC": "+47:00:00"},
        _STORED,
    ),
]

FURTHER = [
    _tan(
        "crota1-only",
        {**_TAN, **_ICRS, **_CDELT, "CROTA1": _TURNED_DEG},
        _TURNED_CD,
        may_be_left_out=("sky",),
        may_be_noted=("CROTA1",),
    ),
    _tan(
        "crota2-as-text",
        {**_TAN, **_ICRS, **_CDELT, "CROTA2": "30.0"},
        _TURNED_CD,
        noted=("CROTA2",),
        may_be_left_out=("sky",),
    ),
    _tan("cd-beside-pc", {**_PLAIN, "PC1_1": 1.0, "PC2_2": 1.0}, may_be_noted=("PC1_1", "CD1_1", "PC")),
    _tan(
        "cunit-of-one-axis",
        {**_PLAIN, "CUNIT1": "arcsec", "CRVAL1": _RA * 3600, "CD1_1": -_SCALE * 3600},
        may_be_noted=("CUNIT1", "CUNIT2"),
    ),
    _tan("ctype-lower-case", {**_PLAIN, "CTYPE1": "ra---tan", "CTYPE2": "dec--tan"}, may_be_noted=("CTYPE1", "CTYPE2")),
    _tan(
        "ctype-short",
        {**_PLAIN, "CTYPE1": "RA--TAN", "CTYPE2": "DEC-TAN"},
        noted=("CTYPE1",),
        may_be_noted=("CTYPE2",),
        may_be_left_out=("sky", "position"),
    ),
    _tan("cd-with-comma", {**_PLAIN, "CD1_1": Raw("-0,0002")}, noted=("CD1_1",), may_be_left_out=("sky",)),
    _tan("crpix-with-comma", {**_PLAIN, "CRPIX1": Raw("32,5")}, noted=("CRPIX1",), may_be_left_out=("sky",)),
    _tan(
        "sip-and-crota",
        {**_TAN, **_ICRS, **_CDELT, **_SIP, "CROTA2": _TURNED_DEG},
        {**_TURNED_CD, **_SIP},
        may_be_noted=("CROTA2", "SIP"),
    ),
    _tan(
        "sip-nan",
        {**_PLAIN, **_SIP, "A_2_0": Raw("NaN")},
        sky=None,
        noted=("A_2_0",),
        may_be_noted=("A_ORDER", "SIP", "WCS"),
    ),
    _tan("lonpole-as-text", {**_PLAIN, "LONPOLE": "180.0"}, may_be_noted=("LONPOLE",)),
    _tan(
        "whole-numbers",
        {**_PLAIN, "CRPIX1": 32, "CRPIX2": 18, "CRVAL1": 202, "CRVAL2": 47},
        {"CRPIX1": 32.0, "CRPIX2": 18.0, "CRVAL1": 202.0, "CRVAL2": 47.0},
        position=(202.0, 47.0),
    ),
    _tan(
        "cd-with-a-row-of-zeros",
        {**_PLAIN, "CD2_2": 0.0},
        sky=None,
        noted=("CD",),
        may_be_noted=("CD1_1", "CD2_2", "WCS"),
    ),
    _image(
        "nothing-but-an-alternate",
        {f"{keyword}A": value for keyword, value in _PLAIN.items()},
        None,
        may_be_noted=("WCS", "CTYPE1A", "CTYPE1"),
    ),
    _image(
        "crpix-far-away",
        {**_PLAIN, "CRPIX1": 1e12},
        None,
        position=UNASKED,
        noted=("CTYPE1",),
        may_be_noted=("CRPIX1", "WCS"),
    ),
    _image(
        "scale-of-nothing",
        {**_PLAIN, "CD1_1": 1e-30, "CD2_2": 1e-30},
        None,
        position=UNASKED,
        noted=("CTYPE1",),
        may_be_noted=("CD1_1", "WCS"),
    ),
]

_SIP_SUFFIX = {"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP"}
RARE = [
    _tan("tpv-without-terms", {**_PLAIN, **_TPV}),
    _tan(
        "sip-of-order-zero",
        {**_PLAIN, **_SIP_SUFFIX, "A_ORDER": 0, "B_ORDER": 0},
        may_be_noted=("A_ORDER", "SIP", "CTYPE1"),
    ),
    _tan(
        "of-two-systems",
        {**_PLAIN, "CTYPE2": "GLAT-TAN"},
        sky=None,
        position=UNASKED,
        noted=("CTYPE1",),
        may_be_noted=("CRVAL1",),
    ),
    _tan("wcsaxes-as-text", {**_PLAIN, "WCSAXES": "2"}, may_be_noted=("WCSAXES",), may_be_left_out=("sky",)),
    _tan("cdelt-of-zero-beside-cd", {**_PLAIN, "CDELT1": 0.0, "CDELT2": 0.0}, may_be_noted=("CDELT1", "CDELT2")),
    _tan(
        "cdelt-as-text",
        {**_TAN, **_ICRS, "CDELT1": "-2.0E-4", "CDELT2": "2.0E-4"},
        noted=("CDELT1",),
        may_be_noted=("CDELT2",),
        may_be_left_out=("sky",),
    ),
    _tan("epoch-of-the-date-beside-icrs", {**_PLAIN, "EPOCH": 2026.34}, may_be_noted=("EPOCH",)),
    _tan("date-of-no-use", {**_PLAIN, "DATE-OBS": "garbage"}, start=None, noted=("DATE-OBS",)),
    _tan("mjd-of-no-use", {**_PLAIN, "MJD-OBS": "x"}, noted=("MJD-OBS",)),
    _tan("place-of-no-use", {**_PLAIN, "OBSGEO-X": "here"}, may_be_noted=("OBSGEO-X",)),
]

FILES = [*MATRICES, *VALUES, *SYSTEMS, *PROJECTIONS, *DISTORTIONS, *BROKEN, *ELSEWHERE, *FURTHER, *RARE]
