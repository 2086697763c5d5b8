"""What changes something is counted and written down before it is done: who, what, when, and from where."""

from __future__ import annotations

import math
from collections.abc import Mapping
from time import monotonic
from typing import Final, Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from datalab.errors import TransientError
from datalab.platform.allowance import Allowance
from session_api.web.access import is_write, place_of, rules_for
from session_api.web.failures import TooManyError
from session_api.web.replies import transient_reply
from session_api.web.write_limits import network_of

_MINUTE_S: Final = 60.0
#: Parts of names of what opens something by itself; it stands in no record.
_SECRET: Final = ("token", "link", "key", "secret", "form", "password")
_LONGEST: Final = 200


class AuditLog(Protocol):
    """Keeps what was asked for."""

    async def begin(
        self, request_id: str, *, username: str, address: str, method: str, route: str, about: Mapping[str, str]
    ) -> None:
        """Keep that somebody asks for a change. Raises `TransientError`."""
        ...

    async def end(self, request_id: str, *, status: int) -> None:
        """Keep how it was answered, if that can be done now."""
        ...


class Writes:
    """ASGI middleware behind the authentication: nothing is changed that is not in the audit log.

    Each caller may change so much in a minute, in this process; whoever is not known, from their address. Of what is
    written down, those who are not known may ask far less: a year of it is kept, also of what they are refused.
    """

    def __init__(self, app: ASGIApp, *, audit: AuditLog, per_minute: int, unknown_per_minute: int) -> None:
        self._app = app
        self._audit = audit
        self._allowance = Allowance(per_s=per_minute / _MINUTE_S, burst_s=_MINUTE_S, clock=monotonic)
        self._unknown = Allowance(per_s=unknown_per_minute / _MINUTE_S, burst_s=_MINUTE_S, clock=monotonic)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not is_write(scope):
            await self._app(scope, receive, send)
            return
        audited = rules_for(scope).audited
        try:
            self._take(scope, audited=audited)
            if not audited:
                await self._app(scope, receive, send)
                return
            await self._begin(scope)
        except TransientError as error:
            await transient_reply(error)(scope, receive, send)
            return
        status = 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            await self._audit.end(scope["state"]["correlation_id"], status=status)

    def _take(self, scope: Scope, *, audited: bool) -> None:
        username, address = _username(scope), _address(scope)
        who = f"user {username}" if username else network_of(address)
        for allowance in (self._allowance, self._unknown) if audited and not username else (self._allowance,):
            if not allowance.take(who):
                wait_s = max(1, math.ceil(allowance.wait_s(who)))
                by = "you" if username else "your address"
                raise TooManyError(f"too many changes by {by} in a minute", retry_after_s=wait_s)

    async def _begin(self, scope: Scope) -> None:
        route, parameters = place_of(scope)
        await self._audit.begin(
            scope["state"]["correlation_id"],
            username=_username(scope),
            address=_address(scope),
            method=scope["method"][:16],
            route=route,
            about={
                name: str(value)[:_LONGEST]
                for name, value in parameters.items()
                if not any(part in name.lower() for part in _SECRET)
            },
        )


def _username(scope: Scope) -> str:
    user = scope["state"].get("user")
    return user.username if user else ""


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else ""
