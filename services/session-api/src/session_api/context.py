"""The only place where the parts of the session API meet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from datalab.platform.bus.connection import Bus
from datalab.platform.bus.topology import check_topology
from datalab.platform.documents.client import DocumentStore
from datalab.platform.documents.outbox import OutboxRelay
from datalab.platform.health import Health
from datalab.platform.metrics import BusMetrics, OutboxMetrics, create_registry
from datalab.platform.objects.links import Links
from datalab.platform.objects.store import ObjectStore
from datalab.platform.tasks import end_tasks
from session_api.accounts.authentication import Authenticator
from session_api.accounts.repository import AccountRepository
from session_api.accounts.service import UserService
from session_api.analysis.runners import BusAnalysisRunners
from session_api.analysis.service import AnalysisService
from session_api.archive.repository import FrameReader
from session_api.feed.admission import FeedService
from session_api.feed.archive_news import FrameNews
from session_api.feed.hub import Feed
from session_api.feed.metrics import FeedMetrics
from session_api.feed.stream import BusFeedStream
from session_api.offers.reader import BusCatalogue
from session_api.operations.dependents import Dependents
from session_api.operations.input_finder import InputFinder
from session_api.operations.metrics import ApiMetrics
from session_api.operations.presenter import Presenter
from session_api.operations.projector import OperationProjector
from session_api.operations.repository import OperationRepository
from session_api.operations.requests import RequestBuilder
from session_api.operations.result_data import StoredResultData
from session_api.operations.service import OperationService
from session_api.operations.undeliverable import UndeliverableMessages
from session_api.operations.work_queues import BusWorkQueues
from session_api.sessions.reconciler import Reconciler
from session_api.sessions.repository import SessionRepository
from session_api.sessions.service import SessionService
from session_api.settings import SessionApiSettings

SERVICE = "session-api"


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Everything one process is made of. Handlers use the services; the rest is here to be started and stopped."""

    settings: SessionApiSettings
    registry: CollectorRegistry
    metrics: ApiMetrics
    health: Health
    bus: Bus
    store: DocumentStore
    objects: ObjectStore
    relay: OutboxRelay
    user_repository: AccountRepository
    session_repository: SessionRepository
    operation_repository: OperationRepository
    catalogue: BusCatalogue
    authenticator: Authenticator
    users: UserService
    sessions: SessionService
    operations: OperationService
    analysis: AnalysisService
    presenter: Presenter
    dependents: Dependents
    projector: OperationProjector
    undeliverable: UndeliverableMessages
    reconciler: Reconciler
    feed_hub: Feed
    feed: FeedService
    frame_news: FrameNews


def create_context(settings: SessionApiSettings) -> Context:
    """Put the parts together. Nothing is connected yet, so that the routes can be known without any server."""
    registry = create_registry()
    metrics = ApiMetrics(registry)
    bus = Bus(settings=settings, service=SERVICE, metrics=BusMetrics(registry))
    store = DocumentStore(settings)
    objects = ObjectStore(settings)
    database = store.database
    relay = OutboxRelay(bus=bus, metrics=OutboxMetrics(registry))
    user_repository = AccountRepository(database)
    session_repository = SessionRepository(database=database, relay=relay)
    operation_repository = OperationRepository(database=database, relay=relay)
    queues = BusWorkQueues(bus)
    catalogue = BusCatalogue(bus)
    finder = InputFinder(frames=FrameReader(database), operations=operation_repository)
    requests = RequestBuilder(finder=finder, operations=operation_repository)
    dependents = Dependents(operations=operation_repository, catalogue=catalogue, requests=requests, meter=metrics)
    projector = OperationProjector(operations=operation_repository, dependents=dependents, meter=metrics)
    links = Links(settings)
    admin_token = settings.admin_token
    authenticator = Authenticator(
        users=user_repository, admin_token=None if admin_token is None else admin_token.get_secret_value()
    )
    feed_metrics = FeedMetrics(registry)
    feed_hub = Feed(stream=BusFeedStream(bus), settings=settings, meter=feed_metrics)
    return Context(
        settings=settings,
        registry=registry,
        metrics=metrics,
        health=Health({"nats": bus.check, "mongo": store.check, "s3": objects.check}),
        bus=bus,
        store=store,
        objects=objects,
        relay=relay,
        user_repository=user_repository,
        session_repository=session_repository,
        operation_repository=operation_repository,
        catalogue=catalogue,
        authenticator=authenticator,
        users=UserService(users=user_repository),
        sessions=SessionService(sessions=session_repository, operations=operation_repository, dependents=dependents),
        operations=OperationService(
            operations=operation_repository,
            sessions=session_repository,
            catalogue=catalogue,
            requests=requests,
            dependents=dependents,
            meter=metrics,
        ),
        analysis=AnalysisService(
            finder=finder,
            runners=BusAnalysisRunners(bus=bus, max_answer_bytes=settings.analysis_max_answer_bytes),
            links=links,
            time_limit_s=settings.analysis_time_limit_s,
            concurrency=settings.analysis_concurrency,
        ),
        presenter=Presenter(
            links=links,
            data=StoredResultData(objects=objects, capacity_bytes=settings.result_cache_bytes),
        ),
        dependents=dependents,
        projector=projector,
        undeliverable=UndeliverableMessages(queues=queues, projector=projector, meter=metrics),
        reconciler=Reconciler(
            operations=operation_repository,
            sessions=session_repository,
            dependents=dependents,
            queues=queues,
            meter=metrics,
            stale_operation_s=settings.stale_operation_s,
            purge_after_s=settings.purge_after_s,
        ),
        feed_hub=feed_hub,
        feed=FeedService(
            feed=feed_hub,
            authenticator=authenticator,
            sessions=session_repository,
            settings=settings,
            meter=feed_metrics,
        ),
        frame_news=FrameNews(publisher=bus),
    )


@asynccontextmanager
async def running(context: Context) -> AsyncIterator[None]:
    """Connect and start everything; at the end, or when a start fails half way, stop it in reverse order.

    Raises `DatalabError` when a server is away or lacks the topology.
    """
    async with AsyncExitStack() as stack:
        stack.push_async_callback(context.objects.close)
        stack.push_async_callback(context.store.close)
        await context.store.check()
        for repository in (context.user_repository, context.session_repository, context.operation_repository):
            await repository.ensure_indexes()
        stack.push_async_callback(context.bus.close)
        await context.bus.connect()
        await check_topology(context.bus.jetstream)
        context.relay.start()
        stack.push_async_callback(context.relay.stop)
        await context.catalogue.start()
        stack.push_async_callback(context.catalogue.stop)
        stack.push_async_callback(context.feed_hub.stop)
        await context.feed_hub.start()
        await context.bus.start()
        reconciling = asyncio.create_task(
            context.reconciler.run(interval_s=context.settings.reconcile_interval_s), name="reconciler"
        )
        stack.push_async_callback(end_tasks, reconciling)
        yield
