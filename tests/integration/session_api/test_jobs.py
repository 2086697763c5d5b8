"""Jobs: asked for by the user interface, received once by the observatory, told on the datastream."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from websockets.asyncio.client import connect

from datalab.errors import OutageError
from session_api.jobs.service import JobService
from session_api.web.write_limits import WriteLimits
from support.pipe_clients import JobTaker
from support.session_api import body_of, running_world
from support.waiting import PATIENCE_S

ASKED = {
    "site": "tst",
    "device": "camera",
    "instance": "camera1",
    "action": "expose",
    "user_name": "Ada",
    "user_id": "google-oauth2|1",
    "user_roles": ["admin"],
    "optional_params": {"bin": "1,1", "a.b": None},
    "required_params": {"time": "1", "$x": 2.5},
}


@pytest.fixture(scope="module")
async def world(module_settings_environment):
    limits = {"job_max_unread": 20}
    async with running_world(module_settings_environment, open_upload_sites=["tst"], **limits) as world:
        await world.add_user("ada")
        await world.add_user("root", superuser=True)
        await world.add_user("cam", ingests=["abc"])
        yield world


@pytest.fixture
async def ada(world):
    """The user interface of somebody; nobody has asked for anything."""
    await world.database["jobs"].delete_many({})
    async with world.client("ada") as client:
        yield client


@pytest.fixture
def site(world):
    return JobTaker(world.url, "tst")


async def ask(client, **more):
    reply = await client.post("/jobs/newjob", json={**ASKED, **more})
    assert reply.status_code == 200, reply.text
    return body_of(reply)


async def received(client, site="tst", **more):
    params = {"lease_s": more.pop("lease_s")} if "lease_s" in more else {}
    reply = await client.post("/jobs/getnewjobs", content=json.dumps({"site": site, **more}), params=params)
    assert reply.status_code == 200, reply.text
    return body_of(reply)


async def end_leases(world):
    """Have the time end for which jobs were handed out."""
    ago = datetime.now(UTC) - timedelta(seconds=1)
    await world.database["jobs"].update_many({"status_again_at": {"$ne": None}}, {"$set": {"status_again_at": ago}})


async def test_a_job_is_answered_with_what_is_stored(ada):
    job = await ask(ada)
    stored = job.pop("table_response")["ResponseMetadata"]
    assert (stored["HTTPStatusCode"], stored["RetryAttempts"]) == (200, 0)
    ulid = job["ulid"]
    assert job == {
        "site": "tst",
        "ulid": ulid,
        "statusId": f"UNREAD#{ulid}",
        "replicaStatusId": f"UNREAD#{ulid}",
        "user_name": "Ada",
        "user_id": "google-oauth2|1",
        "user_roles": [],  # what somebody says of themselves does not count
        "timestamp_ms": job["timestamp_ms"],
        "deviceType": "camera",
        "deviceInstance": "camera1",
        "action": "expose",
        "optional_params": ASKED["optional_params"],
        "required_params": ASKED["required_params"],
    }
    assert abs(job["timestamp_ms"] - datetime.now(UTC).timestamp() * 1000) < 60_000
    assert await received(ada) == [job]


async def test_the_roles_are_those_of_the_account(world, ada):
    async with world.client("root") as root:
        assert (await ask(root))["user_roles"] == ["admin"]


async def test_an_observatory_gets_each_job_once_in_order_and_says_how_far_it_is(ada, site):
    asked = [(await ask(ada, action=f"a{number}"))["ulid"] for number in range(7)]
    found = await asyncio.to_thread(site.new_jobs)
    assert [job["ulid"] for job in found] == asked == sorted(asked)
    assert await asyncio.to_thread(site.new_jobs) == []
    reply = await asyncio.to_thread(site.say, asked[0], "EXPOSING", 5)
    assert reply.status_code == 200
    said = reply.json()
    assert said.pop("ResponseMetadata")["HTTPStatusCode"] == 200
    assert said == {"ulid": asked[0], "statusId": f"EXPOSING#{asked[0]}", "secondsUntilComplete": 5}
    recent = body_of(await ada.post("/jobs/getrecentjobs", json={"site": "tst"}))
    assert [job["ulid"] for job in recent] == asked
    assert (recent[0]["statusId"], recent[0]["secondsUntilComplete"]) == (f"EXPOSING#{asked[0]}", 5)
    assert recent[1]["statusId"] == f"RECEIVED#{asked[1]}"


async def test_of_many_who_ask_at_once_each_job_goes_to_one(world, ada):
    asked = {(await ask(ada))["ulid"] for _ in range(15)}
    answers = await asyncio.gather(*(received(ada) for _ in range(8)))
    got = [job["ulid"] for answer in answers for job in answer]
    assert sorted(got) == sorted(asked)
    for answer in answers:
        assert [job["ulid"] for job in answer] == sorted(job["ulid"] for job in answer)


async def test_the_two_queues_of_a_site_do_not_know_each_other(ada):
    ulid = (await ask(ada))["ulid"]
    (job,) = await received(ada, alternateQueue=True)
    assert job["ulid"] == ulid
    assert await received(ada, alternateQueue=True) == []
    assert [job["ulid"] for job in await received(ada)] == [ulid]
    body = {"site": "tst", "ulid": ulid, "newStatus": "COMPLETE", "alternateQueue": True}
    assert body_of(await ada.post("/jobs/updatejobstatus", json=body))["secondsUntilComplete"] == -1
    (job,) = body_of(await ada.post("/jobs/getrecentjobs", json={"site": "tst"}))
    assert (job["statusId"], job["replicaStatusId"]) == (f"RECEIVED#{ulid}", f"COMPLETE#{ulid}")


async def test_what_was_received_for_a_time_and_never_spoken_of_comes_again(world, ada):
    first, second = [(await ask(ada))["ulid"] for _ in range(2)]
    assert len(await received(ada, lease_s=3600)) == 2
    await ada.post("/jobs/updatejobstatus", json={"site": "tst", "ulid": second, "newStatus": "STARTED"})
    assert await received(ada) == []
    for _ in range(2):
        await end_leases(world)
        assert [job["ulid"] for job in await received(ada)] in ([first], [])
    assert await received(ada) == []


async def test_calling_all_off_leaves_what_comes_after(ada):
    former = [(await ask(ada))["ulid"] for _ in range(3)]
    off = (await ask(ada, action="cancel_all_commands"))["ulid"]
    after = (await ask(ada))["ulid"]
    assert [job["ulid"] for job in await received(ada)] == [off, after]
    recent = body_of(await ada.post("/jobs/getrecentjobs", json={"site": "tst"}))
    assert [job["statusId"] for job in recent][:3] == [f"CANCELED#{ulid}" for ulid in former]


async def test_what_is_called_off_does_not_come_again_when_its_time_is_over(world, ada):
    lent = (await ask(ada))["ulid"]
    await received(ada, lease_s=3600)
    off = (await ask(ada, action="cancel_all_commands"))["ulid"]
    await end_leases(world)
    assert [job["ulid"] for job in await received(ada)] == [off]
    (former, _) = body_of(await ada.post("/jobs/getrecentjobs", json={"site": "tst"}))
    assert (former["ulid"], former["statusId"]) == (lent, f"CANCELED#{lent}")


async def test_what_comes_again_goes_to_one_of_those_who_ask_at_once(world, ada, monkeypatch):
    asked = (await ask(ada))["ulid"]
    await received(ada, lease_s=3600)
    await end_leases(world)
    jobs = world.service(JobService)._jobs
    due_again = jobs.due_again
    others = []

    async def another_is_faster(*args):
        found = await due_again(*args)
        if not others:
            others.append(None)
            others.append(await received(ada, lease_s=3600))
        return found

    monkeypatch.setattr(jobs, "due_again", another_is_faster)
    assert await received(ada, lease_s=3600) == []
    assert [job["ulid"] for job in others[1]] == [asked]


async def test_what_was_received_before_the_store_failed_is_handed_out(world, ada, monkeypatch):
    asked = [(await ask(ada))["ulid"] for _ in range(3)]
    jobs = world.service(JobService)._jobs
    replace, left = jobs.replace, [2]

    async def flaky(job):
        if not left[0]:
            monkeypatch.setattr(jobs, "replace", replace)
            raise OutageError("the document store does not answer")
        left[0] -= 1
        await replace(job)

    monkeypatch.setattr(jobs, "replace", flaky)
    assert [job["ulid"] for job in await received(ada)] == asked[:2]
    assert [job["ulid"] for job in await received(ada)] == asked[2:]


async def test_who_leaves_before_the_answer_has_received_nothing(world, ada, monkeypatch):
    asked = [(await ask(ada))["ulid"] for _ in range(2)]
    service = world.service(JobService)
    hand_out, put_back, done = service.hand_out, service.put_back, asyncio.Event()

    async def late(*args, **kwargs):
        found = await hand_out(*args, **kwargs)
        await asyncio.sleep(0.7)
        return found

    async def noted(*args):
        await put_back(*args)
        done.set()

    monkeypatch.setattr(service, "hand_out", late)
    monkeypatch.setattr(service, "put_back", noted)
    async with world.client("ada") as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.post("/jobs/getnewjobs", json={"site": "tst"}, params={"lease_s": 9}, timeout=0.3)
    async with asyncio.timeout(PATIENCE_S):
        await done.wait()
    monkeypatch.undo()
    assert [job["ulid"] for job in await received(ada)] == asked


async def test_a_site_whose_observatory_is_away_has_a_limit(ada):
    for _ in range(20):
        await ask(ada)
    reply = await ada.post("/jobs/newjob", json=ASKED)
    assert (reply.status_code, "has not asked for" in body_of(reply)["detail"]) == (429, True)
    await ask(ada, action="cancel_all_commands")  # always


async def test_changes_of_jobs_are_told_on_the_feed_so_there_are_only_so_many(world, ada, monkeypatch):
    ulids = [(await ask(ada))["ulid"] for _ in range(3)]
    few = WriteLimits(what="changes of jobs", site_per_minute=3, address_per_minute=10)
    monkeypatch.setattr(world.service(JobService), "_limits", few)
    said = {"site": "tst", "ulid": ulids[0], "newStatus": "STARTED"}
    assert (await ada.post("/jobs/updatejobstatus", json=said)).status_code == 200
    assert [job["ulid"] for job in await received(ada)] == ulids[1:3]  # the first was spoken of
    for reply in (
        await ada.post("/jobs/updatejobstatus", json=said),
        await ada.post("/jobs/newjob", json=ASKED),
    ):
        assert (reply.status_code, "changes of jobs" in body_of(reply)["detail"]) == (429, True)
    off = (await ask(ada, action="cancel_all_commands"))["ulid"]  # always
    assert await received(ada) == []  # in a while
    monkeypatch.undo()
    assert [job["ulid"] for job in await received(ada)] == [off]


async def test_no_job_is_earlier_than_the_one_before_it(world, ada):
    first = await ask(ada)
    await world.database["job_numbers"].update_one({"_id": "tst"}, {"$inc": {"moment_ms": 30_000}})
    ahead, next_one = await ask(ada), await ask(ada)
    assert first["timestamp_ms"] + 30_000 <= ahead["timestamp_ms"] == next_one["timestamp_ms"]
    assert ahead["ulid"] < next_one["ulid"]
    await world.database["job_numbers"].update_one({"_id": "tst"}, {"$inc": {"moment_ms": 10**9}})
    assert (await ask(ada))["timestamp_ms"] < ahead["timestamp_ms"]  # a clock that was wrong is not followed for ever


@pytest.mark.parametrize("missing", [name for name in ASKED if name != "user_roles"])
async def test_what_is_missing_is_told_in_the_words_clients_know(ada, missing):
    body = {name: value for name, value in ASKED.items() if name != missing}
    reply = await ada.post("/jobs/newjob", json=body)
    assert (reply.status_code, reply.text) == (400, f"Error: missing required key {missing}")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("newjob", {**ASKED, "site": "a.b"}),
        ("newjob", {**ASKED, "action": "x" * 257}),
        ("newjob", {**ASKED, "required_params": "x" * 40_000}),
        ("getnewjobs", {}),
        ("getnewjobs", {"site": "datalab.>"}),
        ("updatejobstatus", {"site": "tst", "ulid": "x"}),
        ("updatejobstatus", {"site": "tst", "ulid": "x", "newStatus": "A#B"}),
        ("updatejobstatus", {"site": "tst", "ulid": "x", "newStatus": "A", "secondsUntilComplete": "soon"}),
        ("getrecentjobs", {"site": "tst", "timeRange": "x"}),
    ],
)
async def test_what_is_no_request_is_told_of(ada, path, body):
    assert (await ada.post(f"/jobs/{path}", json=body)).status_code == 400


async def test_a_job_nobody_knows_is_not_made_by_speaking_of_it(ada):
    reply = await ada.post("/jobs/updatejobstatus", json={"site": "tst", "ulid": "01X", "newStatus": "STARTED"})
    assert (reply.status_code, reply.text) == (404, "Site tst has no job '01X'.")


async def test_only_users_ask_and_only_the_site_itself_receives(world, ada):
    async with world.client() as anybody, world.client("cam") as cam:
        assert (await anybody.post("/jobs/newjob", json=ASKED)).status_code == 401
        await ask(ada, site="abc")
        for client in (anybody, ada):
            reply = await client.post("/jobs/getnewjobs", json={"site": "abc"})
            assert (reply.status_code, "its own software only" in reply.text) == (403, True)
        assert len(await received(cam, "abc")) == 1


async def test_the_datastream_tells_each_change_of_a_job(world, ada):
    url = world.url.replace("http", "ws")
    async with connect(f"{url}/dev?site=tst", proxy=None) as listener, asyncio.timeout(PATIENCE_S):

        async def heard():
            frame = json.loads(await listener.recv())
            assert (frame.pop("site"), frame.pop("topic"), list(frame)) == ("tst", "jobs", ["data"])
            return frame["data"]

        job = await ask(ada)
        job.pop("table_response")
        assert await heard() == job
        await received(ada)
        assert (await heard())["statusId"] == f"RECEIVED#{job['ulid']}"
        body = {"site": "tst", "ulid": job["ulid"], "newStatus": "COMPLETE", "secondsUntilComplete": 0}
        await ada.post("/jobs/updatejobstatus", json=body)
        last = await heard()
        assert (last["statusId"], last["secondsUntilComplete"]) == (f"COMPLETE#{job['ulid']}", 0)


async def test_who_speaks_of_a_job_at_the_same_time_loses_nothing(world, ada):
    ulid = (await ask(ada))["ulid"]
    body = {"site": "tst", "ulid": ulid, "newStatus": "EXPOSING"}
    replies = await asyncio.gather(
        *(ada.post("/jobs/updatejobstatus", json={**body, "alternateQueue": number % 2 == 1}) for number in range(10))
    )
    assert {reply.status_code for reply in replies} == {200}
    (job,) = await world.service(JobService).recent("tst", within_s=3600)
    assert (job.status, job.alternate_status, job.revision) == ("EXPOSING", "EXPOSING", 11)
