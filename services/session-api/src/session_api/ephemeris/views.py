"""Nights and passages of the Moon, as clients read them."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from typing_extensions import TypedDict

from datalab.events.ephemeris import Instant, MoonPassage, SiteNight

_DAY_S: Final = 86400
_UNIX_EPOCH_JD: Final = 2440587.5

Shown = float | str
#: Each event by its name. Those that do not happen are null, and `reasons` says why.
NightView = dict[str, Shown | dict[str, str] | None]


class TimeFormat(StrEnum):
    """How instants are written: Julian dates in TAI or UTC, or ISO 8601 in UTC to the second."""

    JD_TAI = "jd_tai"
    JD_UTC = "jd_utc"
    ISO = "iso"


class MoonPassageView(TypedDict):
    """From a rise of the Moon to the set that follows; `illumination` is the lit part of the disc at transit."""

    illumination: float
    rise: Shown
    set: Shown
    transit: Shown


def night_view(night: SiteNight, form: TimeFormat) -> NightView:
    """Return the events in order of time, then those that do not happen."""
    view: NightView = {name: _shown(instant, form) for name, instant in night.events.items()}
    if night.missing:
        view |= dict.fromkeys(night.missing)
        view["reasons"] = night.missing
    return view


def passage_view(passage: MoonPassage, form: TimeFormat) -> MoonPassageView:
    """Return one passage."""
    return MoonPassageView(
        illumination=passage.illumination,
        rise=_shown(passage.rise, form),
        set=_shown(passage.set, form),
        transit=_shown(passage.transit, form),
    )


def _shown(instant: Instant, form: TimeFormat) -> Shown:
    match form:
        case TimeFormat.JD_TAI:
            return instant.tai_jd
        case TimeFormat.JD_UTC:
            return instant.unix_s / _DAY_S + _UNIX_EPOCH_JD
        case TimeFormat.ISO:
            return datetime.fromtimestamp(round(instant.unix_s), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
