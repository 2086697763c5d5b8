"""Jobs: asked for by users, taken by the observatory of their site."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any, Final

from datalab.errors import NotFoundError, UsageError
from datalab.events import site_codes
from datalab.events.envelope import utc_now
from datalab.platform.documents.collection import until_won
from datalab.platform.logging import get_logger
from session_api.jobs.model import CANCEL_ALL, CANCELLED, RECEIVED, UNREAD, Job, JobQueue, new_ulid
from session_api.jobs.repository import JobRepository
from session_api.jobs.settings import JobSettings
from session_api.uploads.open_sites import OpenSites, SiteWork
from session_api.web.failures import RefusedError, TooManyError
from session_api.web.user import User

_log = get_logger(__name__)

#: An observatory asks every few seconds, and takes more the next time.
_MOST_HANDED_OUT: Final = 100
_MOST_SHOWN: Final = 1000
_RACES: Final = 20
_FULL_FOR_S: Final = 30


class JobService:
    """Any user may ask any observatory, which decides itself what it does; its site alone takes and answers."""

    def __init__(
        self, *, jobs: JobRepository, open_sites: OpenSites, settings: JobSettings, max_answer_bytes: int
    ) -> None:
        self._jobs = jobs
        self._open_sites = open_sites
        self._most_unread = settings.job_max_unread
        self._keep = timedelta(seconds=settings.keep_jobs_s)
        self._max_answer_bytes = max_answer_bytes

    async def add(self, caller: User, site: str, **what: str) -> Job:
        """Ask an observatory for something; `what` are the texts of the job. Raises `TooManyError`, `UsageError`."""
        _check_site(site)
        if what["action"] == CANCEL_ALL:
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

    async def hand_out(self, caller: User, site: str, queue: JobQueue, *, lease_s: float | None) -> list[Job]:
        """Return the jobs nobody has received, the first ones first, as they were before; now they are received.

        With `lease_s` they are new again after this time, unless something is said of them. Raises `RefusedError`,
        `UsageError`.
        """
        self._require_right(caller, site)
        now = utc_now()
        for job in await self._jobs.due_again(site, queue, now):
            await self._say(job, queue, UNREAD, only_if=RECEIVED)
        again_at = None if lease_s is None else now + timedelta(seconds=lease_s)
        found = await self._jobs.unread(site, queue, limit=_MOST_HANDED_OUT)
        before = [await self._say(job, queue, RECEIVED, only_if=UNREAD, again_at=again_at) for job in found]
        return [job for job in before if job is not None]

    async def say(
        self, caller: User, site: str, ulid: str, *, queue: JobQueue, status: str, seconds_until_complete: float
    ) -> Job:
        """Note what an observatory says of a job; `seconds_until_complete` is -1 if it cannot tell.

        Raises `NotFoundError`, `RefusedError`, `UsageError`.
        """
        self._require_right(caller, site)
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
        """Have nobody receive what was asked so far."""
        for queue in JobQueue:
            while found := await self._jobs.unread(site, queue, limit=_MOST_HANDED_OUT):
                await self._jobs.replace_all([job.spoken_of(queue, CANCELLED) for job in found])

    async def _say(
        self, job: Job, queue: JobQueue, status: str, *, only_if: str | None = None, **more: Any
    ) -> Job | None:
        """Give a job another status; return it as it was, None if it is gone, or not as it has to be."""
        known: Job | None = job

        async def turn() -> Job | None:
            nonlocal known
            present, known = known or await self._jobs.find(job.site, job.ulid), None
            if present is None or (only_if is not None and getattr(present, queue.value) != only_if):
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
