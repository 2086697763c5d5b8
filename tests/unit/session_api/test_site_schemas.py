"""What configurations are held against, and what writes hold only if nobody was faster."""

import json

import pytest

from datalab.errors import UsageError
from session_api.sites.schemas import SiteSchemas
from session_api.web.failures import PreconditionError, TooManyError
from session_api.web.preconditions import Preconditions
from session_api.web.write_limits import WriteLimits

WEMA = {"instance_type": "wema", "latitude": 31.3, "longitude": -100, "TZ_database_name": "America/Chicago"}


async def read(folder=None):
    schemas = SiteSchemas(folder)
    await schemas.start()
    return schemas


@pytest.mark.parametrize("configuration", [WEMA, {"wema_name": "mrc"}, {**WEMA, "latitude": "31.3"}])
async def test_nothing_is_odd_about_a_usual_configuration(configuration):
    assert (await read()).doubts(configuration) == []


@pytest.mark.parametrize(
    ("configuration", "place"),
    [
        ({}, "the whole"),
        ({"wema_name": "a.b"}, "wema_name"),
        ({"wema_name": "mrc", "events": {"day_directory": 20261129}}, "events.day_directory"),
        ({**WEMA, "latitude": 91}, "latitude"),
        ({"instance_type": "wema"}, "the whole"),
    ],
)
async def test_what_is_odd_is_told_with_its_place(configuration, place):
    assert (await read()).doubts(configuration)[0].startswith(f"{place}: ")


@pytest.mark.parametrize("kind", ["telescope", "../obs", "", None, 1, ["obs"]])
async def test_of_a_kind_without_a_schema_nothing_is_odd(kind):
    assert (await read()).doubts({"instance_type": kind}) == ()


async def test_few_short_doubts_are_told(tmp_path):
    (tmp_path / "obs.json").write_text(json.dumps({"additionalProperties": False, "maxProperties": 1}))
    doubts = (await read(tmp_path)).doubts({"x" * 500: 1, "y": 2})
    assert len(doubts) == 2
    assert max(map(len, doubts)) == 200


async def test_schemas_of_a_folder_take_the_place_of_ours(tmp_path):
    (tmp_path / "obs.json").write_text(json.dumps({"required": ["pier"]}))
    (tmp_path / "README").write_text("no schema")
    schemas = await read(tmp_path)
    assert schemas.doubts({"wema_name": "mrc"}) == ["the whole: 'pier' is a required property"]
    assert schemas.doubts({"instance_type": "wema"}) == ()


@pytest.mark.parametrize("text", ["{", '{"type": 1}', None])
async def test_a_schema_that_is_none_is_told_at_start(tmp_path, text):
    if text is not None:
        (tmp_path / "obs.json").write_text(text)
    with pytest.raises(UsageError, match="cannot be read"):
        await read(tmp_path if text else tmp_path / "absent")


def tags(*names):
    return frozenset(names)


@pytest.mark.parametrize(
    ("preconditions", "tag"),
    [
        (Preconditions(), None),
        (Preconditions(), "1"),
        (Preconditions(match=tags("1", "2")), "2"),
        (Preconditions(match=tags("*")), "7"),
        (Preconditions(none_match=tags("*")), None),
        (Preconditions(none_match=tags("1")), "2"),
    ],
)
def test_preconditions_that_hold(preconditions, tag):
    preconditions.require(tag)


@pytest.mark.parametrize(
    ("preconditions", "tag"),
    [
        (Preconditions(match=tags("1")), None),
        (Preconditions(match=tags("*")), None),
        (Preconditions(match=tags("1")), "2"),
        (Preconditions(match=tags("")), "2"),
        (Preconditions(none_match=tags("*")), "1"),
        (Preconditions(none_match=tags("1")), "1"),
    ],
)
def test_preconditions_that_do_not(preconditions, tag):
    with pytest.raises(PreconditionError):
        preconditions.require(tag)


def test_sites_and_addresses_write_so_often_and_no_more():
    now = 0.0
    limits = WriteLimits(what="notes", site_per_minute=3, address_per_minute=4, clock=lambda: now)
    for _ in range(3):
        limits.take(site="tst", address="10.0.0.1")
    with pytest.raises(TooManyError, match="too many notes of site 'tst'") as refused:
        limits.take(site="tst", address="10.0.0.2")
    assert refused.value.retry_after_s == 20
    limits.take(site="mrc", address="10.0.0.1")
    with pytest.raises(TooManyError, match="too many notes from your address"):
        limits.take(site="mrc", address="10.0.0.1")
    now = 20.0
    limits.take(site="tst", address="10.0.0.2")
