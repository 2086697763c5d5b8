"""What a site has said of one kind of its things: values, each with the time it came.

A site sends what has changed, by type of device, device and name: `{"mount": {"mount_1": {"ra": 12.3}}}`. Each value is
kept as `{"val": 12.3, "timestamp": …}` beside those that were not sent again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from pydantic import Field, JsonValue

from datalab.documents.document import StoredDocument
from datalab.events import site_codes
from datalab.events.envelope import UtcDatetime
from session_api.web.bodies import JsonObject

#: What stands where a kind does in paths, and is none; nor is what stands where a site does a site.
COMPLETE: Final = "complete_status"
_NO_KINDS: Final = frozenset({COMPLETE, "clear_all_status"})
_NO_SITES: Final = frozenset({"phase_status"})
#: Clients know a text of nothing by this.
_NOTHING: Final = "-"
#: Below type of device and device there are values by their names, each with its time.
_DEVICE_DEPTH: Final = 2
#: What counts as true in texts, as the first service had it.
_TRUE: Final = frozenset({"yes", "true"})
_FORECASTS_KEPT: Final = timedelta(hours=96)
_FORECAST_TIME: Final = "utc_long_form"


class Kind(StrEnum):
    """Kinds that something is known of; others are as welcome."""

    WEATHER = "weather"
    FORECAST = "forecast"


class SiteStatus(StoredDocument):
    """The present status of one kind. `mark` names the write, `wx_ok` says whether the weather is good, if it says.

    The status is kept as its JSON: names in it are whatever a site calls its devices.
    """

    status_id: str = Field(alias="_id")
    site: str
    kind: str
    status: str
    server_timestamp_ms: int
    wx_ok: bool | None = None
    mark: str


class StatusSnapshot(StoredDocument):
    """What a status was once: one of each interval is kept."""

    snapshot_id: str = Field(alias="_id")
    site: str
    kind: str
    status: str
    server_timestamp_ms: int
    kept_until: UtcDatetime


def status_id(site: str, kind: str) -> str:
    """Return the id of the one status of a kind."""
    return f"{site}/{kind}"


def is_named(site: str, kind: str) -> bool:
    """Tell whether there can be such a status."""
    fits = all(re.fullmatch(site_codes.PATTERN, name) for name in (site, kind))
    return fits and kind not in _NO_KINDS and site not in _NO_SITES


def merged(kind: str, former: JsonObject, said: JsonObject, *, now: datetime, late: bool = False) -> JsonObject:
    """Return a status after a site has said something more. What it said before and not now stays as it was.

    `late` says that something else was said after it: values are compared by their times then.
    """
    if kind == Kind.FORECAST:
        return {**former, **said, "forecast": _forecasts(former.get("forecast"), said.get("forecast"), now)}
    together: JsonObject = _merged(former, said, late=late)
    return together


def with_timestamps(kind: str, said: JsonObject, timestamp_ms: int) -> JsonObject:
    """Return what was said with the time beside each value of a device; what is no device's stays as it is."""
    if kind == Kind.FORECAST:
        return said
    return {
        device_type: {
            device: {name: {"val": _shown(value), "timestamp": timestamp_ms} for name, value in values.items()}
            if isinstance(values, dict)
            else _shown(values)
            for device, values in devices.items()
        }
        if isinstance(devices, dict)
        else _shown(devices)
        for device_type, devices in said.items()
    }


def weather_is_good(status: JsonObject) -> bool | None:
    """Return what the first weather station says of opening, None if it says nothing."""
    stations = status.get("observing_conditions")
    first = next(iter(stations.values()), None) if isinstance(stations, dict) else None
    said = first.get("wx_ok") if isinstance(first, dict) else None
    value = said.get("val") if isinstance(said, dict) else None
    if isinstance(value, bool):
        return value
    return value.lower() in _TRUE if isinstance(value, str) else None


def combined(statuses: Sequence[tuple[str, int, JsonObject]], site: str) -> dict[str, Any]:
    """Return all kinds of a site as one, each given with its time and content."""
    together: JsonObject = {}
    for _, _, status in statuses:
        together |= status
    return {
        "site": site,
        "statusType": "combined",
        "latest_status_timestamp_ms": max((timestamp_ms for _, timestamp_ms, _ in statuses), default=0),
        "status_age_timestamps_ms": {kind: timestamp_ms for kind, timestamp_ms, _ in statuses},
        "status": together,
    }


def _merged(former: JsonValue, said: JsonValue, *, late: bool, depth: int = 0) -> Any:
    if not isinstance(former, dict) or not isinstance(said, dict):
        return said
    if depth == _DEVICE_DEPTH and not late:
        # Nearly all there is: values that replace each other. Going into each of them would cost ten times as much.
        objects = [name for name, value in said.items() if name in former and _is_object(value)]
        return {**former, **said, **{name: _deeper(former[name], said[name]) for name in objects}}
    if depth == _DEVICE_DEPTH + 1:
        # What came late does not undo what was said after it.
        return former if _time_of(former) > _time_of(said) else _deeper(former, said)
    return {
        **former,
        **{name: _merged(former.get(name), value, late=late, depth=depth + 1) for name, value in said.items()},
    }


def _deeper(former: JsonValue, said: JsonValue) -> Any:
    """Merge values that are objects themselves."""
    if not isinstance(former, dict) or not isinstance(said, dict):
        return said
    return {**former, **{name: _deeper(former.get(name), value) for name, value in said.items()}}


def _is_object(value: JsonValue) -> bool:
    return isinstance(value, dict) and isinstance(value.get("val"), dict)


def _time_of(value: Mapping[str, JsonValue]) -> int:
    timestamp = value.get("timestamp")
    return timestamp if isinstance(timestamp, int) else 0


def _shown(value: JsonValue) -> JsonValue:
    if value == "":
        return _NOTHING
    return {name: _shown(each) for name, each in value.items()} if isinstance(value, dict) else value


def _forecasts(former: JsonValue, said: JsonValue, now: datetime) -> list[JsonValue]:
    """Return forecasts by their time, the latest of each, without those of days ago."""
    by_time: dict[str, Any] = {}
    for each in (*_reports(former), *_reports(said)):
        by_time[each[_FORECAST_TIME]] = each
    return [each for text, each in by_time.items() if _is_recent(text, now)]


def _reports(value: JsonValue) -> list[Mapping[str, Any]]:
    reports = value if isinstance(value, list) else []
    return [each for each in reports if isinstance(each, dict) and isinstance(each.get(_FORECAST_TIME), str)]


def _is_recent(text: str, now: datetime) -> bool:
    try:
        of = datetime.fromisoformat(text)
        return now - (of if of.tzinfo else of.replace(tzinfo=now.tzinfo)) <= _FORECASTS_KEPT
    except (ValueError, OverflowError):
        return True
