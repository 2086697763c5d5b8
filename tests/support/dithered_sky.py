"""The same simulated stars on frames that are shifted and turned against each other."""

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import sep
from astropy.coordinates import SkyCoord

from datalab.simulation.camera import Camera, Conditions, Pointing, expose
from datalab.simulation.frame_header import FrameIdentity
from datalab.simulation.products import write_fits
from datalab.simulation.sky import Star, StarField

SIDE = 300
SCALE_ARCSEC = 0.74
CENTRE = Pointing(ra_deg=150.0, dec_deg=30.0)
MAGNITUDE = 12.5


def star_grid(spacing_px=40, count=4):
    """Return a field of count x count equal stars around `CENTRE`, far enough apart to be measured one by one.

    Their places have different fractions of a pixel in every frame.
    """
    steps = (np.arange(count) - (count - 1) / 2) * spacing_px * 1.013 * SCALE_ARCSEC / 3600
    stars = tuple(
        Star(
            name=f"star-{row}-{column}",
            ra_deg=CENTRE.ra_deg + x / math.cos(math.radians(CENTRE.dec_deg)),
            dec_deg=CENTRE.dec_deg + y,
            magnitude=MAGNITUDE,
            colour_g_r=0.0,
        )
        for row, y in enumerate(steps)
        for column, x in enumerate(steps)
    )
    return StarField(centre_ra_deg=CENTRE.ra_deg, centre_dec_deg=CENTRE.dec_deg, stars=stars)


def exposures(angles_deg, drifts_px, *, side=SIDE):
    """Return reduced frames of the grid, without cosmic rays and hot pixels: one for each angle and drift (x, y)."""
    field = star_grid()
    for number, (angle_deg, drift_px) in enumerate(zip(angles_deg, drifts_px, strict=True)):
        camera = Camera(
            rows=side,
            columns=side,
            pixel_scale_arcsec=SCALE_ARCSEC,
            position_angle_deg=angle_deg,
            cosmic_rays_per_cm2_s=0.0,
            hot_pixel_fraction=0.0,
        )
        yield expose(
            field=field,
            camera=camera,
            conditions=Conditions(drift_px=drift_px),
            pointing=CENTRE,
            filter_name="rp",
            exposure_s=60.0,
            time=datetime(2026, 3, 14, 4, tzinfo=UTC) + timedelta(minutes=2 * number),
            seed=number,
            identity=FrameIdentity(counter=number + 1),
            reduced=True,
        )


def written(folder, frames):
    """Write exposures as files frame-0, frame-1, ... and return their paths."""
    paths = []
    for number, frame in enumerate(frames):
        path = folder / f"frame-{number}.fits.fz"
        write_fits(frame, path)
        paths.append(path)
    return paths


def measured_stars(pixels, wcs):
    """Measure the stars of the grid: offsets (n, 2) in pixels from where the WCS has them, and net counts (n,)."""
    sky = SkyCoord([(star.ra_deg, star.dec_deg) for star in star_grid().stars], unit="deg")
    x, y = wcs.world_to_pixel(sky)
    image = np.ascontiguousarray(pixels, np.float64)
    level = np.nanmedian(image)
    found_x, found_y, _ = sep.winpos(image - level, x, y, np.full(x.size, 1.3))
    counts, _, flags = sep.sum_circle(image, x, y, 10.0, bkgann=(12.0, 18.0), subpix=0)
    assert not flags.any()
    return np.stack([found_x - x, found_y - y], axis=1), counts
