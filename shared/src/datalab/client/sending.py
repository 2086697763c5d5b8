"""Sends files of a site over HTTP, as the software of observatories does: a form is asked for, then sent with the file.

Example::

    async with Datalab("http://127.0.0.1:8000", token=None) as api, SiteSender(api, site="tst") as sender:
        monitor = await sender.offer("tst-cam01-20261129-00000001-EX10.jpg")
        await sender.send(monitor, Path("tst-cam01-20261129-00000001-EX10.jpg"))
        print(await sender.fate(monitor.monitor))
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx

from datalab.client.patience import BRIEF_S, OnPause, patient
from datalab.client.rest import ApiRefusedError, ApiUnreachableError, Datalab, JsonObject

#: A store that is slow to take a large file says nothing for that long.
_TIMEOUT: Final = httpx.Timeout(30.0, read=300.0, write=60.0)
#: States of a file that nothing follows.
FINAL: Final = frozenset({"ingested", "unchanged", "refused", "kept"})
_MESSAGE: Final = re.compile(r"<Message>(.*?)</Message>", re.DOTALL)


class FileRefusedError(Exception):
    """The file is not taken, and will not be; the text says why."""


class NotAllowedError(Exception):
    """Files of this site are not taken from here, whichever they are; the text says what is needed."""


class FormSpentError(Exception):
    """The form is too old, or was used: another one has to be asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Where to send a file. `monitor` is the path that tells what becomes of it."""

    url: str
    fields: Mapping[str, str]
    monitor: str


class SiteSender:
    """Sends files of one site. Every method raises `ApiUnreachableError` when `patience_s` do not help.

    Less patience is had with a system that has never answered, but where there is no end to it.
    """

    def __init__(
        self,
        api: Datalab,
        *,
        site: str,
        patience_s: float = math.inf,
        on_pause: OnPause = lambda _: None,
        on_answer: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_pause` is told each time why something is waited for, `on_answer` that there is an answer."""
        self._api = api
        self._site = site
        self._patience_s = patience_s
        self._on_pause = on_pause
        self._on_answer = on_answer
        self._answered = False
        #: Without our token: a form goes to whichever server is named in it.
        self._anonymous = httpx.AsyncClient(timeout=_TIMEOUT)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._anonymous.aclose()

    async def offer(self, name: str, *, folder: str = "data", channel: int | None = None) -> Offer:
        """Ask where to send a file. Raises `FileRefusedError`, `NotAllowedError`."""
        body: JsonObject = {"object_name": name, "s3_directory": folder, "site": self._site}
        if channel is not None:
            body["info_channel"] = channel
        reply = await self._asked("POST", "upload", json=body)
        match reply.status_code:
            case HTTPStatus.OK:
                return _offer(reply, name)
            case HTTPStatus.UNAUTHORIZED:
                raise ApiRefusedError("POST", "upload", reply)
            case HTTPStatus.FORBIDDEN:
                raise NotAllowedError(reply.text)
            case _:
                raise FileRefusedError(_reason(reply))

    async def send(self, offer: Offer, path: Path) -> None:
        """Send the file; sent again with the same offer, nothing changes.

        Raises `FormSpentError`, `FileRefusedError`, `OSError` if it cannot be read.
        """

        async def send() -> httpx.Response:
            with path.open("rb") as file:
                return await self._anonymous.post(
                    offer.url, data=dict(offer.fields), files={"file": ("file", file, "application/octet-stream")}
                )

        try:
            reply = await patient(send, patience_s=self._patience_s, on_pause=self._on_pause)
        except httpx.TransportError as error:
            raise ApiUnreachableError(f"{offer.url} does not answer: {error}") from error
        self._on_answer()
        _demand_lasting("POST", offer.url, reply)
        if reply.status_code == HTTPStatus.FORBIDDEN:
            raise FormSpentError(_reason(reply))
        if not reply.is_success:
            raise FileRefusedError(_reason(reply))

    async def fate(self, monitor: str) -> JsonObject:
        """Return what has become of a file: `state`, `frame` or `reason`. Raises `FormSpentError` if nobody knows."""
        reply = await self._asked("GET", monitor)
        if reply.status_code == HTTPStatus.NOT_FOUND:
            raise FormSpentError(_reason(reply))
        if not reply.is_success:
            raise ApiRefusedError("GET", monitor, reply)
        fate: JsonObject = reply.json()
        return fate

    async def _asked(self, method: str, path: str, **options: Any) -> httpx.Response:
        endless = self._patience_s == math.inf
        patience_s = self._patience_s if self._answered or endless else BRIEF_S
        reply = await self._api.reply(method, path, patience_s=patience_s, on_pause=self._on_pause, **options)
        self._answered = True
        self._on_answer()
        _demand_lasting(method, path, reply)
        return reply


def _demand_lasting(method: str, path: str, reply: httpx.Response) -> None:
    """Raise `ApiRefusedError` for an answer that says nothing of the file: patience has ended."""
    passing = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
    if reply.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR or reply.status_code in passing:
        raise ApiRefusedError(method, path, reply)


def _offer(reply: httpx.Response, name: str) -> Offer:
    """Raises `ApiUnreachableError` for an answer that is none of ours."""
    try:
        offer = reply.json()
        # Only the path: through a proxy the server knows itself by another name than we do.
        monitor = httpx.URL(reply.links["monitor"]["url"]).path.rpartition("/")[2]
        return Offer(url=offer["url"], fields=offer["fields"], monitor=f"upload/form/{monitor}")
    except (ValueError, KeyError, TypeError) as error:
        raise ApiUnreachableError(f"what takes {name!r} is no Datalab of this version") from error


def _reason(reply: httpx.Response) -> str:
    """Return in words why not: bare text of the API, an object of it, or XML of an object store."""
    message = _MESSAGE.search(reply.text)
    if message:
        return message[1]
    try:
        said = reply.json()
    except ValueError:
        return reply.text[:500] or f"HTTP status {reply.status_code}"
    return str(said.get("detail", said)) if isinstance(said, dict) else str(said)
