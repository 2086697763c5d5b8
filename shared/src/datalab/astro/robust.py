"""Estimates that outliers do not move."""

from __future__ import annotations

#: Standard deviation of a normal distribution in units of its median absolute deviation.
SIGMA_PER_MAD = 1.482602218505602
