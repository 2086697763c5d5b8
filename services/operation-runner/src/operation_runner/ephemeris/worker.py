"""What a process does that knows where the Sun and the Moon stand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

import numpy as np

from datalab.astro.ephemeris.bodies import Place
from datalab.astro.ephemeris.horizons import Air
from datalab.astro.ephemeris.moon_passages import moon_passages
from datalab.astro.ephemeris.site_night import noon_before, site_night
from datalab.astro.ephemeris.time_scales import accuracy_s, tai_from_unix, unix_from_tai
from datalab.errors import UsageError
from datalab.events.ephemeris import (
    LONGEST_INTERVAL_S,
    EphemerisQuestion,
    Instant,
    MoonPassage,
    MoonPassages,
    MoonPassagesRequested,
    SiteNight,
    SiteNightRequested,
)
from datalab.processes.worker import Parent


def telling(_: Parent) -> Callable[[EphemerisQuestion], bytes]:
    """Return the function that answers a question with the JSON of a `SiteNight` or of `MoonPassages`."""

    def answer(question: EphemerisQuestion) -> bytes:
        told = _night(question) if isinstance(question, SiteNightRequested) else _passages(question)
        return told.model_dump_json().encode()

    return answer


def _night(question: SiteNightRequested) -> SiteNight:
    place = Place(latitude_deg=question.latitude_deg, longitude_deg=question.longitude_deg, height_m=question.height_m)
    air = Air(**dict(question.air)) if question.air else None
    night = site_night(place, noon_before(question.unix_s, question.utc_offset_s), air=air)
    return SiteNight(
        start=_instant(night.start),
        stop=_instant(night.stop),
        events={name: _instant(tai) for name, tai in night.events.items()},
        missing=night.missing,
        accuracy_s=accuracy_s(night.stop),
    )


def _passages(question: MoonPassagesRequested) -> MoonPassages:
    if not 0 <= question.stop_s - question.start_s <= LONGEST_INTERVAL_S:
        raise UsageError("The Moon is told of from a start to an end that is not before it, 400 days later at most.")
    start, stop = tai_from_unix(np.array([question.start_s, question.stop_s])).tolist()
    place = Place(latitude_deg=question.latitude_deg, longitude_deg=question.longitude_deg)
    passages = [asdict(passage) for passage in moon_passages(place, start, stop)]
    return MoonPassages(
        passages=tuple(
            MoonPassage(
                illumination=passage.pop("illumination"), **{name: _instant(tai) for name, tai in passage.items()}
            )
            for passage in passages
        ),
        accuracy_s=accuracy_s(stop),
    )


def _instant(tai: float) -> Instant:
    return Instant(tai_jd=tai, unix_s=float(unix_from_tai(tai)))
