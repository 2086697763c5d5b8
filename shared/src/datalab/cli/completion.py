"""What a shell offers when the tab key is pressed."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable
from contextlib import redirect_stderr
from typing import Final

import typer

from datalab.cli.connection import api_access, open_access, use_system
from datalab.cli.operation_inputs import word_for
from datalab.client.rest import Datalab, DatalabApiError

#: A person waits at the prompt.
_PATIENCE_S: Final = 2.0
#: More than a person looks through.
_MOST_FRAMES: Final = 50


def operations_beginning_with(context: typer.Context, incomplete: str) -> list[str]:
    """Return the operations whose names begin so, each as one word, in lower case if that is typed."""
    words = [word_for(name) for name in _asked(context, _offered, api_access)]
    if incomplete.islower():  # typer keeps only what begins exactly as it is typed
        words = [word.lower() for word in words]
    return [word for word in words if word.startswith(incomplete)]


def frames_beginning_with(context: typer.Context, incomplete: str) -> list[str]:
    """Return the newest frames whose names begin so."""

    async def names(api: Datalab) -> list[str]:
        params = {"basename": incomplete, "limit": _MOST_FRAMES, "include_related_frames": False}
        page = await api.call("GET", "frames/", params={**params, "pagination_style": "cursor"})
        return [frame["basename"] for frame in page["results"]]

    return [name for name in _asked(context, names, open_access) if name.startswith(incomplete)]


async def _offered(api: Datalab) -> list[str]:
    return list(await api.available_operations())


def _asked(
    context: typer.Context,
    question: Callable[[Datalab], Awaitable[list[str]]],
    access: Callable[[], tuple[str, str | None]],
) -> list[str]:
    """Return the answer to a question.

    When the system does not say, there is nothing; and nothing is told: it would stand in the middle of what is typed.
    """

    async def answer() -> list[str]:
        async with asyncio.timeout(_PATIENCE_S), Datalab(*access()) as api:
            return await question(api)

    try:
        with redirect_stderr(io.StringIO()):
            use_system(context.params.get("data_dir"))
            return asyncio.run(answer())
    except (DatalabApiError, TimeoutError, typer.Exit):
        return []
