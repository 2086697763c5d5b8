"""Counts and magnitudes."""

from __future__ import annotations

import numpy as np

from datalab.astro.types import FloatArray

#: Error of a magnitude in units of the relative error of the counts: 1 % is 0.0109 mag.
MAG_PER_RELATIVE_ERROR = 2.5 / np.log(10.0)


def instrumental_mag(counts: FloatArray) -> FloatArray:
    """Return -2.5 log10 of the counts; NaN where they are not positive."""
    mags: FloatArray = -2.5 * np.log10(counts, out=np.full(counts.shape, np.nan), where=counts > 0.0)
    return mags
