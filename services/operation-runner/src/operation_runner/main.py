"""The runner as a program: works on what the bus brings, answers operators on HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Route

from datalab.platform.health import health_routes
from operation_runner.analysing.bus import responders
from operation_runner.context import build_context
from operation_runner.execution.bus import subscriptions
from operation_runner.execution.bus_cancellations import follow_cancellations
from operation_runner.settings import Settings


def create_app(settings: Settings) -> Starlette:
    """Return the ASGI application; everything begins and ends with its lifespan."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with build_context(settings) as context:
            app.router.routes.extend(Route(*route) for route in health_routes(context.health, context.registry))
            for subscription in subscriptions(context):
                context.bus.subscribe(subscription)
            cancellations = await follow_cancellations(context)
            await context.bus.start()
            for responder in responders(context):
                await context.bus.respond(responder)
            yield
            await cancellations.stop()

    return Starlette(lifespan=lifespan)
