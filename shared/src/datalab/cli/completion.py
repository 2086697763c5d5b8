"""What a shell offers when the tab key is pressed."""

from __future__ import annotations

import asyncio
import io
from contextlib import redirect_stderr
from typing import Final

import typer

from datalab.cli.connection import api_access, use_system
from datalab.cli.operation_inputs import word_for
from datalab.client.rest import Datalab, DatalabApiError

#: A person waits at the prompt.
_PATIENCE_S: Final = 2.0


def operations_beginning_with(context: typer.Context, incomplete: str) -> list[str]:
    """Return the operations whose names begin so, each as one word, in lower case if that is typed.

    When the system does not say, there are none; and nothing is told, as it would stand in the middle of what is typed.
    """
    try:
        with redirect_stderr(io.StringIO()):
            use_system(context.params.get("data_dir"))
            names = asyncio.run(_offered(*api_access()))
    except (DatalabApiError, TimeoutError, typer.Exit):
        return []
    words = [word_for(name) for name in names]
    if incomplete.islower():  # typer keeps only what begins exactly as it is typed
        words = [word.lower() for word in words]
    return [word for word in words if word.startswith(incomplete)]


async def _offered(url: str, token: str) -> list[str]:
    async with asyncio.timeout(_PATIENCE_S), Datalab(url, token) as api:
        return list(await api.available_operations())
