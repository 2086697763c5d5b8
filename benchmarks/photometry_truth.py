"""Scatter of aperture photometry on frames with cosmic rays and blank pixels, beside noise limit and plain photutils.

A target that does not vary, and stars of known brightness, in series of simulated frames: photon and read noise,
clouds, seeing that changes, and every frame has cosmic rays (tracks and single pixels) and blank pixels, many of them
on the stars. Three ways measure the same frames: ours as the operation does it (`measure_frame`, then the shared
ensemble), photutils plain (aperture sums less the median of the annulus, the target over the sum of the same stars),
and ours on the same frames without damage. The noise limit is that of the truth: photons of target, stars and sky in
the apertures, read noise, and the noise of the annulus.

Figures: `ratio_to_limit`, the scatter of ours over the noise limit (the median over the series; required: 1.15),
`ratio_plain`, that of photutils; `ratio_undamaged`; `ratio_to_undamaged`, ours with damage over without;
`frames_without`, the share of frames without a magnitude;
`error_ratio`, scatter over quoted errors; `worst_sigma`, the largest deviation of a frame in its quoted errors.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

import numpy as np
from astropy.io import fits
from photutils.aperture import ApertureStats, CircularAnnulus, CircularAperture

from datalab.astro.headers.detector import Detector
from datalab.astro.photometry.aperture_geometry import ApertureGeometry, Radii
from datalab.astro.photometry.comparison_stars import Candidates
from datalab.astro.photometry.differential import Counts, calibrate_with_shared_ensemble
from datalab.astro.photometry.frame_photometry import FramePhotometry, measure_frame
from support import report

SERIES, FRAMES, STARS, SIDE = 8, 24, 14, 320
GAIN, READ_NOISE_E, SKY = 1.6, 8.0, 150.0
ZERO_POINT_MAG, TARGET_MAG = 25.0, 14.6
#: Many times what an exposure of five minutes has: nearly every frame has blank or hit pixels in the target's aperture.
COSMIC_RAYS, BLANK_PIXELS = 300, 500
RADII = Radii(aperture=6.0, inner=10.0, outer=16.0)


@dataclass(frozen=True)
class Series:
    """Frames with damage and without, and what is in them; arrays of (frames,), (sources,)."""

    damaged: list[np.ndarray]
    clean: list[np.ndarray]
    x: np.ndarray
    y: np.ndarray
    mags: np.ndarray
    limit_mag: np.ndarray


def main() -> None:
    seeds = range(int(sys.argv[1]) if len(sys.argv) > 1 else SERIES)
    ours, plain, undamaged, without, errors, worst = [], [], [], [], [], []
    for seed in seeds:
        series = simulated(np.random.default_rng(100 + seed))
        limit = float(np.sqrt(np.mean(series.limit_mag**2)))
        mag, sigma = measured(series, series.damaged)
        clean, _ = measured(series, series.clean)
        simple = with_photutils(series)
        ours.append(np.nanstd(mag, ddof=1) / limit)
        undamaged.append(np.nanstd(clean, ddof=1) / limit)
        plain.append(np.nanstd(simple, ddof=1) / limit)
        without.append(np.mean(np.isnan(mag)))
        deviation = (mag - np.nanmedian(mag)) / sigma
        errors.append(np.nanstd(deviation, ddof=1))
        worst.append(np.nanmax(np.abs(deviation)))
        print(
            f"series {seed}: noise limit {1000 * limit:5.2f} mmag, ours {ours[-1]:5.2f}, "
            f"undamaged {undamaged[-1]:5.2f}, photutils plain {plain[-1]:7.2f} times that; "
            f"frames without {100 * without[-1]:.0f} %"
        )
    report(
        "photometry_truth",
        {
            "ratio_to_limit": round(float(np.median(ours)), 3),
            "worst_ratio": round(float(np.max(ours)), 3),
            "ratio_undamaged": round(float(np.median(undamaged)), 3),
            "ratio_to_undamaged": round(float(np.median(np.divide(ours, undamaged))), 3),
            "ratio_plain": round(float(np.median(plain)), 2),
            "frames_without": round(float(np.mean(without)), 4),
            "error_ratio": round(float(np.median(errors)), 3),
            "worst_sigma": round(float(np.max(worst)), 2),
            "series": len(ours),
            "frames": FRAMES,
        },
    )


def simulated(rng: np.random.Generator) -> Series:
    side = math.ceil(math.sqrt(STARS + 1))
    cell = (SIDE - 60) / side
    places = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2)[: STARS + 1]
    x, y = (30 + (places + 0.5) * cell + rng.uniform(-0.2, 0.2, places.shape) * cell).T
    mags = np.append(TARGET_MAG, rng.uniform(13.6, 15.2, STARS))
    damaged, clean, limits = [], [], []
    for _ in range(FRAMES):
        fwhm = rng.uniform(2.4, 3.8)
        flux = 10 ** (0.4 * (ZERO_POINT_MAG - mags - rng.uniform(0, 0.2)))
        shift = rng.uniform(-0.5, 0.5, 2)
        light = stars_light(x + shift[0], y + shift[1], flux, fwhm)
        electrons = rng.poisson((light + SKY) * GAIN) + rng.normal(0.0, READ_NOISE_E, light.shape)
        pixels = np.rint(electrons / GAIN).astype(np.float32)
        clean.append(pixels)
        damaged.append(with_damage(pixels, rng))
        alpha = fwhm / 2 / math.sqrt(2 ** (1 / 3.5) - 1)
        limits.append(noise_limit(flux * (1 - (1 + (RADII.aperture / alpha) ** 2) ** -2.5)))
    return Series(damaged, clean, x, y, mags, np.array(limits))


def stars_light(x: np.ndarray, y: np.ndarray, flux: np.ndarray, fwhm: float) -> np.ndarray:
    """Return Moffat stars (beta 3.5), each pixel the mean of 5 x 5 points; a little elongated."""
    light = np.zeros((SIDE, SIDE))
    alpha, points = fwhm / 2 / math.sqrt(2 ** (1 / 3.5) - 1), (np.arange(5) + 0.5) / 5 - 0.5
    for left, up, counts in zip(x, y, flux, strict=True):
        first = int(left) - 25, int(up) - 25
        columns = np.arange(first[0], first[0] + 51)
        rows = np.arange(first[1], first[1] + 51)
        keep = (columns >= 0) & (columns < SIDE), (rows >= 0) & (rows < SIDE)
        columns, rows = columns[keep[0]], rows[keep[1]]
        dx = (columns[:, None] + 0.5 - left + points).ravel()
        dy = (rows[:, None] + 0.5 - up + points).ravel()
        profile = (1 + (dx**2 * 0.94 + dy[:, None] ** 2 / 0.94) / alpha**2) ** -3.5
        profile = profile.reshape(rows.size, 5, columns.size, 5).mean(axis=(1, 3))
        light[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] += counts * 2.5 / (math.pi * alpha**2) * profile
    return light


def with_damage(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return pixels with cosmic rays, single ones and tracks of up to 12 pixels, and with blank pixels."""
    damaged = pixels.copy()
    for _ in range(COSMIC_RAYS):
        x, y = rng.uniform(0, SIDE, 2)
        length, angle = (rng.integers(1, 12), rng.uniform(0, math.pi)) if rng.random() < 0.5 else (1, 0.0)
        charge = rng.lognormal(math.log(1200.0), 0.8) / GAIN
        for step in range(length):
            column, row = int(x + step * math.cos(angle)), int(y + step * math.sin(angle))
            if 0 <= column < SIDE and 0 <= row < SIDE:
                damaged[row, column] += charge * rng.uniform(0.5, 1.0)
    blank = rng.integers(0, SIDE, (2, BLANK_PIXELS))
    damaged[blank[0], blank[1]] = np.nan
    return damaged


