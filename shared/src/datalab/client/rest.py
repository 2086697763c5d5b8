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
import json
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import aclosing
from http import HTTPStatus
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import quote
from uuid import uuid4

import httpx

from datalab.client.credentials import credentials
from datalab.client.patience import BRIEF_S, OnPause, patient

if TYPE_CHECKING:  # most who ask one question need no feed, and should not wait for its library
    from datalab.client.feed import FeedClient

JsonObject = dict[str, Any]

#: States of an operation that nothing follows.
ENDED: Final = frozenset({"COMPLETED", "FAILED", "CANCELLED"})
_TIMEOUT_S: Final = 30.0
#: What proxies before the API say by themselves, in a form of their own.
_PROXIES_SAY: Final = frozenset({413, 429})
#: Events tell of the end; this is how often it is looked for all the same, should they not.
_LOOK_S: Final = 10.0
#: Texts of the API that are part of its contract, and what they mean.
_KNOWN_TEXTS: Final = {
    "No DataSession matches the given query.": "There is no such session, or it is not yours.",
    "No DataOperation matches the given query.": "There is no such operation, or it is not yours.",
    "No Group matches the given query.": "There is no such group, or you are not in it.",
    "No User matches the given query.": "There is no such user.",
}


class DatalabApiError(Exception):
    """The API did not do what it was asked; the text says what it was asked, and what it answered."""


class ApiUnreachableError(DatalabApiError):
    """Nobody answers."""


class UnsendableError(DatalabApiError):
    """What is to be asked cannot be written as a request: a number that is none, a text that is no Unicode."""


class ApiRefusedError(DatalabApiError):
    """The answer is an error: `status` is that of HTTP, `body` what was said, JSON if it was, `reason` is in words."""

    def __init__(self, method: str, path: str, reply: httpx.Response) -> None:
        super().__init__(f"{method} {path}: {reply.status_code} {reply.text[:500]}")
        self.status = reply.status_code
        self.body: Any = _json(reply)
        self.reason = _in_words(self.body) or f"{method} {path} was answered with HTTP status {reply.status_code}"


