"""What is asked at the same time is answered together: one call costs little more for many than for one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Generic, TypeVar

AskedT = TypeVar("AskedT")
AnswerT = TypeVar("AnswerT")


class Together(Generic[AskedT, AnswerT]):
    """Answers one after the other; those who ask while others are being answered are answered next, all by one call.

    `answer` returns the answers in the order of what was asked, an exception for who is to get one; what it raises is
    raised to all of them. It begins after each of them has asked: nobody is told what was true before.
    A call answers what sums up to `most`, by the `size` of each, and never less than one. What nobody waits for any
    more once it is there is `unwanted`.
    """

    def __init__(
        self,
        answer: Callable[[Sequence[AskedT]], Awaitable[Sequence[AnswerT | Exception]]],
        *,
        most: int = 100,
        size: Callable[[AskedT], int] = lambda _: 1,
        unwanted: Callable[[Sequence[AnswerT]], Awaitable[None]] | None = None,
    ) -> None:
        """`unwanted` raises nothing; the next are answered after it."""
        self._answer = answer
        self._unwanted = unwanted
        self._most = most
        self._size = size
        self._asking: deque[tuple[AskedT, asyncio.Future[AnswerT]]] = deque()
        self._answering: asyncio.Task[None] | None = None

    async def ask(self, asked: AskedT) -> AnswerT:
        """Return the answer. Who is cancelled meanwhile holds up nobody."""
        mine: asyncio.Future[AnswerT] = asyncio.get_running_loop().create_future()
        self._asking.append((asked, mine))
        if self._answering is None:
            # In a context of its own: it works for many, and none of them is the one it works for.
            self._answering = asyncio.create_task(self._answer_all(), context=Context())
        return await mine

    async def _answer_all(self) -> None:
        batch: list[tuple[AskedT, asyncio.Future[AnswerT]]] = []
        try:
            while batch := self._next_batch():
                try:
                    answers = await self._answer([asked for asked, _ in batch])
                except Exception as error:  # noqa: BLE001 - raised where somebody waits for it
                    answers = [error] * len(batch)
                left: list[AnswerT] = []
                for (_, waiting), answer in zip(batch, answers, strict=True):
                    if waiting.done() and not isinstance(answer, Exception):
                        left.append(answer)
                    _settle(waiting, answer)
                if left and self._unwanted is not None:
                    await self._unwanted(left)
        finally:
            self._answering = None
            for _, waiting in (*batch, *self._asking):  # the process ends
                waiting.cancel()

    def _next_batch(self) -> list[tuple[AskedT, asyncio.Future[AnswerT]]]:
        batch: list[tuple[AskedT, asyncio.Future[AnswerT]]] = []
        left = self._most
        while self._asking:
            asked, waiting = self._asking[0]
            if not waiting.done():
                left -= self._size(asked)
                if batch and left < 0:
                    break
                batch.append((asked, waiting))
            self._asking.popleft()
        return batch


def _settle(waiting: asyncio.Future[AnswerT], answer: AnswerT | Exception) -> None:
    if waiting.done():
        return
    if isinstance(answer, Exception):
        waiting.set_exception(answer)
    else:
        waiting.set_result(answer)
