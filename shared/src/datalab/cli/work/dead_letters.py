"""The work of `datalab dead-letters`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import typer

from datalab.cli.connection import CommandError, demand_servers
from datalab.cli.exit_codes import ExitCode
from datalab.cli.output import note, print_json, print_table, printable
from datalab.cli.work.bus import connected_bus, server_error
from datalab.errors import DatalabError, NotFoundError
from datalab.platform.bus.dead_letters import DeadLetter, DeadLetters

T = TypeVar("T")


def list_letters(*, as_json: bool) -> None:
    """Print all dead letters. Raises `CommandError`."""
    letters = _on_the_bus(lambda dead: dead.latest())
    if as_json:
        print_json([_shown(letter) for letter in letters])
        return
    if not letters:
        note("no dead letters")
    print_table((str(letter.number), letter.consumer, letter.subject, letter.reason) for letter in letters)


def show_letter(number: int, *, as_json: bool) -> None:
    """Print a dead letter with its content. Raises `CommandError`."""
    letter = _on_the_bus(lambda dead: dead.find(number))
    if as_json:
        print_json(_shown(letter))
        return
    for name in ("number", "consumer", "subject", "reason", "advice"):
        typer.echo(printable(f"{name:<9} {getattr(letter, name)}"))
    typer.echo(_readable(letter.text))


def requeue_letters(numbers: Sequence[int]) -> None:
    """Publish messages again where they came from; each is taken off the list once a stream has it.

    Raises `CommandError` for the first that cannot be.
    """

    async def requeue(dead: DeadLetters) -> None:
        for number in dict.fromkeys(numbers):
            letter = await dead.requeue(number)
            typer.echo(printable(f"{number}: published again on {letter.subject}"))

    _on_the_bus(requeue)


def discard_letters(numbers: Sequence[int]) -> None:
    """Delete dead letters. Raises `CommandError` for the first that is not there."""

    async def discard(dead: DeadLetters) -> None:
        for number in dict.fromkeys(numbers):
            await dead.discard(number)
            typer.echo(f"{number}: discarded")

    _on_the_bus(discard)


def _shown(letter: DeadLetter) -> dict[str, Any]:
    names = ("number", "consumer", "subject", "reason")
    return {**{name: getattr(letter, name) for name in names}, "body": letter.text}


def _readable(body: str) -> str:
    try:
        return json.dumps(json.loads(body), indent=2)
    except ValueError:
        return printable(body)


def _on_the_bus(work: Callable[[DeadLetters], Awaitable[T]]) -> T:
    demand_servers("DATALAB_NATS_URL")

    async def connected() -> T:
        async with connected_bus() as bus:
            return await work(DeadLetters(bus))

    try:
        return asyncio.run(connected())
    except NotFoundError as error:
        raise CommandError(f"{error.message}: `datalab dead-letters list`", ExitCode.NOT_FOUND) from error
    except DatalabError as error:
        raise server_error(error) from error
