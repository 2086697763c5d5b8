"""One application and three users for all tests of a module."""

import pytest

from support.session_api import COLOR, FIRST_LOOK, LIGHT_CURVE, MEDIAN, STACKING, frame_document, running_world


@pytest.fixture(scope="module")
async def world(module_settings_environment):
    async with running_world(module_settings_environment) as world:
        await world.add_user("alice", proposals=["P1"])
        await world.add_user("bob")
        await world.add_user("root", superuser=True)
        await world.describe(MEDIAN, STACKING, COLOR, LIGHT_CURVE, FIRST_LOOK)
        await world.add_frames(frame_document("f1"), frame_document("f2"), frame_document("f3", filter_name="ip"))
        yield world


@pytest.fixture(scope="module")
async def alice(world):
    async with world.client("alice") as client:
        yield client


@pytest.fixture(scope="module")
async def bob(world):
    async with world.client("bob") as client:
        yield client


@pytest.fixture(scope="module")
async def root(world):
    async with world.client("root") as client:
        yield client
