"""What is measured of frames as they arrive, against what the simulator put into them, and how fast.

Frames differ in seeing, sky, crowding, profile of the stars, filter, exposure time and clouds. The limiting magnitude
of the truth is that of a star whose light, weighted by its profile (King 1983), stands 5 sigma above the noise of its
pixels. What is told without an error is right or left out: `left_out` is the share of frames without a zero point.
"""

from __future__ import annotations

import math
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from datalab.astro.headers.detector import Detector
from datalab.astro.measuring.quality import FrameQuality, measure_frame
from datalab.astro.measuring.reference_stars import ReferenceStars
from datalab.astro.sky.wcs import celestial_wcs
from datalab.astro.sources.extraction import extract_sources
from datalab.simulation.camera import Camera, Conditions, Exposure, Pointing, expose
from datalab.simulation.psf import Moffat
from datalab.simulation.sky import StarField
from support import report

FRAMES = 200
SIDE, LARGE_SIDE = 1024, 2048
TIMED = 12
TIME = datetime(2026, 3, 14, 3, tzinfo=UTC)
POINTING = Pointing(ra_deg=150.0, dec_deg=20.0)


@dataclass(frozen=True)
class Case:
    camera: Camera
    exposure: Exposure
    reference: ReferenceStars
    exposure_s: float

    def measured(self) -> FrameQuality:
        header, pixels = self.exposure.header, self.exposure.pixels
        return measure_frame(
            pixels,
            detector=Detector.of(header),
            pixel_scale_arcsec=self.camera.pixel_scale_arcsec,
            wcs=celestial_wcs(header, pixels.shape),
            reference=self.reference,
        )

    def limiting_mag(self) -> float:
        truth, camera = self.exposure.truth, self.camera
        side = 2 * math.ceil(12 * truth.fwhm_px) + 1
        shares = np.zeros((side, side))
        middle_px = np.array([side // 2])
        Moffat(truth.fwhm_px, camera.psf_beta).add_sources(shares, middle_px + 0.2, middle_px + 0.3, np.ones(1))
        noise = truth.sky_e_per_px + camera.dark_current_e_per_s * self.exposure_s + camera.read_noise_e**2
        low, high = 1.0, 1e7
        while high / low > 1.0001:
            middle = math.sqrt(low * high)
            light = middle * shares
            squared = (light**2 / (noise + light)).sum()
            low, high = (middle, high) if squared < 25.0 else (low, middle)
        return truth.zero_point_mag - 2.5 * math.log10(low / camera.gain_e_per_adu)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else FRAMES
    widths, zero_points, limits, left_out = [], [], [], 0
    for number in range(count):
        case = drawn(number, side=SIDE)
        found, truth = case.measured(), case.exposure.truth
        if found.fwhm_px is not None:
            widths.append((found.fwhm_px / truth.fwhm_px - 1.0, found.fwhm_error_px / truth.fwhm_px))
        if found.zero_point_mag is None:
            left_out += 1
            continue
        zero_points.append(found.zero_point_mag - truth.zero_point_mag)
        limits.append(found.limiting_mag - case.limiting_mag())
    errors, told = np.abs(np.array(widths)).T
    figures = {
        "fwhm_error": percentile(errors, 50),
        "fwhm_error_p95": percentile(errors, 95),
        "fwhm_beyond_3_sigma": round(float(np.mean(errors > 3.0 * told)), 4),
        "zero_point_error_mag": percentile(zero_points, 50),
        "zero_point_error_mag_p95": percentile(zero_points, 95),
        "limit_error_mag": percentile(limits, 50),
        "limit_error_mag_p95": percentile(limits, 95),
        "frames": count,
        "left_out": round(left_out / count, 3),
    }
    print(f"width off by      {figures['fwhm_error']:.2%} (median), {figures['fwhm_error_p95']:.2%} (95 %)")
    print(f"zero point off by {figures['zero_point_error_mag']:.4f} mag, {figures['zero_point_error_mag_p95']:.4f}")
    print(f"limit off by      {figures['limit_error_mag']:.3f} mag, {figures['limit_error_mag_p95']:.3f}")
    measuring, extraction = timed()
    print(f"{LARGE_SIDE} x {LARGE_SIDE}: {measuring:.2f} s of processor, by Source Extraction {extraction:.2f} s")
    report("measure", {**figures, "cpu_s": round(measuring, 3), "source_extraction_cpu_s": round(extraction, 3)})


def drawn(number: int, *, side: int) -> Case:
    """Return a frame with circumstances of its own."""
    rng = np.random.default_rng([20261130, number])
    camera = Camera(rows=side, columns=side, psf_beta=rng.uniform(2.5, 4.7), seed=number)
    conditions = Conditions(
        seeing_fwhm_arcsec=rng.uniform(1.2, 4.5),
        sky_mag_per_arcsec2=rng.uniform(17.5, 20.9),
        altitude_deg=rng.uniform(30.0, 88.0),
        transparency=rng.uniform(0.3, 1.0),
    )
    field = StarField.random(
        seed=number,
        centre_ra_deg=POINTING.ra_deg,
        centre_dec_deg=POINTING.dec_deg,
        radius_deg=1.2 * camera.field_radius_deg,
        n_stars=int(10 ** rng.uniform(2.3, 4.0)) * (side // SIDE) ** 2,
        magnitude_range=(10.0, 21.0),
    )
    filter_name, exposure_s = str(rng.choice(["gp", "rp", "ip", "V"])), float(rng.choice([10.0, 60.0, 300.0]))
    exposure = expose(
        field=field,
        camera=camera,
        conditions=conditions,
        pointing=POINTING,
        filter_name=filter_name,
        exposure_s=exposure_s,
        time=TIME,
        seed=number,
        reduced=True,
    )
    known = field.at(TIME, filter_name)
    reference = ReferenceStars(ra_deg=known.ra_deg, dec_deg=known.dec_deg, mag=known.magnitude)
    return Case(camera, exposure, reference, exposure_s)


def timed() -> tuple[float, float]:
    """Return seconds of processor for one large frame: measuring, and Source Extraction on the same."""
    cases = [drawn(number, side=LARGE_SIDE) for number in range(TIMED)]
    began = time.process_time()
    for case in cases:
        case.measured()
    middle = time.process_time()
    for case in cases:
        extract_sources(case.exposure.pixels, detector=Detector.of(case.exposure.header))
    return (middle - began) / TIMED, (time.process_time() - middle) / TIMED


def percentile(values: object, share: int) -> float:
    return round(float(np.percentile(np.abs(values), share)), 4)


if __name__ == "__main__":
    main()
