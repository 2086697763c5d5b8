"""How a command reaches the system: by options, environment, or what a running `datalab up` left in its data folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import httpx
import typer

from datalab.local.connection import read_connection

DATA_DIR = Path(".datalab")


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


class Api:
    """The REST API, as one user. Replies that are not 2xx end the command with what the server said."""

    def __init__(self, *, url: str, token: str) -> None:
        self._client = httpx.Client(
            base_url=f"{url.rstrip('/')}/api/", headers={"Authorization": f"Token {token}"}, timeout=30.0
        )

    @classmethod
    def as_admin(cls) -> Api:
        """Connect with the administrator's token."""
        return cls._from_environment("DATALAB_ADMIN_TOKEN")

    @classmethod
    def as_user(cls) -> Api:
        """Connect with the user's own token, or the administrator's if there is no other."""
        return cls._from_environment("DATALAB_TOKEN" if "DATALAB_TOKEN" in os.environ else "DATALAB_ADMIN_TOKEN")

    @classmethod
    def _from_environment(cls, token_variable: str) -> Api:
        url, token = os.environ.get("DATALAB_API_URL"), os.environ.get(token_variable)
        if not url or not token:
            missing = "DATALAB_API_URL" if not url else token_variable
            raise CommandError(f"no running system found: start `datalab up`, or set {missing}")
        return cls(url=url, token=token)

    def call(self, method: str, path: str, **options: Any) -> Any:
        """Return the decoded reply, None if it has no body."""
        try:
            reply = self._client.request(method, path, **options)
        except httpx.TransportError as error:
            raise CommandError(f"the API does not answer: {error}") from error
        if not reply.is_success:
            raise CommandError(f"{method} {path}: {reply.status_code} {reply.text[:500]}")
        return reply.json() if reply.content else None