class Datalab:
    """The REST API at `url`. Every method raises `ApiUnreachableError`, `ApiRefusedError` and `UnsendableError`."""

    def __init__(self, url: str, token: str | None, *, link: str | None = None) -> None:
        """Talk to the system at `url`; that of its API, which ends in `/api`, is as good.

        Without a token there is little to see: `health` and `version`; and, with a `link`, the session it opens.
        """
        self._url = url.rstrip("/").removesuffix("/api")
        self._token = token
        self._link = link
        #: For what has no method here; paths are relative to `/api/`.
        self.http = httpx.AsyncClient(
            base_url=f"{self._url}/api/",
            headers=credentials(token, link),
            timeout=_TIMEOUT_S,
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

    def feed(self, **told: Any) -> FeedClient:
        """Return a client of the feed, to be entered; `on_pause` and `on_return` are those of `FeedClient`."""
        from datalab.client.feed import FeedClient  # noqa: PLC0415 - see above

        url = f"{self._url.replace('http', 'ws', 1)}/api/feed"
        return FeedClient(url, token=self._token, link=self._link, **told)

    # --- sessions and operations ------------------------------------------------------------------------------

    async def sessions(self, *, shared: bool = False) -> list[JsonObject]:
        """Return your latest sessions, the newest first; with `shared` also those that others share with you."""
        params = {"shared": "include"} if shared else {}
        page: list[JsonObject] = (await self.call("GET", "datasessions/", params=params))["results"]
        return page

    async def session(self, session_id: int) -> JsonObject:
        """Return a session with its operations."""
        return await self.call("GET", f"datasessions/{session_id}/")

    async def session_of(self, operation_id: int) -> int | None:
        """Return the number of the session an operation of yours is in, None if there is no such operation."""
        async with aclosing(self.each("datasessions/")) as sessions:
            async for session in sessions:
                if any(operation["id"] == operation_id for operation in await self._all_operations(session)):
                    number: int = session["id"]
                    return number
        return None

    async def complete(self, session: JsonObject) -> JsonObject:
        """Return a session with all its operations: the API gives the latest with it, as many as fit."""
        return {**session, "operations": await self._all_operations(session)}

    async def _all_operations(self, session: JsonObject) -> list[JsonObject]:
        given: list[JsonObject] = session["operations"]
        return given if len(given) >= session["operations_count"] else await self.operations(session["id"])

    async def add_session(self, name: str, input_data: Sequence[JsonObject] = ()) -> JsonObject:
        """Make a session on some frames or outputs."""
        return await self.call("POST", "datasessions/", json={"name": name, "input_data": list(input_data)})

    async def delete_session(self, session_id: int) -> None:
        """Delete a session with its operations."""
        await self.call("DELETE", f"datasessions/{session_id}/")

    async def operations(self, session_id: int) -> list[JsonObject]:
        """Return the operations of a session."""
        return [operation async for operation in self.each(f"datasessions/{session_id}/operations/")]

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

    async def delete_operation(self, session_id: int, operation_id: int) -> None:
        """Delete an operation, stopping it if it runs."""
        await self.call("DELETE", f"datasessions/{session_id}/operations/{operation_id}/")

    async def ended(self, session_id: int, operation_id: int) -> JsonObject:
        """Wait until an operation has ended, and return it."""
        async with aclosing(self.states(session_id, operation_id)) as states:
            async for operation in states:
                ended = operation
        return ended

    async def states(self, session_id: int, operation_id: int) -> AsyncGenerator[JsonObject, None]:
        """Yield an operation as it is now, and again whenever there is news of it; the last time when it has ended.

        The feed tells when to look; what REST says is true.
        """
        operation = await self.operation(session_id, operation_id)
        if operation["state"] in ENDED:
            yield operation
            return
        async with self.feed() as feed:
            await feed.subscribe(sessions=[session_id])
            while True:
                operation = await self.operation(session_id, operation_id)
                yield operation
                if operation["state"] in ENDED:
                    return
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

    # --- sharing sessions -------------------------------------------------------------------------------------

    async def shares(self, session_id: int) -> JsonObject:
        """Return with whom a session of yours is shared: `shares`, and since when there is a `link`."""
        return await self.call("GET", f"datasessions/{session_id}/shares/")

    async def share_with_user(self, session_id: int, name: str, *, role: str = "viewer") -> JsonObject:
        """Share a session with a user, as a `viewer` or an `editor`; or change which of these they are."""
        path = _share_path(session_id, "users", name)
        return await self.call("PUT", path, json={"role": role}, repeat=True)

    async def share_with_group(self, session_id: int, group_id: int, *, role: str = "viewer") -> JsonObject:
        """Share a session with a group you are in, likewise."""
        path = _share_path(session_id, "groups", str(group_id))
        return await self.call("PUT", path, json={"role": role}, repeat=True)

    async def unshare_with_user(self, session_id: int, name: str) -> None:
        """Share a session with a user no longer. With your own name you leave one that is shared with you."""
        await self.call("DELETE", _share_path(session_id, "users", name))

    async def unshare_with_group(self, session_id: int, group_id: int) -> None:
        """Share a session with a group no longer."""
        await self.call("DELETE", _share_path(session_id, "groups", str(group_id)))

    async def make_link(self, session_id: int) -> str:
        """Return a link to a session, shown this once; one there was before opens nothing any more.

        Whoever has it may look at the session: `Datalab(url, None, link=link).session(session_id)`.
        """
        link: str = (await self.call("POST", f"datasessions/{session_id}/link/"))["link"]
        return link

    async def revoke_link(self, session_id: int) -> None:
        """Have the link to a session open nothing any more."""
        await self.call("DELETE", f"datasessions/{session_id}/link/", repeat=True)

    async def give_session(self, session_id: int, name: str) -> JsonObject:
        """Give a session away; you stay one of its editors."""
        return await self.call("PUT", f"datasessions/{session_id}/owner/", json={"user": name})

    async def groups(self) -> list[JsonObject]:
        """Return the groups you are in, by name."""
        return [group async for group in self.each("groups/")]

    async def group(self, group_id: int) -> JsonObject:
        """Return a group you are in."""
        return await self.call("GET", f"groups/{group_id}/")

    async def add_group(self, name: str) -> JsonObject:
        """Make a group of users, of which you are the first."""
        return await self.call("POST", "groups/", json={"name": name})

    async def rename_group(self, group_id: int, name: str) -> JsonObject:
        """Give a group of yours another name."""
        return await self.call("PATCH", f"groups/{group_id}/", json={"name": name}, repeat=True)

    async def add_member(self, group_id: int, name: str) -> JsonObject:
        """Add a user to a group of yours."""
        return await self.call("PUT", _member_path(group_id, name), repeat=True)

    async def remove_member(self, group_id: int, name: str) -> None:
        """Remove a user from a group of yours. With your own name you leave a group."""
        await self.call("DELETE", _member_path(group_id, name))

    async def give_group(self, group_id: int, name: str) -> JsonObject:
        """Make another member the owner of a group of yours."""
        return await self.call("PUT", f"groups/{group_id}/owner/", json={"user": name})

    async def delete_group(self, group_id: int) -> None:
        """Delete a group of yours; nothing is shared with its members by it any more."""
        await self.call("DELETE", f"groups/{group_id}/")

    # --- users, for superusers --------------------------------------------------------------------------------

    async def users(self) -> list[JsonObject]:
        """Return all users, by name."""
        return [user async for user in self.each("users/")]

    async def user(self, name: str) -> JsonObject:
        """Return a user."""
        return await self.call("GET", _user_path(name))

    async def add_user(self, name: str, *, proposals: Collection[str] = (), **rights: Any) -> str:
        """Add a user and return the first token, which is shown this once.

        `rights` are `superuser`, `operator`, `ingests`, `observatories`.
        """
        body = {"username": name, "proposals": list(proposals), **rights}
        token: str = (await self.call("POST", "users/", json=body))["token"]
        return token

    async def add_token(self, name: str, **wanted: Any) -> str:
        """Return another token of a user; older ones stay valid. `wanted` may be `scopes` and `lifetime_s`."""
        options: dict[str, Any] = {"json": wanted} if wanted else {}
        token: str = (await self.call("POST", f"{_user_path(name)}tokens/", **options))["token"]
        return token

    async def login_link(self, name: str) -> str:
        """Return an address that logs a user in once, in a browser. Needs an administrator's token."""
        made = await self.call("POST", f"{_user_path(name)}login-code/")
        return f"{self.http.base_url.copy_with(path='/')}#code={made['code']}"

    async def set_password(self, name: str, password: str) -> None:
        """Give a user a password, in the place of the former one."""
        await self.call("PUT", f"{_user_path(name)}password/", json={"password": password})

    async def choose_password(self, password: str, *, current: str | None) -> None:
        """Choose your own password; the current one is needed, if there is one."""
        await self.call("PUT", "profile/password/", json={"password": password, "current_password": current})

    async def audit_log(self, *, most: int, **filters: str) -> list[JsonObject]:
        """Return the latest changes, the newest first. `filters` are `username`, `since` and `until`."""
        page: list[JsonObject] = (await self.call("GET", "audit-log/", params={"limit": str(most), **filters}))[
            "results"
        ]
        return page

    async def revoke_tokens(self, name: str) -> None:
        """Make every token of a user invalid."""
        await self.call("DELETE", f"{_user_path(name)}tokens/")

    async def change_user(self, name: str, **changes: Any) -> JsonObject:
        """Change what is kept of a user: `active`, `proposals`, and the rights of `add_user`."""
        return await self.call("PATCH", _user_path(name), json=changes)

    async def delete_user(self, name: str) -> None:
        """Delete a user, with their sessions and operations."""
        await self.call("DELETE", _user_path(name))

    # --- sites ------------------------------------------------------------------------------------------------

    async def site_configuration(self, site: str, *, version: int | None = None) -> JsonObject:
        """Return what a site says of itself, or said when it was version `version`. Needs no token."""
        params = {} if version is None else {"version": version}
        answer = await self.call("GET", f"{_site_path(site)}config/", params=params)
        configuration: JsonObject = answer["configuration"]
        return configuration

    async def put_site_configuration(
        self, site: str, configuration: JsonObject, *, replaces: int | None = None
    ) -> list[str]:
        """Replace what a site says of itself; return what is odd about it.

        With `replaces`, only if that is still its version: else `ApiRefusedError` with status 412.
        """
        headers = {} if replaces is None else {"If-Match": f'"{replaces}"'}
        path = f"{_site_path(site)}config/"
        reply = await self.reply("PUT", path, patience_s=0, json=configuration, headers=headers)
        if not reply.is_success:
            raise ApiRefusedError("PUT", path, reply)
        warnings: list[str] = json.loads(reply.headers.get("X-Config-Warnings", "[]"))
        return warnings

    async def site_configuration_versions(self, site: str) -> list[JsonObject]:
        """Return which versions there are of what a site says of itself, newest first. Needs no token."""
        versions: list[JsonObject] = await self.decoded("GET", f"{_site_path(site)}config/versions/")
        return versions

    # --- the system itself ------------------------------------------------------------------------------------

    async def health(self) -> JsonObject:
        """Return whether the API can do its work: `status`, and `dependencies` by name. Needs no token."""
        try:
            return await self.call("GET", f"{self._url}/readyz", repeat=False)
        except ApiRefusedError as error:
            if error.status == HTTPStatus.SERVICE_UNAVAILABLE and isinstance(error.body, dict):
                return error.body
            raise

    async def version(self) -> str:
        """Return the version of the system. Needs no token."""
        described = await self.call("GET", "asyncapi.json")
        version: str = described["info"]["version"]
        return version

    # --- asking -----------------------------------------------------------------------------------------------

    async def call(
        self, method: str, path: str, *, repeat: bool | None = None, patience_s: float = BRIEF_S, **options: Any
    ) -> JsonObject:
        """Return the decoded answer, {} if it has no body. What is safe to `repeat`, as reading is, is repeated."""
        answer = await self.decoded(method, path, repeat=repeat, patience_s=patience_s, **options)
        if not isinstance(answer, dict):
            raise ApiUnreachableError(f"what answers at {self._url} is no Datalab")
        return answer

    async def decoded(
        self, method: str, path: str, *, repeat: bool | None = None, patience_s: float = BRIEF_S, **options: Any
    ) -> Any:
        """Return the decoded answer of a route that need not answer with an object."""
        patience_s = patience_s if (method == "GET" if repeat is None else repeat) else 0.0
        reply = await self.reply(method, path, patience_s=patience_s, **options)
        if reply.is_success:
            return _json(reply) if reply.content else {}
        if _is_anothers(reply):
            raise ApiUnreachableError(f"what answers at {self._url} is no Datalab (HTTP status {reply.status_code})")
        raise ApiRefusedError(method, path, reply)

    async def reply(
        self, method: str, path: str, *, patience_s: float, on_pause: OnPause = lambda _: None, **options: Any
    ) -> httpx.Response:
        """Return the answer as it came, also one that says no, once `patience_s` brings no other one."""
        try:
            request = self.http.build_request(method, path, **options)
        except ValueError as error:
            raise UnsendableError(f"{method} {path} cannot be sent: {error}") from error
        try:
            return await patient(lambda: self.http.send(request), patience_s=patience_s, on_pause=on_pause)
        except httpx.TransportError as error:
            raise ApiUnreachableError(f"the API at {self._url} does not answer: {error}") from error

    async def each(self, path: str) -> AsyncGenerator[JsonObject, None]:
        """Yield the entries of a list, page by page, however many there are."""
        offset = 0
        while True:
            page = await self.call("GET", path, params={"offset": offset})
            for entry in page["results"]:
                yield entry
            offset += len(page["results"])
            if page["next"] is None or not page["results"]:
                return


def _json(reply: httpx.Response) -> Any:
    """Return the decoded body, None if it is no JSON."""
    try:
        return reply.json()
    except ValueError:
        return None


def _is_anothers(reply: httpx.Response) -> bool:
    """Tell whether an error is of no Datalab: that says in JSON what is wrong."""
    ours = reply.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR or reply.status_code in _PROXIES_SAY
    return not ours and _json(reply) is None


def _in_words(body: Any) -> str:
    """Return what an error says, whichever of the API's forms it has: one text, or texts for each field."""
    if not isinstance(body, dict):
        return ""
    for key in ("error", "detail", "message"):
        text = body.get(key)
        if isinstance(text, str):
            return _KNOWN_TEXTS.get(text, text)
    fields = {name: texts if isinstance(texts, list) else [texts] for name, texts in body.items()}
    return "; ".join(f"{name}: {' '.join(map(str, texts))}" for name, texts in fields.items())


def _site_path(site: str) -> str:
    return f"{quote(site, safe='', errors='surrogateescape')}/"


def _user_path(name: str) -> str:
    return f"users/{_quoted(name)}/"


def _share_path(session_id: int, kind: str, name: str) -> str:
    return f"datasessions/{session_id}/shares/{kind}/{_quoted(name)}/"


def _member_path(group_id: int, name: str) -> str:
    return f"groups/{group_id}/members/{_quoted(name)}/"


def _quoted(name: str) -> str:
    # What a shell hands on need not be Unicode; that there is no such user is for the API to say.
    return quote(name, safe="", errors="surrogateescape")
