import asyncio
import json

import httpx
import pytest
import structlog
from faststream.asgi import AsgiFastStream
from starlette.applications import Starlette
from starlette.routing import Route

from datalab.errors import TransientError
from datalab.platform.health import Health, health_routes
from datalab.platform.metrics import BusMetrics, create_registry


async def works():
    return


async def is_away():
    raise TransientError("no server at mongodb://datalab:hunter22@mongo:27017")


async def breaks():
    raise RuntimeError("password=hunter22")


async def hangs():
    await asyncio.Event().wait()


async def times_out_itself():
    raise TimeoutError("hunter22")


async def test_all_well_is_ready():
    report = await Health({"nats": works, "s3": works}).readiness()
    assert report.ready
    assert report.dependencies == {"nats": "ok", "s3": "ok"}


async def test_each_failure_has_a_reason_without_secrets():
    checks = {"bus": works, "mongo": is_away, "s3": hangs, "x": breaks, "y": times_out_itself}
    report = await Health(checks, timeout_s=0.02).readiness()
    assert not report.ready
    assert report.dependencies == {
        "bus": "ok",
        "mongo": "no server at mongodb://datalab:***@mongo:27017",
        "s3": "no answer within 0.02 s",
        "x": "RuntimeError",
        "y": "TimeoutError",
    }


async def test_what_a_foreign_error_says_goes_to_the_log():
    with structlog.testing.capture_logs() as logs:
        await Health({"mongo": is_away, "x": breaks}).readiness()
    (record,) = logs
    assert (record["event"], record["dependency"], record["log_level"]) == ("health.check_failed", "x", "warning")
    assert str(record["exc_info"]) == "password=hunter22"


async def test_a_long_reason_is_cut():
    async def explains_at_length():
        raise TransientError("x" * 10_000)

    report = await Health({"s3": explains_at_length}).readiness()
    assert len(report.dependencies["s3"]) == 200


async def test_checks_run_side_by_side():
    meeting = asyncio.Barrier(2)

    async def meets():
        await meeting.wait()

    report = await Health({"a": meets, "b": meets}, timeout_s=5).readiness()
    assert report.ready


async def test_a_check_past_its_time_is_cancelled():
    cancelled = asyncio.Event()

    async def hangs_and_tells():
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    await Health({"s3": hangs_and_tells}, timeout_s=0.02).readiness()
    assert cancelled.is_set()


def starlette_app(routes):
    return Starlette(routes=[Route(path, endpoint) for path, endpoint in routes])


def faststream_app(routes):
    return AsgiFastStream(asgi_routes=routes)


@pytest.fixture(params=[starlette_app, faststream_app])
def client_for(request):
    def make(health, registry=None):
        app = request.param(health_routes(health, registry or create_registry()))
        return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service")

    return make


async def test_alive_whatever_the_dependencies(client_for):
    async with client_for(Health({"mongo": is_away})) as client:
        reply = await client.get("/healthz")
    assert (reply.status_code, reply.json()) == (200, {"status": "alive"})
    assert int(reply.headers["content-length"]) == len(reply.content)


async def test_ready_and_not_ready(client_for):
    async with client_for(Health({"nats": works})) as client:
        reply = await client.get("/readyz")
    assert (reply.status_code, reply.json()) == (200, {"status": "ready", "dependencies": {"nats": "ok"}})
    async with client_for(Health({"nats": works, "s3": breaks})) as client:
        reply = await client.get("/readyz")
    assert reply.status_code == 503
    assert reply.json() == {"status": "not ready", "dependencies": {"nats": "ok", "s3": "RuntimeError"}}


async def test_metrics_are_those_of_the_given_registry(client_for):
    registry = create_registry()
    BusMetrics(registry).dead_letter("runner-fast")
    async with client_for(Health({}), registry) as client:
        reply = await client.get("/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=")
    assert 'datalab_bus_dead_letters_total{consumer="runner-fast"} 1.0' in reply.text


async def test_head_has_headers_only_and_other_methods_are_refused(client_for):
    async with client_for(Health({})) as client:
        head = await client.head("/healthz")
        post = await client.post("/healthz")
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) == len(json.dumps({"status": "alive"}))
    assert (post.status_code, post.headers["allow"]) == (405, "GET, HEAD")
