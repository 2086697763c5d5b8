"""Stars from the Gaia archive, over the IVOA Table Access Protocol (TAP 1.1, with UWS 1.1 jobs), kept for reuse.

A copy of each answer is kept in the object store under `gaia/`, for all runners. What an answer says is for
`datalab.astro.sky.gaia` to read, in the process that computes.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from contextlib import suppress
from datetime import timedelta
from functools import cache
from pathlib import Path

import httpx

from datalab.astro.sky.gaia_query import COLUMNS, MAX_STARS, RegionError, adql, region_name, shared_region
from datalab.astro.sky.region import SkyRegion
from datalab.errors import TransientError, UsageError
from datalab.events.envelope import utc_now
from datalab.events.object_keys import gaia_key
from datalab.platform.logging import get_logger
from datalab.platform.objects.errors import ObjectNotFoundError
from datalab.platform.objects.store import ObjectStore
from operation_runner.stars.votable import BadTableError, check_table

_log = get_logger(__name__)

#: Silence of the archive within one request; the query itself runs between requests.
_REQUEST_TIMEOUT_S = 30.0
#: Thanks are not worth waiting for longer.
_DELETE_TIMEOUT_S = 3.0
_FIRST_POLL_S, _LONGEST_POLL_S, _POLL_GROWTH = 0.1, 5.0, 1.5
#: `MAX_STARS` rows have 13 MB as the archive sends them, 42 MB in the wordiest serialization.
_MOST_BYTES = 64 * 1024**2
_MEDIA_TYPE = "application/x-votable+xml"
#: Phases of a UWS job from which it goes on by itself.
_UNFINISHED = frozenset({"PENDING", "QUEUED", "EXECUTING", "HELD", "SUSPENDED", "UNKNOWN"})
#: Copies are of one kind of question: whoever asks for other columns looks elsewhere.
_KIND = hashlib.sha256(f"{COLUMNS} {MAX_STARS}".encode()).hexdigest()[:8]


class _UnansweredError(Exception):
    """The archive answered, but not with stars; the text follows "the Gaia archive "."""


class GaiaArchive:
    """Implements the port `StarCatalogue`."""

    def __init__(self, *, store: ObjectStore, tap_url: str, timeout_s: float, cache_life: timedelta) -> None:
        self._store = store
        self._tap_url = tap_url.rstrip("/")
        self._timeout_s = timeout_s
        self._cache_life = cache_life

    async def fetch(self, region: SkyRegion, target: Path) -> None:
        """Write the Gaia DR3 stars of a region to `target`, a VOTable for `datalab.astro.sky.gaia.read_stars`.

        The file has some stars more than asked for: those of the region rounded outwards, which copies are named by.

        Raises `UsageError` if the region is too large, `TransientError` if the stars cannot be had now.
        """
        try:
            circle = shared_region(region)
        except RegionError as error:
            raise UsageError(str(error)) from error
        key = gaia_key(kind=_KIND, circle=region_name(circle))
        if await self._copied(key, target):
            return
        content = await self._asked(circle)
        await self._store.put_bytes(key, content, content_type=_MEDIA_TYPE)
        try:
            await asyncio.to_thread(target.write_bytes, content)
        except OSError as error:
            raise TransientError(f"the stars from Gaia could not be written to disk: {error.strerror}") from error

    async def _copied(self, key: str, target: Path) -> bool:
        try:
            copy = await self._store.fetch_file(key, target, max_bytes=_MOST_BYTES)
        except ObjectNotFoundError:
            return False
        return utc_now() - copy.modified_at < self._cache_life

    async def _asked(self, circle: SkyRegion) -> bytes:
        """Return the archive's answer, checked."""
        try:
            tls = await asyncio.to_thread(_tls)
            async with (
                asyncio.timeout(self._timeout_s),
                httpx.AsyncClient(verify=tls, timeout=_REQUEST_TIMEOUT_S, follow_redirects=True) as client,
            ):
                content = await _run_job(client, self._tap_url, adql(circle))
            await asyncio.to_thread(check_table, content, columns=COLUMNS)
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, _UnansweredError, BadTableError) as error:
            reason = self._reason(error)
            _log.warning("gaia.not_answered", reason=reason, circle=region_name(circle))
            raise TransientError(f"the Gaia archive {reason}") from error
        return content

    def _reason(self, error: Exception) -> str:
        match error:
            case TimeoutError():
                return f"did not answer within {self._timeout_s:g} seconds"
            case httpx.TimeoutException():
                return "did not answer in time"
            case httpx.HTTPStatusError():
                return f"answered with HTTP status {error.response.status_code}"
            case BadTableError():
                return f"sent {error}"
            case _UnansweredError():
                return str(error)
            case _:
                return f"could not be reached ({type(error).__name__})"


@cache
def _tls() -> ssl.SSLContext:
    """Read the certificates to trust, once: that takes a tenth of a second, too long for the event loop."""
    return httpx.create_ssl_context()


async def _run_job(client: httpx.AsyncClient, tap_url: str, query: str) -> bytes:
    """Have a query answered by an asynchronous job: the synchronous way of the archive stops at 2000 rows."""
    request = {"REQUEST": "doQuery", "LANG": "ADQL", "FORMAT": "votable", "MAXREC": str(MAX_STARS), "PHASE": "RUN"}
    created = await client.post(f"{tap_url}/async", data=request | {"QUERY": query}, follow_redirects=False)
    if not created.has_redirect_location:
        created.raise_for_status()
        raise _UnansweredError("did not accept the query")
    job = str(created.url.join(created.headers["Location"]))
    try:
        await _completed(client, job)
        return await _downloaded(client, f"{job}/results/result")
    finally:
        with suppress(httpx.HTTPError):
            await client.delete(job, timeout=_DELETE_TIMEOUT_S)


async def _completed(client: httpx.AsyncClient, job: str) -> None:
    pause_s = _FIRST_POLL_S
    while True:
        reply = await client.get(f"{job}/phase")
        phase = reply.raise_for_status().text.strip()
        if phase == "COMPLETED":
            return
        if phase not in _UNFINISHED:
            raise _UnansweredError(f"ended the query in the phase {phase[:20]!r}")
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * _POLL_GROWTH, _LONGEST_POLL_S)


async def _downloaded(client: httpx.AsyncClient, url: str) -> bytes:
    content = bytearray()
    async with client.stream("GET", url) as reply:
        reply.raise_for_status()
        async for chunk in reply.aiter_bytes():
            content += chunk
            if len(content) > _MOST_BYTES:
                raise _UnansweredError(f"sent more than {_MOST_BYTES} bytes")
    return bytes(content)
