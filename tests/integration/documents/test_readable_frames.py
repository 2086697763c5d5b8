"""Who may read a frame is one rule, told twice: to Python and to the document store. Both must say the same."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from datalab.documents.frame import CLOSED, COMPLETE, may_read_frame, readable_frames
from datalab.platform.documents.client import DocumentStore
from datalab.platform.settings import MongoSettings

NOW = datetime(2026, 11, 20, tzinfo=UTC)
STEP = timedelta(milliseconds=1)  # the finest the store knows
FRAMES = [
    {
        "_id": number,
        "public_date": public_date,
        "proposal_id": proposal_id,
        "release": COMPLETE if public_date is not None and public_date <= NOW else CLOSED,
    }
    for number, (public_date, proposal_id) in enumerate(
        product([None, NOW - STEP, NOW, NOW + STEP], [None, "", "P1", "P2", "$ne", "None"])
    )
]
UNTOLD = [
    {"_id": 100, "release": CLOSED},
    {"_id": 101, "release": CLOSED, "public_date": NOW + STEP},
    {"_id": 102, "release": CLOSED, "proposal_id": "P1"},
]


@pytest.fixture(scope="module")
async def frames(module_settings_environment):
    store = DocumentStore(MongoSettings())
    await store.database["frames"].insert_many(FRAMES + UNTOLD)
    yield store.database["frames"]
    await store.close()


@pytest.mark.parametrize(
    "proposals", [None, (), ("",), ("P1",), ("P2", "P3"), ("P1", "P2"), ("$ne",), ("None",)], ids=str
)
async def test_the_filter_finds_what_the_rule_allows(frames, proposals):
    allowed = {
        frame["_id"]
        for frame in FRAMES + UNTOLD
        if may_read_frame(
            proposals, public_date=frame.get("public_date"), proposal_id=frame.get("proposal_id"), now=NOW
        )
    }
    found = [
        frame["_id"]
        for branch in readable_frames(proposals)
        for frame in await frames.find(branch, {"_id": True}).to_list(None)
    ]
    assert sorted(found) == sorted(allowed), "each once"
