"""Counts and values from the tallies are those a look at each frame gives, for everybody who asks."""

import random
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest

from datalab.documents.frame import COLLECTION, INDEXES, FrameDocument
from datalab.platform.documents.collection import Collection
from ingest.frames.tallies import TallyRepository
from session_api.archive.service import AGGREGATED, FrameService
from support.session_api import frame_document

BEGINNING, SPAN = datetime(2026, 2, 20, tzinfo=UTC), timedelta(days=60)
FUTURE = datetime(2999, 1, 1, tzinfo=UTC)
SECRET_FILTER = "closed-only"
AT_ONCE = timedelta(0)
QUESTIONS = [
    {},
    {"site_id": "s1"},
    {"site_id": "s1", "primary_optical_element": "V", "reduction_level": 91},
    {"configuration_type": "EXPOSE", "start": "2026-03-01T00:00:00Z"},
    {"start": "2026-03-02T13:30:00Z", "end": "2026-04-05T07:00:00Z"},
    {"start": "2026-03-10T03:00:00Z", "end": "2026-03-10T09:00:00Z", "telescope_id": "t0"},
    {"end": "2026-02-28T23:59:59.999Z", "instrument_id": "c2"},
    {"proposal_id": "P1"},
    {"proposal_id": "P2", "site_id": "s2", "start": "2026-03-10T00:00:00Z"},
    {"exclude_calibrations": "true"},
    {"exclude_configuration_type": "DARK", "public": "false"},
    {"public": "false"},
    {"primary_optical_element": SECRET_FILTER},
    {"dayobs": "2026-03-10"},
    {"target_name": "M", "site_id": "s1"},
    {"start": "2031-01-01T00:00:00Z"},
]


def random_frame(number, chance, **changes):
    closed = chance.random() < 0.3
    fields = {
        "frame_id": number,
        "observation_date": BEGINNING + SPAN * chance.random(),
        "observation_day": "2026-03-10",
        "site_id": chance.choice(["s1", "s2", None]),
        "telescope_id": f"t{chance.randrange(2)}",
        "instrument_id": f"c{chance.randrange(3)}",
        "filter_name": SECRET_FILTER if closed and chance.random() < 0.5 else chance.choice(["V", "R"]),
        "configuration_type": chance.choice(["EXPOSE", "DARK"]),
        "reduction_level": chance.choice([0, 91]),
        "proposal_id": chance.choice(["P1", "P2", None]),
        "public_date": FUTURE if closed else BEGINNING,
        "modified": BEGINNING + SPAN,
        "target_name": chance.choice(["M 31", "NGC 1"]),
    }
    return frame_document(f"random-{number}", **{**fields, **changes})


@pytest.fixture(scope="module")
async def frames(world):
    """Return the frames there are, as they are stored."""
    await world.database["frames"].delete_many({})
    await Collection(world.database, COLLECTION, FrameDocument, indexes=INDEXES).ensure_indexes()
    await world.database.create_collection("system.profile", capped=True, size=32 * 1024**2)
    await world.database.command("profile", 2)
    chance = random.Random(1)
    documents = [random_frame(number, chance) for number in range(1, 401)]
    documents.append(random_frame(401, chance, files={}, site_id="only-a-picture"))
    await world.add_frames(*documents)
    return documents


@pytest.fixture(scope="module")
async def clients(world, alice, bob, root):
    async with world.client() as anybody:
        yield [(anybody, ()), (alice, ("P1",)), (bob, ()), (root, None)]


