"""Ingest as an application: it listens on the bus; over HTTP it only tells how it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Route

from datalab.platform.health import health_routes
from ingest.arrivals.bus import file_subscription
from ingest.context import build_context
from ingest.settings import Settings


def create_app(settings: Settings) -> Starlette:
    """Return the ASGI application; everything begins and ends with its lifespan."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with build_context(settings) as context:
            app.router.routes.extend(Route(*route) for route in health_routes(context.health, context.registry))
            context.bus.subscribe(
                file_subscription(
                    ingestion=context.ingestion,
                    bucket=settings.s3_bucket,
                    concurrency=settings.ingest_concurrency,
                )
            )
            await context.bus.start()
            yield

    return Starlette(lifespan=lifespan)
