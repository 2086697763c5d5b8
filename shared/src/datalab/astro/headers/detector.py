"""What a header says about the detector: how counts turn into electrons, and where they end."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

from astropy.io import fits

from datalab.astro.headers.card_reader import CardReader

#: No detector has more electrons per count, electrons or counts than this; as a gain, no less than its inverse.
_MOST = 1e12


@dataclass(frozen=True, kw_only=True)
class Detector:
    """Gain (electrons per count), read noise (electrons) and the level (counts) from which a pixel is saturated."""

    gain_e_per_adu: float = 1.0
    read_noise_e: float = 0.0
    saturation_adu: float = math.inf

    @classmethod
    def of(cls, header: fits.Header) -> Self:
        """Read GAIN or EGAIN, RDNOISE, READNOIS or READNOISE, and SATURATE; what is missing keeps its default.

        A gain of 1 and no read noise stand for counts that are electrons already.
        """
        reader = CardReader.of(header)
        gain = reader.number("GAIN", "EGAIN", lowest=1 / _MOST, highest=_MOST)
        read_noise = reader.number("RDNOISE", "READNOIS", "READNOISE", lowest=0, highest=_MOST)
        saturation = reader.number("SATURATE", lowest=0, highest=_MOST)
        return cls(
            gain_e_per_adu=gain or cls.gain_e_per_adu,
            read_noise_e=read_noise or cls.read_noise_e,
            saturation_adu=saturation or cls.saturation_adu,
        )
