"""A client of the REST API, as one user.

Example::

    async with Datalab("http://127.0.0.1:8000", token) as datalab:
        frames = [{"source": "archive", "basename": name} for name in ("m31_1", "m31_2")]
        session = await datalab.add_session("First light", frames)
        operation = await datalab.start(session["id"], "Median", {"input_files": frames})
        finished = await datalab.ended(session["id"], operation["id"])

Everything is returned as the API says it: see `/api/openapi.json`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self
from uuid import uuid4

import httpx

if TYPE_CHECKING:  # most who ask one question need no feed, and should not wait for its library
    from datalab.client.feed import FeedClient

JsonObject = dict[str, Any]

#: States of an operation that nothing follows.
ENDED: Final = frozenset({"COMPLETED", "FAILED", "CANCELLED"})
_TIMEOUT_S: Final = 30.0
#: A request that is safe to repeat is sent again when its connection was lost, or the server is not available now.
_TRIES: Final = 4
_FIRST_RETRY_S: Final = 0.25
_TRY_AGAIN: Final = frozenset({502, 503, 504})
#: Events tell of the end; this is how often it is looked for all the same, should they not.
_LOOK_S: Final = 10.0


class DatalabApiError(Exception):
    """The API did not do what it was asked; the text says what it was asked, and what it answered."""


class ApiUnreachableError(DatalabApiError):
    """Nobody answers."""


class ApiRefusedError(DatalabApiError):
    """The answer is an error: `status` is that of HTTP, `body` what was said, JSON if it was."""

    def __init__(self, method: str, path: str, reply: httpx.Response) -> None:
        super().__init__(f"{method} {path}: {reply.status_code} {reply.text[:500]}")
        self.status = reply.status_code
        self.body: Any = reply.json() if reply.headers.get("content-type", "").startswith("application/json") else None


class Datalab:
    """The REST API at `url`. Every method raises `ApiUnreachableError` and `ApiRefusedError`."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url.rstrip("/")
        self._token = token
        #: For what has no method here; paths are relative to `/api/`.
        self.http = httpx.AsyncClient(
            base_url=f"{self._url}/api/", headers={"Authorization": f"Token {token}"}, timeout=_TIMEOUT_S
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.http.aclose()

    def as_user(self, token: str) -> Datalab:
        """Return the same API, as somebody else."""
        return Datalab(self._url, token)

    def feed(self) -> FeedClient:
        """Return a client of the feed, to be entered."""
        from datalab.client.feed import FeedClient  # noqa: PLC0415 - see above

        return FeedClient(f"{self._url.replace('http', 'ws', 1)}/api/feed", token=self._token)

    # --- sessions and operations ------------------------------------------------------------------------------

    async def sessions(self) -> list[JsonObject]:
        """Return your latest sessions, the newest first."""
        return await self._listed("datasessions/")

    async def add_session(self, name: str, input_data: Sequence[JsonObject] = ()) -> JsonObject:
        """Make a session on some frames or outputs."""
        return await self.call("POST", "datasessions/", json={"name": name, "input_data": list(input_data)})

    async def operations(self, session_id: int) -> list[JsonObject]:
        """Return the operations of a session."""
        return await self._listed(f"datasessions/{session_id}/operations/")

    async def operation(self, session_id: int, operation_id: int) -> JsonObject:
        """Return an operation, with signed links to what it made."""
        return await self.call("GET", f"datasessions/{session_id}/operations/{operation_id}/")

    async def start(self, session_id: int, name: str, input_data: Mapping[str, Any]) -> JsonObject:
        """Start an operation, once, however often the connection is lost meanwhile."""
        body = {"name": name, "input_data": dict(input_data)}
        key = {"Idempotency-Key": str(uuid4())}
        return await self.call("POST", f"datasessions/{session_id}/operations/", json=body, headers=key, repeat=True)

    async def cancel(self, session_id: int, operation_id: int) -> JsonObject:
        """Stop an operation."""
        return await self.call("POST", f"datasessions/{session_id}/operations/{operation_id}/cancel/")

    async def retry(self, session_id: int, operation_id: int) -> JsonObject:
        """Run an operation again that failed or was cancelled."""
        return await self.call("POST", f"datasessions/{session_id}/operations/{operation_id}/retry/")

    async def ended(self, session_id: int, operation_id: int) -> JsonObject:
        """Wait until an operation has ended, and return it. The feed tells when to look; what REST says is true."""
        async with self.feed() as feed:
            await feed.subscribe(sessions=[session_id])
            while True:
                operation = await self.operation(session_id, operation_id)
                if operation["state"] in ENDED:
                    return operation
                try:
                    async with asyncio.timeout(_LOOK_S):
                        while getattr((await anext(feed)).event, "operation_id", None) != operation_id:
                            pass
                except TimeoutError:
                    continue

    async def available_operations(self) -> dict[str, JsonObject]:
        """Return what can be computed, by name, as forms are drawn from it."""
        return await self.call("GET", "available_operations/")

    async def analyse(self, action: str, basename: str, **parameters: Any) -> JsonObject:
        """Return what an analysis action says of a file."""
        return await self.call("POST", f"analysis/{action}/", json={"basename": basename, **parameters})

    async def download(self, link: str) -> bytes:
        """Return what a signed link leads to; the link alone is enough."""
        async with httpx.AsyncClient(timeout=_TIMEOUT_S) as anonymous:
            reply = await anonymous.get(link)
        if not reply.is_success:
            raise ApiRefusedError("GET", link.partition("?")[0], reply)
        return reply.content

    # --- users, for superusers --------------------------------------------------------------------------------

    async def users(self) -> list[JsonObject]:
        """Return the users."""
        return await self._listed("users/")

    async def add_user(self, name: str, *, proposals: Collection[str] = (), superuser: bool = False) -> str:
        """Add a user and return the first token, which is shown this once."""
        body = {"username": name, "proposals": list(proposals), "superuser": superuser}
        token: str = (await self.call("POST", "users/", json=body))["token"]
        return token

    async def add_token(self, name: str) -> str:
        """Return another token of a user; older ones stay valid."""
        token: str = (await self.call("POST", f"users/{name}/tokens/"))["token"]
        return token

    async def change_user(self, name: str, **changes: Any) -> JsonObject:
        """Change what is kept of a user."""
        return await self.call("PATCH", f"users/{name}/", json=changes)

    # --- asking -----------------------------------------------------------------------------------------------

    async def call(self, method: str, path: str, *, repeat: bool | None = None, **options: Any) -> JsonObject:
        """Return the decoded answer, {} if it has no body. What is safe to `repeat`, as reading is, is repeated."""
        tries = _TRIES if (method == "GET" if repeat is None else repeat) else 1
        delay_s = _FIRST_RETRY_S
        while True:
            tries -= 1
            try:
                reply = await self.http.request(method, path, **options)
            except httpx.TransportError as error:
                if not tries or isinstance(error, httpx.UnsupportedProtocol):
                    raise ApiUnreachableError(f"the API does not answer: {error}") from error
            else:
                if reply.is_success:
                    answer: JsonObject = reply.json() if reply.content else {}
                    return answer
                if not tries or reply.status_code not in _TRY_AGAIN:
                    raise ApiRefusedError(method, path, reply)
            await asyncio.sleep(delay_s)
            delay_s *= 2

    async def _listed(self, path: str) -> list[JsonObject]:
        results: list[JsonObject] = (await self.call("GET", path))["results"]
        return results
