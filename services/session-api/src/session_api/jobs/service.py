"""Jobs: asked for by users, taken by the observatory of their site."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final

from datalab.errors import NotFoundError, TransientError, UsageError
from datalab.events import site_codes
from datalab.events.envelope import utc_now
from datalab.platform.documents.collection import LostRaceError, until_won
from datalab.platform.logging import get_logger
from session_api.jobs.model import CANCEL_ALL, CANCELLED, RECEIVED, UNREAD, Job, JobQueue, new_ulid
from session_api.jobs.repository import JobRepository
from session_api.jobs.settings import JobSettings
from session_api.uploads.open_sites import OpenSites, SiteWork
from session_api.web.failures import RefusedError, TooManyError
from session_api.web.user import User
from session_api.web.write_limits import WriteLimits

_log = get_logger(__name__)

#: An observatory asks every few seconds, and takes more the next time.
_MOST_HANDED_OUT: Final = 100
_MOST_SHOWN: Final = 1000
_RACES: Final = 20
_FULL_FOR_S: Final = 30


class JobService:
    """Any user may ask any observatory, which decides itself what it does; its site alone takes and answers."""

    def __init__(
        self,
        *,
        jobs: JobRepository,
        open_sites: OpenSites,
        limits: WriteLimits,
        calling_off: WriteLimits,
        settings: JobSettings,
        max_answer_bytes: int,
    ) -> None:
        """However many jobs there are, they can be called off: that has limits of its own."""
        self._jobs = jobs
        self._open_sites = open_sites
        self._limits = limits
        self._calling_off = calling_off
        self._most_unread = settings.job_max_unread
        self._keep = timedelta(seconds=settings.keep_jobs_s)
        self._max_answer_bytes = max_answer_bytes

    async def add(self, caller: User, site: str, *, address: str, **what: str) -> Job:
        """Ask an observatory for something; `what` are the texts of the job. Raises `TooManyError`, `UsageError`."""
        _check_site(site)
        calls_off = what["action"] == CANCEL_ALL
        (self._calling_off if calls_off else self._limits).take(site=site, address=address)
        if calls_off:
            await self._call_off(site)
        elif await self._jobs.count_unread(site, most=self._most_unread) >= self._most_unread:
            raise TooManyError(
                f"site {site} has {self._most_unread} jobs that its observatory has not asked for yet",
                retry_after_s=_FULL_FOR_S,
            )
        while True:
            sequence, timestamp_ms = await self._jobs.next_number(site)
            job = Job(
                ulid=new_ulid(timestamp_ms, sequence),
                site=site,
                sequence=sequence,
                timestamp_ms=timestamp_ms,
                # The observatory goes by them: what somebody says of themselves does not count.
                user_roles=("admin",) if caller.superuser else (),
                requested_by=caller.username,
                expires_at=utc_now() + self._keep,
                **what,
            )
            if await self._jobs.insert(job):
                break
        _log.info("jobs.asked", site=site, job=job.ulid, action=job.action[:100], requested_by=caller.username)
        return job

    async def hand_out(
        self, caller: User, site: str, queue: JobQueue, *, lease_s: float | None, address: str
    ) -> list[Job]:
        """Return the jobs nobody has received, the first ones first, as they were before; now they are received.

        With `lease_s` they are new again after this time, unless something is said of them. Raises `RefusedError`,
        `UsageError`.
        """
        self._require_right(caller, site)
        now = utc_now()
        for job in await self._jobs.due_again(site, queue, now):
            # Not one that somebody who asked at the same time has been given meanwhile.
            await self._say(job, queue, UNREAD, only_if=job.standing(queue))
        again_at = None if lease_s is None else now + timedelta(seconds=lease_s)
        given: list[Job] = []
        for job in await self._jobs.unread(site, queue, limit=_MOST_HANDED_OUT):
            try:
                self._limits.take(site=site, address=address)
            except TooManyError:
                break  # the others the next time: observatories read a list, whatever is the matter
            try:
                before = await self._say(job, queue, RECEIVED, only_if=(UNREAD, None), again_at=again_at)
            except TransientError:
                if not given:
                    raise
                break  # those that are received already are given to nobody else
            if before is not None:
                given.append(before)
        return given

    async def put_back(self, jobs: Sequence[Job], queue: JobQueue) -> None:
        """Make jobs new again that were handed out a moment ago, to somebody who has left before they were."""
        for job in jobs:
            with suppress(LostRaceError):  # something was said of it
                await self._jobs.replace(job.spoken_of(queue, RECEIVED).spoken_of(queue, UNREAD))

    async def say(
        self,
        caller: User,
        site: str,
        ulid: str,
        *,
        queue: JobQueue,
        status: str,
        seconds_until_complete: float,
        address: str,
    ) -> Job:
        """Note what an observatory says of a job; `seconds_until_complete` is -1 if it cannot tell.

        Raises `NotFoundError`, `RefusedError`, `TooManyError`, `UsageError`.
        """
        self._require_right(caller, site)
        self._limits.take(site=site, address=address)
        job = await self._jobs.find(site, ulid)
        if job is None:
            raise NotFoundError(f"Site {site} has no job {ulid[:100]!r}.")
        await self._say(job, queue, status, seconds_until_complete=seconds_until_complete)
        return job

    async def recent(self, site: str, *, within_s: float) -> list[Job]:
        """Return the jobs of a site that were asked for a short time ago, the newest ones if there are many.

        Raises `UsageError`.
        """
        _check_site(site)
        since_ms = round((utc_now().timestamp() - within_s) * 1000)
        return await self._jobs.recent(site, since_ms=since_ms, limit=_MOST_SHOWN, max_bytes=self._max_answer_bytes)

    async def _call_off(self, site: str) -> None:
        """Have nobody receive what was asked so far, nor again what was handed out for a time and not spoken of."""
        for queue in JobQueue:
            for find in (self._jobs.unread, self._jobs.lent):
                while found := await find(site, queue, limit=_MOST_HANDED_OUT):
                    await self._jobs.replace_all([job.spoken_of(queue, CANCELLED) for job in found])

    async def _say(
        self,
        job: Job,
        queue: JobQueue,
        status: str,
        *,
        only_if: tuple[str, datetime | None] | None = None,
        **more: Any,
    ) -> Job | None:
        """Give a job another status; return it as it was, None if it is gone, or not as it has to be.

        `only_if` is the status it has to have, and when it has to be new again.
        """
        known: Job | None = job

        async def turn() -> Job | None:
            nonlocal known
            present, known = known or await self._jobs.find(job.site, job.ulid), None
            if present is None or only_if not in {None, present.standing(queue)}:
                return None
            await self._jobs.replace(present.spoken_of(queue, status, **more))
            return present

        return await until_won(turn, races=_RACES, of=f"job {job.ulid}")

    def _require_right(self, caller: User, site: str) -> None:
        _check_site(site)
        if not self._open_sites.let(caller, site, SiteWork.JOBS):
            raise RefusedError(f"The jobs of site {site!r} are for its own software only, with a token.")


def _check_site(site: str) -> None:
    if not re.fullmatch(site_codes.PATTERN, site):
        raise UsageError(f"No site is called {site[:100]!r}: its code has {site_codes.RIGHT}.")
