"""Distortions of world coordinates: SIP, TPV, SCAMP's PV on TAN, and IRAF's TNX and ZPX.

References:
    D. L. Shupe et al., ASP Conf. Ser. 347, 491 (2005): SIP.
    The registered conventions TPV and TNX of the FITS Support Office.
    Calabretta and Greisen (2002), section 2.5: what PV means elsewhere.
"""

from __future__ import annotations

import re

from datalab.astro.sky.iraf_distortion import IrafDistortionError, standard_polynomials
from datalab.astro.sky.tpv import power_of_term
from datalab.astro.sky.wcs_matrix import put_longitude_first
from datalab.astro.sky.wcs_words import UnusableWcsError, WcsWords

#: Terms of a SCAMP or TPV polynomial beyond those that Paper II gives a meaning on the longitude axis.
_FIRST_TERM_OF_SCAMP = 5
_LOOKUP_TABLES = re.compile(r"C[PQ]DIS[1-9]|D2IMDIS[1-9]|D2IMARR")


def refuse_lookup_tables(words: WcsWords) -> None:
    for keyword in words.values:
        if _LOOKUP_TABLES.fullmatch(keyword):
            raise UnusableWcsError(
                f"{keyword}: distortions in tables beside the image are not read, the world coordinates were left out"
            )


def read_iraf(words: WcsWords, axes: tuple[int, int]) -> None:
    """Translate the projections TNX and ZPX of IRAF, which WCSLIB takes for TAN, or does not read."""
    code = words.text(f"CTYPE{axes[0]}")[5:8]
    if code not in {"TNX", "ZPX"}:
        return
    texts = []
    for axis in axes:
        parts = sorted(words.matching(rf"WAT{axis}_\d+"))
        # A part that ends in blanks lost them when it was read: all but the last have 68 characters.
        joined = [str(words.values[part]).ljust(68) for part in parts]
        texts.append("".join(joined))
    try:
        radial, polynomials = standard_polynomials(texts[0], texts[1])
    except IrafDistortionError as error:
        raise UnusableWcsError(f"WAT{axes[0]}_001: {error}, the world coordinates were left out") from None
    if radial and any(polynomials):
        raise UnusableWcsError(
            f"CTYPE{axes[0]}: ZPX with both radial and other distortions cannot be read, the coordinates were left out"
        )
    to = "ZPN" if radial else "TPV" if any(polynomials) else "TAN"
    for axis, terms in zip(axes, polynomials, strict=True):
        words.set(f"CTYPE{axis}", f"{words.text(f'CTYPE{axis}')[:5]}{to}")
        words.drop(*words.matching(rf"PV{axis}_\d+"))
        for term, value in terms.items() if to == "TPV" else ():
            words.set(f"PV{axis}_{term}", value)
    for power, value in radial.items():
        words.set(f"PV{axes[1]}_{power}", value)
    words.drop(*words.matching(r"WAT\d_\d+"))


def choose_distortion(words: WcsWords, axes: tuple[int, int]) -> None:
    lng, lat = axes
    code, is_sip = words.text(f"CTYPE{lng}")[5:8], words.text(f"CTYPE{lng}").endswith("-SIP")
    sip = words.matching(r"(?:A|B)_(?:ORDER|\d_\d)")
    pv = words.matching(rf"PV[{lng}{lat}]_\d+")
    if code == "TAN" and pv and _is_of_scamp(words, axes, pv):
        if sip and is_sip:
            words.note(f"{pv[0]}: not used beside SIP")
            words.drop(*pv)
        else:
            words.note(f"CTYPE{lng}: TAN with the PV of SCAMP was read as TPV")
            code = "TPV"
            for axis in axes:
                words.set(f"CTYPE{axis}", f"{words.text(f'CTYPE{axis}')[:5]}TPV")
    if code == "TPV":
        for axis in axes:
            if f"PV{axis}_1" not in words.values:  # the convention's default, which WCSLIB takes for 0
                words.set(f"PV{axis}_1", 1.0)
            if any(
                power_of_term(int(keyword.partition("_")[2])) is None for keyword in words.matching(rf"PV{axis}_\d+")
            ):
                raise UnusableWcsError(f"PV{axis}_40: is no term of TPV, the world coordinates were left out")
        if sip:
            words.note(f"{sip[0]}: SIP was not used beside TPV")
            words.drop(*sip, *words.matching(r"(?:AP|BP)_(?:ORDER|DMAX|\d_\d)"))
        if axes == (2, 1):
            put_longitude_first(words)
        return
    _complete_sip(words, axes, sip, named=is_sip)


def _is_of_scamp(words: WcsWords, axes: tuple[int, int], pv: list[str]) -> bool:
    """Tell SCAMP's polynomials from the parameters of Paper II, which TAN has on the longitude axis only, 0 to 4.

    There PV_1 and PV_2 are the native coordinates of the reference point, 0 and 90 degrees for TAN; SCAMP's are about
    1 and 0.
    """
    lng, lat = axes
    terms = [int(keyword.partition("_")[2]) for keyword in pv]
    if any(keyword.startswith(f"PV{lat}_") for keyword in pv) or max(terms) >= _FIRST_TERM_OF_SCAMP:
        return True
    first, second = words.number(f"PV{lng}_1"), words.number(f"PV{lng}_2")
    return first is not None and abs(first - 1.0) < 0.5 and abs(second or 0.0) < 0.5


def _complete_sip(words: WcsWords, axes: tuple[int, int], sip: list[str], *, named: bool) -> None:
    coefficients = {side: words.matching(rf"{side}_\d_\d") for side in ("A", "B")}
    used = {side: [word for word in names if words.number(word)] for side, names in coefficients.items()}
    inverse = words.matching(r"(?:AP|BP)_(?:ORDER|DMAX|\d_\d)")
    if not any(used.values()):
        words.drop(*sip, *inverse)
        for axis in axes:
            words.set(f"CTYPE{axis}", words.text(f"CTYPE{axis}").removesuffix("-SIP"))
        return
    for side, other in (("A", "B"), ("B", "A")):
        if f"{side}_ORDER" not in words.values and not coefficients[side]:
            raise UnusableWcsError(
                f"{side}_ORDER: is missing beside {other}_ORDER, half a distortion: the world coordinates were left out"
            )
        _complete_order(words, side, used[side])
    if {"AP_ORDER", "BP_ORDER"} - words.values.keys():
        words.drop(*inverse)
    if not named:
        for axis in axes:
            words.set(f"CTYPE{axis}", words.text(f"CTYPE{axis}") + "-SIP")
        words.note(f"CTYPE{axes[0]}: SIP coefficients without -SIP, they were used")


def _complete_order(words: WcsWords, side: str, used: list[str]) -> None:
    """Readers use no coefficient beyond the order."""
    needed = max((int(word[2]) + int(word[4]) for word in used), default=0)
    order = words.number(f"{side}_ORDER")
    if order is None or order < needed:
        words.note(f"{side}_ORDER: is missing or too small, {needed} was taken from the coefficients")
        words.set(f"{side}_ORDER", needed)
