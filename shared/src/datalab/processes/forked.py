"""A function called for many items, side by side in forked processes."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from typing import TypeVar

from datalab.errors import TransientError
from datalab.processes.limits import die_with_parent, share_memory
from datalab.processes.outcomes import Outcome, outcome_of, send_outcome

Item = TypeVar("Item")
Result = TypeVar("Result")


def call_each(function: Callable[[Item], Result], items: Sequence[Item], *, processes: int) -> Iterator[Result]:
    """Yield `function(item)` in the order of the items; process `n` of `processes` does every `n`-th item.

    Forked, the processes have everything as it is now. With one process the calls happen in this one. What a call
    raises is raised here, when its turn comes, in the form of `Outcome.result`.
    """
    if processes <= 1 or len(items) <= 1:
        yield from map(function, items)
        return
    context = multiprocessing.get_context("fork")
    parent = os.getpid()

    def work(number: int, answers: Connection) -> None:
        die_with_parent(parent)
        share_memory(processes)
        for item in items[number::processes]:
            send_outcome(answers, outcome_of(function, item))

    children: list[tuple[ForkProcess, Connection]] = []
    try:
        for number in range(processes):
            receiving, sending = context.Pipe(duplex=False)
            child = context.Process(target=work, args=(number, sending))
            child.start()
            sending.close()
            children.append((child, receiving))
        for position in range(len(items)):
            yield _next_outcome(children[position % processes][1]).result()
    finally:
        for child, receiving in children:
            child.kill()
            child.join()
            receiving.close()


def _next_outcome(answers: Connection) -> Outcome:
    try:
        outcome: Outcome = answers.recv()
    except EOFError:
        raise TransientError("A process that computed a part of the operation was killed.") from None
    return outcome
