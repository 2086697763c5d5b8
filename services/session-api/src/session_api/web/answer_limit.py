"""The answers a process makes and sends at once take a bounded amount of memory, whoever asks and however they read."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from datalab.errors import TransientError
from session_api.web.access import rules_for
from session_api.web.budget import ByteBudget
from session_api.web.replies import transient_reply
from session_api.web.user import User

#: What is read from the document store takes several times its size as Python objects, and is an answer besides.
#: Measured by `benchmarks/api_memory.py`.
_MAKING_FACTOR = 6
#: Smaller answers are not counted: they fit into what any connection may have unsent.
_SMALL_BYTES = 64 * 1024
#: Answers made at once, of all users and of one: making one is mostly work of this process, which has one core.
_MOST_MADE, _MOST_MADE_FOR_ONE = 3, 2
_WAIT_S = 10.0


class AnswerLimit:
    """ASGI middleware: whoever asks for a list waits until there is room for it; large answers are sent piece by piece.

    A piece is handed over when the client has taken the last one, so an answer is held here as long as it is not read.
    Those that are not read take nothing from those that are being made. A stream is not counted: the next piece of it
    is made when the last one is taken.
    """

    def __init__(self, app: ASGIApp, *, unread: ByteBudget, max_answer_bytes: int) -> None:
        self._app = app
        self._unread = unread
        self._reserved = _MAKING_FACTOR * max_answer_bytes
        self._making = ByteBudget(total=_MOST_MADE * self._reserved, per_user=_MOST_MADE_FOR_ONE * self._reserved)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        user: User | None = scope["state"].get("user")
        name = user.username if user else ""
        making = _Loan(self._making, name)
        answer = _Answer(making, _Loan(self._unread, name), send)
        try:
            if rules_for(scope).large_answer:
                await making.take(self._reserved)
        except TransientError as error:
            await transient_reply(error)(scope, receive, send)
            return
        try:
            await self._app(scope, receive, answer.send)
            if answer.refused:
                reason = TransientError("too many large answers are under way, read those first")
                await transient_reply(reason)(scope, receive, send)
        finally:
            making.give_back()
            answer.unread.give_back()


class _Loan:
    def __init__(self, budget: ByteBudget, user: str) -> None:
        self._budget = budget
        self._user = user
        self._size = 0

    async def take(self, size: int) -> None:
        await self._budget.take(self._user, size, timeout_s=_WAIT_S)
        self._size = size

    def try_take(self, size: int) -> bool:
        taken = self._budget.try_take(self._user, size)
        self._size = size if taken else 0
        return taken

    def give_back(self) -> None:
        if self._size:
            self._budget.give_back(self._user, self._size)
            self._size = 0


class _Answer:
    def __init__(self, making: _Loan, unread: _Loan, send: Send) -> None:
        self._making = making
        self.unread = unread
        self._send = send
        self._start: Message | None = None
        #: The answer was made, and there is no room to keep it until it is read.
        self.refused = False

    async def send(self, message: Message) -> None:
        """Send the start of the answer only with its body: until it has its place, it may still be refused."""
        if message["type"] != "http.response.body":
            self._start = message
            return
        body: bytes = message.get("body", b"")
        if self._start is not None:
            self._making.give_back()  # it is made now
            counted = len(body) > _SMALL_BYTES and not message.get("more_body", False)
            self.refused = counted and not self.unread.try_take(len(body))
            start, self._start = self._start, None
            if not self.refused:
                await self._send(start)
        if self.refused:
            return
        if len(body) <= _SMALL_BYTES:
            await self._send(message)
            return
        for offset in range(0, len(body), _SMALL_BYTES):
            piece = body[offset : offset + _SMALL_BYTES]
            last = offset + _SMALL_BYTES >= len(body)
            await self._send({**message, "body": piece, "more_body": not last or message.get("more_body", False)})
