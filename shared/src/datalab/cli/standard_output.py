"""What becomes of a command whose output goes nowhere: a full disk, or a pipe that nobody reads any more."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, TextIO, cast

import typer
from typer.core import TyperGroup

from datalab.cli.connection import CommandError
from datalab.cli.exit_codes import ExitCode


class Commands(TyperGroup):
    """The commands; what cannot be written ends them in a line, or without one if nobody reads."""

    def make_context(self, *words: Any, **options: Any) -> Any:
        """Read the command line; `--help` and `--version` write here."""
        with _ended_with_output():
            return super().make_context(*words, **options)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was named."""
        with _ended_with_output():
            return super().invoke(ctx)


class _UnwritableError(OSError):
    """Standard output takes no more."""


class _Told:
    """A stream that says of itself that it is the one that cannot be written; a broken pipe says so already."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with _named():
            return self._stream.write(text)

    def flush(self) -> None:
        with _named():
            self._stream.flush()


@contextmanager
def _named() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise _UnwritableError(error.errno, error.strerror) from error


@contextmanager
def _ended_with_output() -> Iterator[None]:
    try:
        with redirect_stdout(cast("TextIO", _Told(sys.stdout))):
            yield
    except BrokenPipeError:
        _forget_output()
        raise typer.Exit(ExitCode.NOBODY_READS) from None
    except _UnwritableError as error:
        _forget_output()
        raise CommandError(f"standard output cannot be written: {error.strerror}") from None


def _forget_output() -> None:
    """Let nothing that waits to be written be tried again when the program ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


@contextmanager
def while_somebody_reads() -> Iterator[None]:
    """Run the block, in a task, until a pipe that is written to has lost its reader: then raise `BrokenPipeError`."""
    output = sys.stdout.fileno()
    if not stat.S_ISFIFO(os.fstat(output).st_mode):
        yield
        return
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    lost = False

    def end() -> None:
        nonlocal lost
        lost = True
        loop.remove_reader(output)
        task.cancel()

    # The end that is written to never has anything to read; what is told of it is that the other end was closed.
    loop.add_reader(output, end)
    try:
        yield
    except asyncio.CancelledError:
        if lost:
            task.uncancel()
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)) from None
        raise
    finally:
        loop.remove_reader(output)