def fits(frame, question, proposals):
    """Tell whether a frame fits and may be read, without any of our code."""
    public = frame["public_date"] <= datetime.now(UTC)
    if not frame["files"] or not (public or proposals is None or frame["proposal_id"] in proposals):
        return False
    moment = frame["observation_date"]
    named = {"primary_optical_element": "filter_name", "dayobs": "observation_day"}
    for name, value in question.items():
        if name in {"start", "end"}:
            limit = datetime.fromisoformat(value)
            holds = moment >= limit if name == "start" else moment <= limit
        elif name == "exclude_calibrations":
            holds = frame["configuration_type"] == "EXPOSE"
        elif name == "exclude_configuration_type":
            holds = frame["configuration_type"] != value
        elif name == "public":
            holds = frame["proposal_id"] in proposals if proposals else not public
        elif name == "target_name":
            holds = value in frame["target_name"]
        else:
            holds = frame[named.get(name, name)] == value
        if not holds:
            return False
    return True


async def check_all(clients, frames):
    for client, proposals in clients:
        for question in QUESTIONS:
            fitting = [frame for frame in frames if fits(frame, question, proposals)]
            reply = (await client.get(f"/api/frames/?{urlencode({'limit': 1, **question})}")).json()
            assert (reply["count"], reply["count_estimated"]) == (len(fitting), False), (question, proposals)
            values = (await client.get(f"/api/frames/aggregate/?{urlencode(question)}")).json()
            assert values == {
                name: sorted({frame[field] for frame in fitting if frame[field]}) for name, field in AGGREGATED.items()
            }, (question, proposals)


async def test_counts_and_values_before_and_after_there_are_tallies(world, clients, frames):
    tallies = world.service(FrameService)._tallies
    assert not tallies._known
    await check_all(clients, frames)
    ingest = TallyRepository(database=world.database)
    assert await ingest.tally() == 3
    await world.work("tallies")
    assert tallies._known
    await check_all(clients, frames)
    # A night goes on: its day is left out of the tallies, and told of all the same.
    chance = random.Random(2)
    night = [
        random_frame(number, chance, observation_date=BEGINNING + timedelta(days=20, hours=chance.uniform(0, 9)))
        for number in range(500, 520)
    ]
    await ingest.mark(frame["observation_date"] for frame in night)
    await world.add_frames(*night)
    await world.work("tallies")
    await check_all(clients, [*frames, *night])
    # One of them is closed after all.
    late = night[0]["_id"]
    closed = random_frame(night[0]["frame_id"], chance, public_date=FUTURE, filter_name=SECRET_FILTER)
    await ingest.mark([closed["observation_date"]])
    await world.database["frames"].replace_one({"_id": late}, closed)
    await world.work("tallies")
    now = [*frames, closed, *night[1:]]
    await check_all(clients, now)
    await ingest.tally(quiet=AT_ONCE)
    await world.work("tallies")
    await check_all(clients, now)
    asked = {"ns": f"{world.database.name}.{COLLECTION}", "planSummary": {"$exists": True}}
    plans = await world.database["system.profile"].distinct("planSummary", asked)
    assert plans
    assert [each for each in plans if "COLLSCAN" in each] == []


async def test_values_of_closed_frames_are_told_to_those_only_who_may_read_them(clients, frames):
    for client, proposals in clients:
        values = (await client.get("/api/frames/aggregate/")).json()
        assert (SECRET_FILTER in values["filters"]) == (proposals is None or "P1" in proposals)


async def test_more_than_a_hundred_thousand_are_told_as_an_estimate(world, clients, frames, monkeypatch):
    monkeypatch.setattr("session_api.archive.service.MOST_COUNTED", 100)
    (anybody, _), *_ = clients
    reply = (await anybody.get("/api/frames/?limit=1")).json()
    assert reply["count_estimated"]
    there = await world.database["frames"].count_documents({"release": 2})
    assert reply["count"] == pytest.approx(there, rel=0.1)
    start = {"start": "2026-03-02T13:30:00Z"}
    reply = (await anybody.get(f"/api/frames/?limit=1&{urlencode(start)}")).json()
    later = {"release": 2, "capture_date": {"$gte": datetime(2026, 3, 2, 13, 30, tzinfo=UTC)}}
    assert reply["count"] == pytest.approx(await world.database["frames"].count_documents(later), rel=0.1)
