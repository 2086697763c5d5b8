"""The ingest service as an application: it listens on the bus; over HTTP it only tells how it is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Route

from datalab.platform.bus import Subscription
from datalab.platform.health import health_routes
from ingest.context import Context, build_context
from ingest.handlers.bus_files import file_subscription
from ingest.settings import Settings


def create_app(settings: Settings) -> Starlette:
    """Return the application; everything is built when it starts."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with build_context(settings, subscriptions=_subscriptions) as context:
            app.router.routes.extend(
                Route(path, endpoint) for path, endpoint in health_routes(context.health, context.registry)
            )
            yield

    return Starlette(lifespan=lifespan)


def _subscriptions(context: Context) -> Sequence[Subscription[Any]]:
    return [
        file_subscription(
            ingestion=context.ingestion,
            bucket=context.settings.s3_bucket,
            concurrency=context.settings.ingest_concurrency,
        )
    ]
