"""Two nights of a variable star as people have them on disk: raw frames of a small camera, and what calibrates them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from datalab.simulation.camera import Camera
from datalab.simulation.observatory import VARIABLE_STAR, NightPlan, SimulatedObservatory
from datalab.simulation.products import fits_bytes
from datalab.simulation.sky import Star

EVENING = date(2026, 3, 14)
#: Of the star, as the simulation has it.
PERIOD_DAYS = 0.1
#: Every 25 minutes: a night covers the period.
_CADENCE_S = 1500.0
_EXPOSURE_S = 20.0
_CAMERA = Camera(rows=256, columns=256, pixel_scale_arcsec=1.0)


@dataclass(frozen=True, slots=True)
class TwoNights:
    """Files by name: `calibrations`, `red` exposures of both nights, and `green` ones of the first."""

    star: Star
    calibrations: dict[str, bytes]
    red: dict[str, bytes]
    green: dict[str, bytes]


def two_nights(*, exposures: int = 6, reduced: bool = False) -> TwoNights:
    """Return two nights with so many red exposures each; the same every time."""
    observatory = SimulatedObservatory(camera=_CAMERA, seed=3)
    field = observatory.demonstration_field(EVENING, n_stars=120)
    (star,) = (star for star in field.stars if star.name == VARIABLE_STAR)
    files: dict[str, dict[str, bytes]] = {"calibrations": {}, "rp": {}, "gp": {}}
    for night, filters, count, first in ((0, ("rp",), exposures, 1), (1, ("rp",), exposures, 1), (0, ("gp",), 2, 101)):
        plan = NightPlan(
            evening=EVENING + timedelta(days=night),
            n_exposures=count,
            filters=filters,
            exposure_s=_EXPOSURE_S,
            cadence_s=_CADENCE_S,
            n_calibrations=2 if night == 0 and not reduced else 0,
            first_counter=first,
            reduced=reduced,
        )
        for exposure in observatory.exposures(plan, field):
            kind = exposure.header["OBSTYPE"]
            if kind in {"BIAS", "DARK"} and filters != ("rp",):
                continue  # there are enough
            group = filters[0] if kind == "EXPOSE" else "calibrations"
            files[group][f"{exposure.identity.base_name}-EX00.fits"] = fits_bytes(exposure, "none")
    return TwoNights(star=star, calibrations=files["calibrations"], red=files["rp"], green=files["gp"])
