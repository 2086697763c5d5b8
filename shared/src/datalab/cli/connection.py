"""How a command reaches the system: by options, environment, or what a running `datalab up` left in its data folder."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import typer

from datalab.client.rest import Datalab, DatalabApiError
from datalab.local.connection import read_connection

DATA_DIR = Path(".datalab")

T = TypeVar("T")


class CommandError(typer.Exit):
    """Ends the command with a message and exit code 1."""

    def __init__(self, message: str) -> None:
        typer.secho(f"datalab: {message}", fg=typer.colors.RED, err=True)
        super().__init__(1)


def use_local_system(data_dir: Path = DATA_DIR) -> None:
    """Take from a running `datalab up` what the environment does not say."""
    try:
        connection = read_connection(data_dir)
    except (FileNotFoundError, NotADirectoryError):
        return
    connection["DATALAB_API_URL"] = connection.pop("api_url")
    connection["DATALAB_ADMIN_TOKEN"] = connection.pop("admin_token")
    for name, value in connection.items():
        os.environ.setdefault(name, value)


def ask(question: Callable[[Datalab], Awaitable[T]], *, as_admin: bool = False) -> T:
    """Ask the REST API something, as the user, or the administrator if asked for or if there is no other.

    Raises `CommandError` when there is no answer, or an error.
    """
    token_variable = "DATALAB_TOKEN" if "DATALAB_TOKEN" in os.environ and not as_admin else "DATALAB_ADMIN_TOKEN"
    url, token = os.environ.get("DATALAB_API_URL"), os.environ.get(token_variable)
    if not url or not token:
        missing = "DATALAB_API_URL" if not url else token_variable
        raise CommandError(f"no running system found: start `datalab up`, or set {missing}")

    async def asked() -> T:
        async with Datalab(url, token) as api:
            return await question(api)

    try:
        return asyncio.run(asked())
    except DatalabApiError as error:
        raise CommandError(str(error)) from error
