"""The observation portal of an OCS over HTTP, asked whose a token is.

References:
    Observatory Control System, Observation Portal: `GET /api/profile/`.
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from time import monotonic
from typing import Annotated, Any, Final
from urllib.parse import urljoin

import httpx
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from datalab.errors import TransientError
from datalab.platform.allowance import Allowance
from datalab.platform.logging import get_logger
from datalab.platform.tasks import end_tasks

_log = get_logger(__name__)

_LARGEST_BYTES: Final = 2 * 1024**2
_MOST_KNOWN: Final = 10_000
#: Whoever makes up tokens has the portal asked no oftener, on average over half a minute.
_QUESTIONS_PER_S: Final = 10.0
_BURST_S: Final = 30.0
_AT_ONCE: Final = 8
_AWAY: Final = "the observation portal, which would know the token, does not answer"


class PortalProposal(BaseModel):
    """A proposal somebody is a member of."""

    id: str = Field(min_length=1, max_length=200)


class PortalProfile(BaseModel):
    """What the portal says of somebody, as far as we read it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    username: str = Field(pattern=r"^\w[\w.@+-]{0,149}$")
    proposals: Annotated[tuple[PortalProposal, ...], BeforeValidator(lambda said: said or ())] = Field(
        (), max_length=10_000
    )
    is_superuser: bool = False

    @property
    def proposal_ids(self) -> tuple[str, ...]:
        """The proposals by their names, in one order."""
        return tuple(sorted({each.id for each in self.proposals}))


@dataclass(frozen=True, slots=True)
class _Answer:
    profile: PortalProfile | None
    until: float


class ObservationPortal:
    """Asks once for each token, however many show it at the same time, and remembers the answer, also a no.

    Answers are known by the hash of the token, those it knows apart from those it does not: whoever makes up tokens
    neither has the others forgotten, nor stands in their way when they have to be asked for again. `transport` is for
    tests.
    """

    def __init__(
        self,
        *,
        url: str,
        timeout_s: float,
        keep_s: float,
        keep_unknown_s: float,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._url = urljoin(url.rstrip("/") + "/", "profile/")
        self._timeout_s = timeout_s
        self._keep_s, self._keep_unknown_s = keep_s, keep_unknown_s
        self._clock = clock
        # No redirects: the token would be sent wherever one leads.
        self._client = httpx.AsyncClient(timeout=timeout_s, transport=transport, follow_redirects=False)
        self._known: OrderedDict[str, _Answer] = OrderedDict()
        self._unknown: OrderedDict[str, _Answer] = OrderedDict()
        self._asking: dict[str, asyncio.Task[PortalProfile | None]] = {}
        self._allowance = Allowance(per_s=_QUESTIONS_PER_S, burst_s=_BURST_S, clock=clock)
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._places_of_known = asyncio.Semaphore(_AT_ONCE)

    async def start(self) -> None:
        """Nothing is asked before somebody shows a token."""

    async def stop(self) -> None:
        if self._asking:
            await end_tasks(*self._asking.values())
        await self._client.aclose()

    async def profile_of(self, token: str, *, token_hash: str) -> PortalProfile | None:
        """Return whose a token is, None if the portal knows nobody. Raises `TransientError` if it does not tell."""
        known = self._known.get(token_hash)
        answer = known or self._unknown.get(token_hash)
        if answer is not None and self._clock() < answer.until:
            return answer.profile
        asking = self._asking.get(token_hash)
        if asking is None:
            if known is None and not self._allowance.take(""):
                raise TransientError("many unknown tokens are being checked with the observation portal")
            places = self._places if known is None else self._places_of_known
            asking = self._asking[token_hash] = asyncio.create_task(self._ask(token, token_hash, places))
            asking.add_done_callback(lambda _: self._asking.pop(token_hash, None))
        # Who asked first may leave: the others wait for the same answer.
        return await asyncio.shield(asking)

    async def _ask(self, token: str, token_hash: str, places: asyncio.Semaphore) -> PortalProfile | None:
        try:
            async with asyncio.timeout(self._timeout_s), places:
                profile = await self._profile(token)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError, RecursionError) as error:
            _log.warning("accounts.portal_silent", url=self._url, reason=type(error).__name__)
            raise TransientError(_AWAY) from None  # nothing of the request, which has the token in it
        answers, keep_s = (self._unknown, self._keep_unknown_s) if profile is None else (self._known, self._keep_s)
        for each in (self._known, self._unknown):
            each.pop(token_hash, None)
        answers[token_hash] = _Answer(profile, self._clock() + keep_s)
        if len(answers) > _MOST_KNOWN:
            answers.popitem(last=False)
        return profile

    async def _profile(self, token: str) -> PortalProfile | None:
        """Raises `httpx.HTTPError`, `ValueError` for an answer that is none."""
        async with self._client.stream("GET", self._url, headers={"Authorization": f"Token {token}"}) as reply:
            if reply.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
                return None
            if reply.status_code != HTTPStatus.OK:
                raise ValueError(f"status {reply.status_code}")
            body = bytearray()
            async for part in reply.aiter_bytes():
                body += part
                if len(body) > _LARGEST_BYTES:
                    raise ValueError("too large")
        said: Any = json.loads(bytes(body))
        try:
            return PortalProfile.model_validate(said)
        except ValidationError:
            raise ValueError("no profile") from None
