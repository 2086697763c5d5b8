"""The work of `datalab dead-letters`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass
from typing import Final, Self, TypeVar

import typer
from nats.js.errors import NotFoundError

from datalab.cli.connection import CommandError, demand_servers
from datalab.cli.exit_codes import ExitCode
from datalab.cli.output import note, print_json, print_table, printable
from datalab.cli.work.bus import connected_bus, server_error
from datalab.errors import DatalabError
from datalab.events.envelope import new_id
from datalab.events.topology import DEAD, RUNNERS, stream_for
from datalab.platform.bus.connection import Bus
from datalab.platform.bus.errors import bus_errors
from datalab.platform.bus.streams import StoredMessage

T = TypeVar("T")

#: When a request becomes a dead letter its operation has failed; what a runner would still say of it is ignored.
_REQUESTS: Final = frozenset(consumer.name for consumer in RUNNERS.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A message nobody could handle: who should have, where it was published, and why not."""

    number: int
    consumer: str
    subject: str
    reason: str
    body: str

    @classmethod
    def read(cls, message: StoredMessage) -> Self:
        headers: Mapping[str, str] = message.headers
        return cls(
            number=message.sequence,
            consumer=message.subject.rpartition(".")[2],
            subject=headers.get("Datalab-Subject", ""),
            reason=headers.get("Datalab-Reason", ""),
            body=message.body.decode(errors="replace"),
        )


def list_letters(*, as_json: bool) -> None:
    """Print all dead letters. Raises `CommandError`."""

    async def read(bus: Bus) -> list[DeadLetter]:
        async with aclosing(bus.replay(DEAD, after=0, filter_subjects=DEAD.subjects)) as messages:
            return [DeadLetter.read(message) async for message in messages]

    letters = _on_the_bus(read)
    if as_json:
        print_json([asdict(letter) for letter in letters])
        return
    if not letters:
        note("no dead letters")
    print_table((str(letter.number), letter.consumer, letter.subject, letter.reason) for letter in letters)


def show_letter(number: int, *, as_json: bool) -> None:
    """Print a dead letter with its content. Raises `CommandError`."""
    letter = DeadLetter.read(_on_the_bus(lambda bus: _stored(bus, number)))
    if as_json:
        print_json(asdict(letter))
        return
    for name in ("number", "consumer", "subject", "reason"):
        typer.echo(printable(f"{name:<9} {getattr(letter, name)}"))
    typer.echo(_readable(letter.body))


def requeue_letters(numbers: Sequence[int]) -> None:
    """Publish messages again where they came from; each is taken off the list once a stream has it.

    Raises `CommandError` for the first that cannot be.
    """

    async def requeue(bus: Bus) -> None:
        for number in dict.fromkeys(numbers):
            message = await _stored(bus, number)
            letter = DeadLetter.read(message)
            _demand_sendable(letter)
            # Under a new id: the stream drops what it has had before.
            await bus.publish_encoded(subject=letter.subject, body=message.body, event_id=new_id())
            await _delete(bus, number)
            typer.echo(printable(f"{number}: published again on {letter.subject}"))

    _on_the_bus(requeue)


def discard_letters(numbers: Sequence[int]) -> None:
    """Delete dead letters. Raises `CommandError` for the first that is not there."""

    async def discard(bus: Bus) -> None:
        for number in dict.fromkeys(numbers):
            await _stored(bus, number)
            await _delete(bus, number)
            typer.echo(f"{number}: discarded")

    _on_the_bus(discard)


def _demand_sendable(letter: DeadLetter) -> None:
    if letter.consumer in _REQUESTS:
        operation = _operation_in(letter.body)
        raise CommandError(
            f"{letter.number}: the operation of this request has failed, and only its owner can run it again: "
            f"`datalab ops retry {operation or 'OPERATION'}`"
        )
    try:
        stream_for(letter.subject)
    except LookupError as error:
        raise CommandError(f"{letter.number}: no stream takes messages on {letter.subject!r}") from error


def _operation_in(body: str) -> int | None:
    try:
        number = json.loads(body).get("operation_id")
    except (ValueError, AttributeError):
        return None
    return number if isinstance(number, int) else None


def _readable(body: str) -> str:
    try:
        return json.dumps(json.loads(body), indent=2)
    except ValueError:
        return printable(body)


async def _stored(bus: Bus, number: int) -> StoredMessage:
    message = await bus.stored_message(DEAD.name, number)
    if message is None:
        raise CommandError(f"there is no dead letter {number}: `datalab dead-letters list`", ExitCode.NOT_FOUND)
    return message


async def _delete(bus: Bus, number: int) -> None:
    with bus_errors(f"dead letter {number} cannot be deleted"):
        try:
            await bus.jetstream.delete_msg(DEAD.name, number)
        except NotFoundError:
            return  # somebody else was faster


def _on_the_bus(work: Callable[[Bus], Awaitable[T]]) -> T:
    demand_servers("DATALAB_NATS_URL")

    async def connected() -> T:
        async with connected_bus() as bus:
            return await work(bus)

    try:
        return asyncio.run(connected())
    except DatalabError as error:
        raise server_error(error) from error
