"""Is the process alive, and can it do its work? Three plain ASGI endpoints that need no framework.

In Starlette: `app.router.routes.extend(Route(path, endpoint) for path, endpoint in health_routes(health, registry))`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from prometheus_client import CollectorRegistry

from datalab.errors import DatalabError
from datalab.platform.logging import get_logger, masked_text
from datalab.platform.metrics import exposition
from datalab.platform.observers import ObservedFrom, may_observe

#: Returns when the dependency works, raises when it does not.
HealthCheck: TypeAlias = Callable[[], Awaitable[None]]

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
AsgiApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_REASON_CHARACTERS: Final = 200  # one line in an orchestrator's event list

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ReadinessReport:
    """`dependencies` maps each name to "ok" or to a reason that may be shown to anyone."""

    ready: bool
    dependencies: dict[str, str]


class Health:
    """The named checks of one process, run side by side, each within `timeout_s` seconds."""

    def __init__(self, checks: Mapping[str, HealthCheck], *, timeout_s: float = 2.0) -> None:
        self._checks = dict(checks)
        self._timeout_s = timeout_s

    async def readiness(self) -> ReadinessReport:
        """Run every check and report; never raises for a failing one."""
        states = await asyncio.gather(*(self._state(name, check) for name, check in self._checks.items()))
        dependencies = dict(zip(self._checks, states, strict=True))
        return ReadinessReport(ready=all(state == "ok" for state in states), dependencies=dependencies)

    async def _state(self, name: str, check: HealthCheck) -> str:
        try:
            async with asyncio.timeout(self._timeout_s) as limit:
                await check()
        except DatalabError as error:
            return masked_text(error.message)[:MAX_REASON_CHARACTERS]
        except Exception as error:  # noqa: BLE001 a driver may raise anything; whatever it is, the answer is "not ready"
            if isinstance(error, TimeoutError) and limit.expired():
                return f"no answer within {self._timeout_s:g} s"
            # The text of a foreign error may hold an address or a credential: it goes to the log, its name to all.
            _log.warning("health.check_failed", dependency=name, exc_info=error)
            return type(error).__name__
        return "ok"


@dataclass(frozen=True, slots=True)
class Reply:
    """What an endpoint answers."""

    status: int
    body: bytes
    content_type: str


class GetEndpoint:
    """An ASGI 3 application that answers GET and HEAD on whatever path it is mounted.

    An object rather than a function: Starlette's `Route` takes a function for a request handler, an object for ASGI.
    """

    def __init__(self, answer: Callable[[], Awaitable[Reply]], *, to: ObservedFrom) -> None:
        self._answer = answer
        self._to = to

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 ASGI's signature
        allowed = scope["method"] in {"GET", "HEAD"}
        if not may_observe(scope, self._to):
            reply = _json_reply(403, {"detail": f"not for your address: DATALAB_OBSERVED_FROM is {self._to}"})
        else:
            reply = await self._answer() if allowed else _json_reply(405, {"detail": "Method Not Allowed"})
        headers = [
            (b"content-type", reply.content_type.encode()),
            (b"content-length", str(len(reply.body)).encode()),
            (b"cache-control", b"no-store"),
        ]
        if not allowed:
            headers.append((b"allow", b"GET, HEAD"))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else reply.body})


def health_routes(
    health: Health, registry: CollectorRegistry, *, observed_from: ObservedFrom = ObservedFrom.PRIVATE
) -> Sequence[tuple[str, AsgiApp]]:
    """Return `/healthz` (the event loop answers), `/readyz` (every dependency answers) and `/metrics`.

    The first says nothing, so anyone may ask; the others say how the system is, and make it work.
    """

    async def alive() -> Reply:
        return _json_reply(200, {"status": "alive"})

    async def ready() -> Reply:
        report = await health.readiness()
        return _json_reply(
            200 if report.ready else 503,
            {"status": "ready" if report.ready else "not ready", "dependencies": report.dependencies},
        )

    async def metrics() -> Reply:
        body, content_type = exposition(registry)
        return Reply(200, body, content_type)

    return [
        ("/healthz", GetEndpoint(alive, to=ObservedFrom.ANYONE)),
        ("/readyz", GetEndpoint(ready, to=observed_from)),
        ("/metrics", GetEndpoint(metrics, to=observed_from)),
    ]


def _json_reply(status: int, content: Mapping[str, object]) -> Reply:
    return Reply(status, json.dumps(content).encode(), "application/json")
