"""What a header says about the detector: how counts turn into electrons, and where they end."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Self

from astropy.io import fits

from datalab.astro.headers.card_reader import CardReader
from datalab.astro.headers.cards import UNREADABLE_CARD

#: No detector has more electrons per count, electrons or counts than this; as a gain, no less than its inverse.
_MOST = 1e12
#: Electrons per count, whatever else the camera's programs call gain: of MaxIm and those after it, and of Siril.
_ELECTRONS_PER_COUNT = ("EGAIN", "CVF")
#: A whole number from here on is what somebody set on a camera (0 to 600 on ZWO's, 0 to 100 on QHY's). A detector that
#: needs so many electrons for a count has 16 bits for two million of them.
_LEAST_SETTING = 20
#: Cards that capture programs write beside a gain that is a setting: the offset of the same amplifier, ISO.
_BESIDE_SETTINGS = ("OFFSET", "BLKLEVEL", "ISOSPEED", "USBLIMIT")
#: What comments of cards say that are electrons per count.
_SAYS_ELECTRONS = re.compile(r"electron|\be-? ?(?:/|per )", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Detector:
    """Gain (electrons per count), read noise (electrons) and the level (counts) from which a pixel is saturated.

    `gain_is_known` is whether the header says it; `notes` are what it says and cannot be used.
    """

    gain_e_per_adu: float = 1.0
    read_noise_e: float = 0.0
    saturation_adu: float = math.inf
    gain_is_known: bool = field(default=True, compare=False)
    notes: tuple[str, ...] = field(default=(), compare=False)

    @classmethod
    def of(cls, header: fits.Header) -> Self:
        """Read EGAIN, CVF or GAIN, RDNOISE, READNOIS or READNOISE, and SATURATE; what is missing keeps its default.

        A gain of 1 and no read noise stand for counts that are electrons already. GAIN is electrons per count at
        observatories, and what somebody set on the camera for most capture programs: a whole number of 20 or more, or
        one with the camera's offset beside it, is no gain, unless the card's comment speaks of electrons.
        """
        reader = CardReader.of(header)
        notes: list[str] = []
        gain = reader.number(*_ELECTRONS_PER_COUNT, lowest=1 / _MOST, highest=_MOST)
        if gain is None and (given := reader.number("GAIN", lowest=-_MOST, highest=_MOST)) is not None:
            if _is_setting(header, given):
                notes.append(f"GAIN: {given:g} is a setting of the camera, not electrons per count: left out")
            elif given < 1 / _MOST:
                notes.append(f"GAIN: {given:g} is no number of electrons per count: left out")
            else:
                gain = given
        read_noise = reader.number("RDNOISE", "READNOIS", "READNOISE", lowest=0, highest=_MOST)
        saturation = reader.number("SATURATE", lowest=0, highest=_MOST)
        return cls(
            gain_e_per_adu=gain or cls.gain_e_per_adu,
            read_noise_e=read_noise or cls.read_noise_e,
            saturation_adu=saturation or cls.saturation_adu,
            gain_is_known=gain is not None,
            notes=tuple(notes),
        )


def _is_setting(header: fits.Header, gain: float) -> bool:
    if not gain.is_integer() or _SAYS_ELECTRONS.search(_comment(header, "GAIN")):
        return False
    return gain >= _LEAST_SETTING or gain == 0 or any(keyword in header for keyword in _BESIDE_SETTINGS)


def _comment(header: fits.Header, keyword: str) -> str:
    try:
        return str(header.comments[keyword])
    except (KeyError, *UNREADABLE_CARD):
        return ""
