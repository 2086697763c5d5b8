"""Where an object is, by its name: SIMBAD is asked once, and when it is away people are told so."""

import asyncio
from datetime import timedelta

import httpx
import pytest

from session_api.names.repository import NameRepository
from session_api.names.service import NameService
from session_api.names.simbad import Simbad

UNREADABLE = "gave an answer that cannot be read"
M31 = {"metadata": [], "data": [[10.684708, 41.26875, "M  31"]]}


class Service:
    """SIMBAD's answers, and what it was asked."""

    def __init__(self, answer=None, status=200):
        self.asked = []
        self._answer, self._status = answer, status

    async def __call__(self, request):
        self.asked.append(request.url.params["query"])
        await asyncio.sleep(0)
        if self._answer is None:
            raise httpx.ConnectError("no route to host")
        return httpx.Response(self._status, json=self._answer)


@pytest.fixture
async def resolver(world):
    """Return a function that puts another SIMBAD behind the application."""
    service = world.service(NameService)
    before = service._simbad

    def use(answer=None, status=200):
        asked = Service(answer, status)
        service._simbad = Simbad(url="http://simbad.test/tap", timeout_s=1, transport=httpx.MockTransport(asked))
        return asked

    await world.database["known_names"].delete_many({})
    yield use
    service._simbad = before


@pytest.fixture(scope="module")
async def anybody(world):
    async with world.client() as client:
        yield client


async def test_a_name_is_asked_for_once(resolver, anybody):
    simbad = resolver(M31)
    found = {"name": "M  31", "ra": 10.684708, "dec": 41.26875, "ra_d": 10.684708, "dec_d": 41.26875}
    assert (await anybody.get("/api/names/M 31?target_type=SIDEREAL")).json() == found
    resolver()
    assert (await anybody.get("/api/names/m%20%2031/")).json() == found
    assert simbad.asked == ["SELECT ra, dec, main_id FROM basic JOIN ident ON oidref = oid WHERE id = 'M 31'"]


async def test_a_name_is_a_text_and_no_query(resolver, anybody):
    simbad = resolver({"data": []})
    reply = await anybody.get("/api/names/Barnard's star' OR 1=1")
    assert reply.json() == {"error": "No object is called Barnard's star' OR 1=1."}
    assert simbad.asked[0].endswith("WHERE id = 'Barnard''s star'' OR 1=1'")
    await anybody.get("/api/names/Barnard's star' OR 1=1")
    assert len(simbad.asked) == 1, "that there is none is kept, too"


@pytest.mark.parametrize(
    ("answer", "status", "text"),
    [
        (None, 200, "The name service (SIMBAD) cannot be reached. Give coordinates instead."),
        ({}, 500, "The name service (SIMBAD) cannot be reached. Give coordinates instead."),
        ({"no": 1}, 200, f"The name service (SIMBAD) {UNREADABLE}. Give coordinates instead."),
        (
            {"data": [["x"]]},
            200,
            f"The name service (SIMBAD) {UNREADABLE}. Give coordinates instead.",
        ),
    ],
)
async def test_offline_people_are_told_what_to_do(resolver, anybody, answer, status, text):
    simbad = resolver(answer, status)
    for _ in range(2):
        assert (await anybody.get("/api/names/M 33")).json() == {"error": text}
    assert len(simbad.asked) == 2, "a failure is not kept"


async def test_what_is_no_name_is_not_asked_for(resolver, anybody):
    simbad = resolver(M31)
    for name in ("x" * 65, "%20"):
        assert (await anybody.get(f"/api/names/{name}")).json() == {"error": "A name has 1 to 64 characters."}
    assert simbad.asked == []


async def test_those_who_ask_at_once_wait_for_one_answer_or_are_sent_away(world, resolver):
    simbad = resolver(M31)
    names = NameService(
        names=NameRepository(world.database), simbad=world.service(NameService)._simbad, keep=timedelta(days=1)
    )
    answers = await asyncio.gather(*(names.find(f"M 31 {number}") for number in range(10)), return_exceptions=True)
    assert sum(not isinstance(answer, Exception) for answer in answers) == len(simbad.asked) >= 2
