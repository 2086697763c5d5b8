"""One running system for all tours: the nights are played once."""

import pytest

from support.tour_system import running_tour


@pytest.fixture(scope="session")
async def tour(tmp_path_factory):
    """A whole Datalab with the nights of `support.tour_sky` in its archive, and two users."""
    async with running_tour(tmp_path_factory.mktemp("tour")) as running:
        yield running