def noise_limit(flux: np.ndarray) -> float:
    """Return the error (mag) of target over stars that photons in apertures, read noise and the annulus leave."""
    area = math.pi * RADII.aperture**2
    sky_pixels = math.pi * (RADII.outer**2 - RADII.inner**2)
    pixel = SKY / GAIN + (READ_NOISE_E / GAIN) ** 2 + 1 / 12
    variance = flux / GAIN + area * (1 + area / sky_pixels) * pixel
    best = np.argsort(np.abs(np.log(flux[1:] / flux[0])))[:10]
    of_ensemble = variance[1:][best].sum() / flux[1:][best].sum() ** 2
    return 2.5 / math.log(10) * math.sqrt(variance[0] / flux[0] ** 2 + of_ensemble)


def header() -> fits.Header:
    scale = 1 / 3600
    return fits.Header(
        {
            "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.0, "CRVAL2": 20.0, "CRPIX1": SIDE / 2,
            "CRPIX2": SIDE / 2, "CD1_1": -scale, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": scale,
        }
    )  # fmt: skip


def measured(series: Series, frames: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return magnitudes and errors as the operation finds them."""
    geometry = ApertureGeometry.of(header(), (SIDE, SIDE), RADII)
    ra, dec = geometry.wcs.wcs_pix2world(series.x - 0.5, series.y - 0.5, 0)
    detector = Detector(gain_e_per_adu=GAIN, read_noise_e=READ_NOISE_E)
    found: list[FramePhotometry] = [
        measure_frame(
            pixels,
            geometry,
            detector,
            target=(float(ra[0]), float(dec[0])),
            stars_ra_deg=ra[1:],
            stars_dec_deg=dec[1:],
        )
        for pixels in frames
    ]
    net, sigma = (np.array([getattr(frame, name) for frame in found]) for name in ("net", "sigma"))
    counts = Counts(target=net[:, 0], target_sigma=sigma[:, 0], stars=net[:, 1:], stars_sigma=sigma[:, 1:])
    table = np.ones((len(frames), STARS))
    stars = Candidates(
        number=np.arange(1, STARS + 1),
        ra_deg=ra[1:],
        dec_deg=dec[1:],
        reference_mag=series.mags[1:],
        isolation_arcsec=np.full(STARS, 60.0),
        row=table.astype(np.int64),
        flux=table,
        mag=table * series.mags[1:],
    )
    curve = calibrate_with_shared_ensemble(counts, stars, least_stars=5, most_stars=10)
    flawed = np.array([frame.is_flawed for frame in found])
    return np.where(flawed, np.nan, curve.mag), curve.mag_sigma


def with_photutils(series: Series) -> np.ndarray:
    """Return magnitudes over the sum of the ten stars nearest in brightness, where every sum is a number."""
    best = 1 + np.argsort(np.abs(series.mags[1:] - TARGET_MAG))[:10]
    found = []
    for pixels in series.damaged:
        at = np.stack([series.x - 0.5, series.y - 0.5], axis=1)
        mask = ~np.isfinite(pixels)
        sky = ApertureStats(pixels, CircularAnnulus(at, RADII.inner, RADII.outer), mask=mask).median
        apertures = CircularAperture(at, RADII.aperture)
        total, _ = apertures.do_photometry(np.where(mask, 0.0, pixels.astype(np.float64)))
        net = total - sky * apertures.area
        found.append(-2.5 * math.log10(net[0] / net[best].sum()) if net[0] > 0 else math.nan)
    return np.array(found)


if __name__ == "__main__":
    main()
