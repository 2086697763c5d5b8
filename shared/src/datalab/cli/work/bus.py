"""The bus, for the length of a command."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from datalab.cli.connection import CommandError
from datalab.cli.exit_codes import ExitCode
from datalab.cli.work.settings import command_settings
from datalab.errors import DatalabError, TransientError
from datalab.platform.bus.connection import Bus
from datalab.platform.metrics import BusMetrics, create_registry
from datalab.platform.settings import NatsSettings


@asynccontextmanager
async def connected_bus() -> AsyncIterator[Bus]:
    """Give the block a connection to the bus."""
    bus = Bus(settings=command_settings(NatsSettings), service="cli", metrics=BusMetrics(create_registry()))
    await bus.connect()
    try:
        yield bus
    finally:
        await bus.close()


def server_error(error: DatalabError) -> CommandError:
    """Return the end of a command for what the bus or the object store did not do."""
    later = isinstance(error, TransientError)
    return CommandError(error.message, ExitCode.UNREACHABLE if later else ExitCode.FAILED)
