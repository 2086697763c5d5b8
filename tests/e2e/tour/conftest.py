"""One running system for all tours: the nights are played once."""

import pytest

# Their assertions then say what they compared, as those in test files do.
pytest.register_assert_rewrite(*(f"support.tour_{part}" for part in ("form", "outputs", "stops", "system")))


@pytest.fixture(scope="package")
async def tour(tmp_path_factory):
    """A whole Datalab with the nights of `support.tour_sky` in its archive, and two users."""
    from support.tour_system import running_tour  # only now: rewritten

    async with running_tour(tmp_path_factory.mktemp("tour")) as running:
        yield running
