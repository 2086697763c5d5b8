"""Statuses of sites: taken many at once, merged into what was there, stored, and told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, Final

import orjson

from datalab.errors import TransientError, UsageError
from datalab.events import site_codes
from datalab.events.envelope import new_id, utc_now
from datalab.platform.logging import get_logger
from datalab.platform.together import Together
from session_api.status.known_statuses import KnownStatuses
from session_api.status.live import StatusTeller
from session_api.status.model import (
    Kind,
    SiteStatus,
    StatusSnapshot,
    combined,
    is_named,
    merged,
    status_id,
    weather_is_good,
    with_timestamps,
)
from session_api.status.repository import StatusRepository, Write
from session_api.status.settings import StatusSettings
from session_api.uploads.open_sites import OpenSites, SiteWork
from session_api.web.bodies import JsonObject
from session_api.web.failures import RefusedError
from session_api.web.user import User
from session_api.web.write_limits import WriteLimits

_log = get_logger(__name__)

#: What the first service could keep of a kind is 400 kB; what a site says of its devices is 20.
_LARGEST_BYTES: Final = 256 * 1024
_LARGEST_KEPT_BYTES: Final = 64 * 1024
_MOST_KINDS: Final = 30
_MOST_STATUSES: Final = 10_000
_MOST_RACES: Final = 10
_MOST_AT_ONCE: Final = 100
_MOST_SNAPSHOTS: Final = 1000
#: Maps of sites ask every five seconds; who asks within one is told the same.
_AGES_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class _Said:
    site: str
    kind: str
    content: JsonObject
    timestamp_ms: int

    @property
    def status_id(self) -> str:
        return status_id(self.site, self.kind)


class StatusService:
    """Keeps how sites are."""

    def __init__(
        self,
        *,
        statuses: StatusRepository,
        teller: StatusTeller,
        open_sites: OpenSites,
        limits: WriteLimits,
        settings: StatusSettings,
        max_answer_bytes: int,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._statuses = statuses
        self._teller = teller
        self._open_sites = open_sites
        self._limits = limits
        self._history_ms = int(settings.site_status_history_interval_s * 1000)
        self._history_kept = timedelta(days=settings.site_status_history_days)
        self._max_answer_bytes = max_answer_bytes
        self._clock = clock
        self._known = KnownStatuses()
        #: Of each status, the interval this process has kept one of last.
        self._kept: dict[str, int] = {}
        # What comes while others are being stored is stored next, all by one write.
        self._storing: Together[_Said, None] = Together(self._store, most=_MOST_AT_ONCE)
        self._asking_ages: Together[None, Mapping[str, Any]] = Together(self._read_ages)
        self._ages: tuple[float, Mapping[str, Any]] = (-_AGES_S, {})

    # --- writing ---------------------------------------------------------------------------------------------------

    async def take(self, caller: User, site: str, kind: str, content: JsonObject, *, address: str) -> None:
        """Merge what a site says into its status of this kind, and store it before this returns.

        Raises `RefusedError` for what the caller may not say, `TooManyError`, `UsageError`.
        """
        if not is_named(site, kind):
            raise UsageError(f"Neither a site nor a kind of status can be called so: both have {site_codes.RIGHT}.")
        if not self._open_sites.let(caller, site, SiteWork.STATUS):
            raise RefusedError(f"The status of site {site!r} is taken from its own software only, with a token.")
        self._limits.take(site=site, address=address)
        timestamp_ms = int(self._clock().timestamp() * 1000)
        timed = with_timestamps(kind, content, timestamp_ms)
        if len(orjson.dumps(timed)) > _LARGEST_BYTES:
            raise UsageError(f"The status is too large: with its times, at most {_LARGEST_BYTES} bytes are kept.")
        await self._storing.ask(_Said(site, kind, timed, timestamp_ms))

    async def _store(self, asked: Sequence[_Said]) -> Sequence[Exception | None]:
        """Store what was said, that of one kind by one write, in the order it came."""
        waiting: dict[str, list[int]] = defaultdict(list)
        for index, said in enumerate(asked):
            waiting[said.status_id].append(index)
        answers: list[Exception | None] = [None] * len(asked)
        for _ in range(_MOST_RACES):
            former = await self._former(waiting)
            writes = []
            for key, indexes in list(waiting.items()):
                write = await self._prepared([asked[index] for index in indexes], former.get(key))
                if isinstance(write, Exception):
                    for index in waiting.pop(key):
                        answers[index] = write
                else:
                    writes.append(write)
            lost = await self._written(writes)
            waiting = defaultdict(list, {key: waiting[key] for key in lost})
            if not waiting:
                return answers
        for index in (index for indexes in waiting.values() for index in indexes):
            answers[index] = TransientError("the status is being changed by too many at once")
        return answers

    async def _former(self, ids: Iterable[str]) -> dict[str, SiteStatus]:
        known = {each: status for each in ids if (status := self._known.get(each))}
        unknown = [each for each in ids if each not in known]
        found = await self._statuses.find_many(unknown) if unknown else []
        return {**known, **{each.status_id: each for each in found}}

    async def _prepared(self, said: Sequence[_Said], former: SiteStatus | None) -> Write | Exception:
        site, kind = said[0].site, said[0].kind
        if former is None and (problem := await self._no_room(site)):
            return problem
        now = self._clock()
        status: JsonObject = {} if former is None else orjson.loads(former.status)
        latest_ms = 0 if former is None else former.server_timestamp_ms
        for each in said:
            status = merged(kind, status, each.content, now=now, late=each.timestamp_ms < latest_ms)
            latest_ms = max(latest_ms, each.timestamp_ms)
        text = orjson.dumps(status)
        if len(text) > _LARGEST_BYTES:
            # Names that are never sent again would fill it for ever; what is sent now is what there is.
            status = merged(kind, {}, said[-1].content, now=now)
            text = orjson.dumps(status)
            _log.warning("status.begun_anew", site=site, kind=kind, size_bytes=len(text))
        return Write(
            SiteStatus(
                status_id=said[0].status_id,
                site=site,
                kind=kind,
                status=text.decode(),
                # Of two that follow each other the later one has the later time, whichever is told first.
                server_timestamp_ms=latest_ms if former is None else max(latest_ms, former.server_timestamp_ms + 1),
                wx_ok=weather_is_good(status) if kind == Kind.WEATHER else None,
                mark=new_id(),
            ),
            None if former is None else former.mark,
        )

    async def _no_room(self, site: str) -> Exception | None:
        if await self._statuses.count_of(site) >= _MOST_KINDS:
            return RefusedError(
                f"Site {site!r} has {_MOST_KINDS} kinds of status already, which is as many as are kept."
            )
        if await self._statuses.count_all() >= _MOST_STATUSES:
            return RefusedError(f"There are {_MOST_STATUSES} statuses already, as many as are kept.")
        return None

    async def _written(self, writes: Sequence[Write]) -> set[str]:
        lost = await self._statuses.write(writes)
        for each in writes:
            if each.status.status_id in lost:
                self._known.forget(each.status.status_id)
            else:
                self._known.put(each.status)
                self._teller.tell(each.status)
                await self._keep(each.status)
        return lost

    async def _keep(self, status: SiteStatus) -> None:
        """Keep the first status of each interval, unless it is several times what sites say."""
        interval = status.server_timestamp_ms // self._history_ms
        if self._kept.get(status.status_id) == interval or len(status.status) > _LARGEST_KEPT_BYTES:
            return
        snapshot = StatusSnapshot(
            snapshot_id=f"{status.status_id}/{interval}",
            site=status.site,
            kind=status.kind,
            status=status.status,
            server_timestamp_ms=status.server_timestamp_ms,
            kept_until=self._clock() + self._history_kept,
        )
        try:
            await self._statuses.keep(snapshot)
        except TransientError as error:  # the status itself is stored
            _log.warning("status.not_kept", site=status.site, kind=status.kind, reason=error.message)
        else:
            self._kept[status.status_id] = interval

    # --- reading ---------------------------------------------------------------------------------------------------

    async def status(self, site: str, kind: str) -> SiteStatus | None:
        """Return the status of a kind, None if there is none."""
        return await self._statuses.find(site, kind)

    async def complete(self, site: str) -> Mapping[str, Any]:
        """Return all kinds of a site as one."""
        found = await self._statuses.find_of(site)
        return combined([(each.kind, each.server_timestamp_ms, orjson.loads(each.status)) for each in found], site)

    async def history(self, site: str, kind: str, *, since_ms: int) -> Sequence[StatusSnapshot]:
        """Return what a status was since a moment, newest first."""
        return await self._statuses.history(
            site, kind, since_ms=since_ms, limit=_MOST_SNAPSHOTS, max_bytes=self._max_answer_bytes
        )

    async def open_statuses(self) -> Mapping[str, Any]:
        """Return of each site how old each kind is, and whether the weather is good, if a station says so."""
        read_at, ages = self._ages
        return ages if monotonic() < read_at + _AGES_S else await self._asking_ages.ask(None)

    async def _read_ages(self, asked: Sequence[None]) -> Sequence[Mapping[str, Any]]:
        now_s = self._clock().timestamp()
        sites: dict[str, dict[str, Any]] = defaultdict(dict)
        for each in await self._statuses.ages():
            sites[each.site][each.kind] = {"status_age_s": int(now_s - each.server_timestamp_ms / 1000)}
            if each.wx_ok is not None:
                sites[each.site]["wx_ok"] = each.wx_ok
        self._ages = (monotonic(), sites)
        return [sites] * len(asked)
