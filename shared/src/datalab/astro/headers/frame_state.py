"""What a header says was taken off an image already, and how its pixels were binned."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from astropy.io import fits

from datalab.astro.headers.card_reader import CardReader
from datalab.astro.headers.cards import HeaderCards, HeaderValue

#: What was done to an image, in words: the cards of IRAF's ccdred, which other reductions know too.
BIAS_CARD, DARK_CARD, FLAT_CARD, OVERSCAN_CARD = "ZEROCOR", "DARKCOR", "FLATCOR", "OVERSCAN"
#: Cards that are there when a step was done: of IRAF's ccdred; of Las Cumbres Observatory (the master's name, or a
#: status); of ccdproc, which shortens the names of its functions so; and words that other reductions use.
_DONE_CARDS = {
    BIAS_CARD: (BIAS_CARD, "L1IDBIAS", "L1STATBI", "SUBBIAS", "BIASCORR", "BIASCOR", "BIASSUB"),
    DARK_CARD: (DARK_CARD, "L1IDDARK", "L1STATDA", "SUBDARK", "DARKCORR", "DARKSUB"),
    FLAT_CARD: (FLAT_CARD, "L1IDFLAT", "L1STATFL", "FLATCORR", "FLATDIV", "DIVFLAT"),
    OVERSCAN_CARD: (OVERSCAN_CARD, "L1STATOV", "SUBOSCAN", "OVERSCOR", "BLEVCORR"),
}
#: What such a card says when the step was not done; PERFORM and OMIT are Hubble's switches before calibration.
_NOT_DONE = frozenset({"", "N/A", "NA", "F", "FALSE", "N", "NO", "0", "NONE", "OMIT", "PERFORM", "SKIPPED", "MISSING"})
#: MaxIm DL and NINA write letters, in any order: bias, dark, flat.
_LETTERS = re.compile(r"[BDFMOTGPC]{1,6}")
_CALSTAT = "CALSTAT"
#: A sentence of HISTORY, as AstroImageJ writes: "Dark corrected with masterdark.fits".
_IN_HISTORY = re.compile(
    r"\b(?P<kind>bias|dark|flat)(?:[ -]?(?:field|frame|level|current))?[ -]+(?:was )?"
    r"(?:subtract|remov|correct|divid)ed",
    re.IGNORECASE,
)
#: From here on an image is reduced, of all steps (Las Cumbres Observatory: 0 raw, 90 quick look, 91 final).
_REDUCED_LEVEL = 90

_BINNING_PAIRS = (("CCDXBIN", "CCDYBIN"), ("XBINNING", "YBINNING"), ("XBIN", "YBIN"), ("BINX", "BINY"))
#: Both numbers in one card: "2 2", "2x2".
_BINNING_TEXTS = ("CCDSUM", "BINNING", "CCDBIN")
_TWO_NUMBERS = re.compile(r"\s*(?P<x>[1-9]\d?)\s*(?:[ ,xX*]\s*(?P<y>[1-9]\d?)\s*)?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameState:
    """What a header says was taken off an image already, and how its pixels were binned (None: unknown)."""

    bias_removed: bool
    dark_removed: bool
    flat_removed: bool
    overscan_removed: bool = False
    binning: tuple[int, int] | None

    @classmethod
    def of(cls, header: fits.Header) -> Self:
        """Read the cards of IRAF, ccdproc, MaxIm DL and the pipelines of Las Cumbres Observatory."""
        return cls.read(HeaderCards(header))

    @classmethod
    def read(cls, cards: Mapping[str, HeaderValue]) -> Self:
        """Read it from the values of a header."""
        done = {step: any(_is_done(cards.get(card)) for card in names) for step, names in _DONE_CARDS.items()}
        if not isinstance(cards.get(OVERSCAN_CARD), str):  # a number is how wide the strip is
            done[OVERSCAN_CARD] = any(_is_done(cards.get(card)) for card in _DONE_CARDS[OVERSCAN_CARD][1:])
        letters = _calibration_letters(cards.get(_CALSTAT)) | _told_in(cards.get("HISTORY"))
        level = CardReader(cards).whole("RLEVEL")
        is_reduced = level is not None and level >= _REDUCED_LEVEL
        return cls(
            # A dark that was subtracted alone took the bias along.
            bias_removed=done[BIAS_CARD] or bool(letters & {"B", "D"}) or is_reduced,
            dark_removed=done[DARK_CARD] or "D" in letters or is_reduced,
            flat_removed=done[FLAT_CARD] or "F" in letters or is_reduced,
            overscan_removed=done[OVERSCAN_CARD],
            binning=_binning(cards),
        )

    @property
    def steps(self) -> str:
        """What was done, in words, such as "bias, dark", or "nothing"."""
        done = {"bias": self.bias_removed, "dark": self.dark_removed, "flat": self.flat_removed}
        return ", ".join(step for step, is_done in done.items() if is_done) or "nothing"


def _is_done(value: HeaderValue) -> bool:
    if isinstance(value, str):
        return value.strip().upper() not in _NOT_DONE
    return bool(value)


def _calibration_letters(value: HeaderValue) -> set[str]:
    if not isinstance(value, str):
        return set()
    text = value.strip().upper()
    words = {word[0] for word in ("BIAS", "DARK", "FLAT") if word in text}
    letters = re.sub(r"[\s,;+/-]", "", text)
    is_letters = _LETTERS.fullmatch(letters) is not None
    return words or ({"B", "D", "F"} & set(letters) if is_letters else set())


def _told_in(history: HeaderValue) -> set[str]:
    if not isinstance(history, str):
        return set()
    return {found["kind"][0].upper() for found in _IN_HISTORY.finditer(history)}


def _binning(cards: Mapping[str, HeaderValue]) -> tuple[int, int] | None:
    reader = CardReader(cards)
    for names in _BINNING_PAIRS:
        x, y = (reader.number(name, lowest=1) for name in names)
        if x is not None and y is not None:
            return int(x), int(y)
    for name in _BINNING_TEXTS:
        found = _TWO_NUMBERS.fullmatch(str(cards.get(name) or ""))
        if found:
            return int(found["x"]), int(found["y"] or found["x"])
    return None
