"""How a service is put together: a core that every capability may use, and the capabilities themselves.

A capability's `assembly.build(core)` is the only place where its parts meet; `running` starts all of them in one order
and stops them in reverse.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from prometheus_client import CollectorRegistry

from datalab.platform.bus.connection import Bus
from datalab.platform.bus.consuming import Subscription
from datalab.platform.bus.requests import Responder
from datalab.platform.bus.topology import check_topology
from datalab.platform.health import Health, HealthCheck
from datalab.platform.metrics import BusMetrics, create_registry
from datalab.platform.objects.store import ObjectStore
from datalab.platform.periodic import Periodic
from datalab.platform.presence import Presence
from datalab.platform.settings import ServiceSettings
from datalab.platform.tasks import end_tasks


class Part(Protocol):
    """What has to be started, and stopped at the end. A `start` may raise `DatalabError`: then nothing runs."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """What one capability brings into a service. All of it is optional.

    resources: started first, without the bus: processes, folders.
    indexes: make the indexes of its collections.
    parts: started when the bus is connected and before a message is taken: what reads or publishes at start.
    routes: what the web framework of the service takes.
    responders: asked for when the resources and parts run: what can be answered may only be known then.
    services: what the routes ask for, each by its class.
    """

    routes: Sequence[Any] = ()
    services: Sequence[object] = ()
    resources: Sequence[Part] = ()
    indexes: Sequence[Callable[[], Awaitable[None]]] = ()
    parts: Sequence[Part] = ()
    subscriptions: Sequence[Subscription[Any]] = ()
    responders: Callable[[], Sequence[Responder[Any]]] = tuple
    periodic: Sequence[Periodic] = ()
    checks: Mapping[str, HealthCheck] = field(default_factory=dict)


class Core:
    """One process's connections, and what it counts with. Nothing is connected before `running`."""

    def __init__(self, settings: ServiceSettings, *, service: str, graceful_timeout_s: float = 15.0) -> None:
        self.service = service
        self.registry: CollectorRegistry = create_registry()
        self.observed_from = settings.observed_from
        self.bus = Bus(
            settings=settings,
            service=service,
            metrics=BusMetrics(self.registry),
            graceful_timeout_s=graceful_timeout_s,
        )
        self.objects = ObjectStore(settings)

    @property
    def checks(self) -> dict[str, HealthCheck]:
        """What must answer for this process to be ready."""
        return {"bus": self.bus.check, "objects": self.objects.check}

    def health(self, capabilities: Sequence[Capability]) -> Health:
        """Return the health of a process with these capabilities."""
        added = {name: check for capability in capabilities for name, check in capability.checks.items()}
        return Health({**self.checks, **added})

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Connect what answers without being asked to listen: everything but the bus. Raises `TransientError`."""
        async with self.objects:
            yield

    @asynccontextmanager
    async def relaying(self) -> AsyncIterator[None]:
        """Publish events that documents hold; here there are none."""
        yield


@asynccontextmanager
async def running(core: Core, capabilities: Sequence[Capability]) -> AsyncIterator[None]:
    """Connect and start everything; at the end, or when a start fails half way, stop it in reverse order.

    Raises `DatalabError` when a server is away or lacks the topology.
    """
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(core.connected())
        for resource in _each(capabilities, "resources"):
            await _start(stack, resource)
        for ensure_indexes in _each(capabilities, "indexes"):
            await ensure_indexes()
        stack.push_async_callback(core.bus.close)
        await core.bus.connect()
        await check_topology(core.bus.jetstream)
        await stack.enter_async_context(core.relaying())
        for part in _each(capabilities, "parts"):
            await _start(stack, part)
        presence = Presence(bus=core.bus, service=core.service, health=core.health(capabilities))
        stack.push_async_callback(presence.stop)  # work that is in hand when no more is taken is still told of
        # Last events of work in hand are still relayed when no more is taken.
        stack.push_async_callback(core.bus.stop_consuming)
        for subscription in _each(capabilities, "subscriptions"):
            core.bus.subscribe(subscription)
        await core.bus.start()
        for capability in capabilities:
            for responder in capability.responders():
                await core.bus.respond(responder)
        tasks = [asyncio.create_task(work.repeat(), name=work.name) for work in _each(capabilities, "periodic")]
        stack.push_async_callback(end_tasks, *tasks)
        presence.start()
        yield


async def _start(stack: AsyncExitStack, part: Part) -> None:
    stack.push_async_callback(part.stop)  # first, so that what a failed start leaves behind is tidied up
    await part.start()


def _each(capabilities: Sequence[Capability], kind: str) -> list[Any]:
    return [each for capability in capabilities for each in getattr(capability, kind)]
