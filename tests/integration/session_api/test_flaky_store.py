"""A document store on which many calls fail: nothing is answered with 500, nothing half done."""

import inspect
import random
from collections import Counter
from contextlib import suppress

import pytest

from datalab.errors import OutageError, TransientError
from datalab.events.operations import OperationFailed
from session_api.accounts.service import UserService
from session_api.feed.admission import FeedAdmission
from session_api.sessions.service import SessionService
from support.session_api import MEDIAN, archive, body_of, frame_document, made_by, running_world

SESSIONS = "/api/datasessions/"


class Flaky:
    """Fails the first call of each method, and some of the later ones; or does them and then fails."""

    def __init__(self, repository, *, after_the_fact=False):
        self._repository = repository
        self._after_the_fact = after_the_fact
        self._calls = Counter()
        self._random = random.Random(1)

    def __getattr__(self, name):
        method = getattr(self._repository, name)
        if not inspect.iscoroutinefunction(method):
            return method  # it asks nobody

        async def flaky(*args, **kwargs):
            self._calls[name] += 1
            fails = self._calls[name] == 1 or self._random.random() < 0.3
            if fails and not self._after_the_fact:
                raise OutageError("the document store does not answer")
            answer = await method(*args, **kwargs)
            if fails:
                raise OutageError("the document store does not answer")
            return answer

        return flaky


@pytest.fixture(scope="module")
async def world(module_settings_environment):
    async with running_world(module_settings_environment) as world:
        await world.add_user("alice")
        await world.describe(MEDIAN)
        await world.add_frames(frame_document("f1"), frame_document("f2"))
        yield world


@pytest.fixture
def flaky(world, monkeypatch):
    sessions = world.service(SessionService)
    for owner, ports in {
        world.service(FeedAdmission)._authenticator: ("_users",),
        world.service(UserService): ("_users",),
        sessions: ("_sessions", "_operations"),
        sessions._access: ("_sessions", "_groups"),
        sessions._deletion: ("_operations",),
        world.operations: ("_operations",),
        world.operations._dependents: ("_operations",),
        world.projector: ("_operations",),
        world.works["lost operations"].work.__self__: ("_operations",),
        world.works["deleted sessions"].work.__self__: ("_sessions",),
    }.items():
        for port in ports:
            monkeypatch.setattr(owner, port, Flaky(getattr(owner, port)))


async def persist(client, method, path, **options):
    """Send a request until it is answered with something else than 503; return the answer and how often it took."""
    for attempt in range(1, 100):
        reply = await client.request(method, path, **options)
        if reply.status_code != 503:
            return reply, attempt
        assert body_of(reply) == {"detail": "Temporarily unavailable: the document store does not answer."}
        assert reply.headers["Retry-After"] == "2"
    raise AssertionError("never answered")


async def test_every_step_of_a_session_comes_to_its_end(world, flaky):
    async with world.client("alice") as client:
        made, attempts = await persist(client, "POST", SESSIONS, json={"name": "S1", "input_data": [archive("f1")]})
        assert (made.status_code, attempts > 1) == (201, True)
        path = f"{SESSIONS}{body_of(made)['id']}/"
        changed, _ = await persist(client, "PATCH", path, json={"input_data": [archive("f2")]})
        assert body_of(changed)["input_data"] == [archive("f1"), archive("f2")]
        inputs = {"input_files": [archive("f1"), archive("f2")]}
        started, attempts = await persist(
            client, "POST", f"{path}operations/", json={"name": "Median", "input_data": inputs}
        )
        assert (started.status_code, attempts > 1) == (201, True)
        number = body_of(started)["id"]
        operation = f"{path}operations/{number}/"
        assert (await persist(client, "POST", f"{operation}cancel/"))[0].status_code == 200
        assert (await persist(client, "POST", f"{operation}retry/"))[0].status_code == 200
        listed, _ = await persist(client, "GET", SESSIONS)
        (session,) = body_of(listed)["results"]
        assert [each["id"] for each in session["operations"]] == [number]
        assert (await persist(client, "DELETE", operation))[0].status_code == 204
        second, _ = await persist(client, "POST", f"{path}operations/", json={"name": "Median", "input_data": inputs})
        assert second.status_code == 201
        assert (await persist(client, "DELETE", path))[0].status_code == 204
        for _ in range(80):
            with suppress(TransientError):
                await world.work("deleted sessions", "deleted operations")
        assert await world.database["operations"].count_documents({"deleted": False}) == 0
        assert await world.database["sessions"].count_documents({"deleted": False}) == 0


async def test_reports_are_taken_in_though_the_store_fails(world, flaky):
    async with world.client("alice") as client:
        made, _ = await persist(client, "POST", SESSIONS, json={"name": "S1"})
        session_id = body_of(made)["id"]
        path = f"{SESSIONS}{session_id}/operations/"
        inputs = {"input_files": [archive("f1"), archive("f2")]}
        started, _ = await persist(client, "POST", path, json={"name": "Median", "input_data": inputs})
        await world.succeed(client, session_id, body_of(started)["id"])


async def test_what_waits_starts_in_the_end_though_the_store_fails(world, flaky):
    async with world.client("alice") as client:
        made, _ = await persist(client, "POST", SESSIONS, json={"name": "S1"})
        session_id = body_of(made)["id"]
        path = f"{SESSIONS}{session_id}/operations/"
        numbers = []
        for _ in range(3):  # each waits for the one before
            inputs = {"input_files": [made_by(numbers[-1]) if numbers else archive("f1"), archive("f2")]}
            reply, _ = await persist(client, "POST", path, json={"name": "Median", "input_data": inputs})
            assert reply.status_code == 201, reply.text
            numbers.append(body_of(reply)["id"])
        report = OperationFailed(**await world.about(numbers[0]), kind="usage", message="No stars.")
        for _ in range(40):
            with suppress(TransientError):
                await world.projector.apply(report)
        looks = 0
        while await world.database["operations"].count_documents({"status": "WAITING"}):
            looks += 1
            assert looks < 100
            with suppress(TransientError):
                await world.work("waiting operations")
        assert looks > 0
        for number in numbers[1:]:
            failed = body_of((await persist(client, "GET", f"{path}{number}/"))[0])
            assert (failed["status"], failed["message"][-9:]) == ("FAILED", "No stars.")


async def test_lost_answers_do_not_start_an_operation_twice(world, monkeypatch):
    async with world.client("alice") as client:
        session_id = await world.session(client)
        service = world.operations
        monkeypatch.setattr(service, "_operations", Flaky(service._operations, after_the_fact=True))
        path = f"{SESSIONS}{session_id}/operations/"
        body = {"name": "Median", "input_data": {"input_files": [archive("f1"), archive("f2")]}}
        reply, attempts = await persist(client, "POST", path, json=body, headers={"Idempotency-Key": "once"})
        assert attempts > 1
        assert reply.status_code == 200
        assert await world.database["operations"].count_documents({"session_id": session_id}) == 1
        number = body_of(reply)["id"]
        assert [request.attempt for request in await world.requests(number)] == [1]
