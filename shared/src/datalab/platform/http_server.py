"""The HTTP server of every service: uvicorn's, made safe against clients that never finish what they begin.

uvicorn itself waits for ever for the end of a request's head, takes a head of any size, and waits for ever for a client
to read its answer.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, defaultdict
from typing import Any, Final
from weakref import WeakKeyDictionary

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: Time to send the head of a request, in seconds: several times what the worst connection needs for some kilobytes.
HEAD_TIMEOUT_S: Final = 10.0
#: Most bytes of a head; web servers take 8 to 64 KiB.
MAX_HEAD_BYTES: Final = 64 * 1024
#: A body in chunks of one byte has five bytes of frame around each; whatever is more is no body.
_FRAME_BYTES_PER_BODY_BYTE: Final = 8
#: Connections that have not sent a whole head yet: of one address, and in all. More cost the oldest of them.
MAX_AWAITED_PER_ADDRESS: Final = 128
MAX_AWAITED: Final = 512
#: A client must take this many bytes of its answer in this time, or it is cut off: 16 KiB/s, a bad telephone line.
STALL_S: Final = 15.0
STALL_BYTES: Final = 15 * 16 * 1024
#: Time for the last bytes to leave once a connection is done with, in seconds.
LINGER_S: Final = 5.0


class AwaitedHeads:
    """Connections whose next request has not come, oldest first, by address.

    Whoever opens many costs only themselves: who has just connected is served, who has been waiting is let go.
    """

    def __init__(self) -> None:
        self._by_address: defaultdict[str, OrderedDict[BoundedHttpProtocol, None]] = defaultdict(OrderedDict)
        self._count = 0

    def add(self, connection: BoundedHttpProtocol) -> None:
        """Wait for a connection's request, and cut off another one if too many are waited for."""
        mine = self._by_address[connection.address]
        mine[connection] = None
        self._count += 1
        if len(mine) > MAX_AWAITED_PER_ADDRESS:
            self._let_go(mine)
        elif self._count > MAX_AWAITED:
            self._let_go(max(self._by_address.values(), key=len))

    def discard(self, connection: BoundedHttpProtocol) -> None:
        """The request has come, or never will."""
        of_address = self._by_address.get(connection.address)
        if of_address is not None and connection in of_address:
            del of_address[connection]
            self._count -= 1
            if not of_address:
                del self._by_address[connection.address]

    def _let_go(self, connections: OrderedDict[BoundedHttpProtocol, None]) -> None:
        oldest = next(iter(connections))
        self.discard(oldest)
        oldest.transport.abort()


_awaited_of: WeakKeyDictionary[Any, AwaitedHeads] = WeakKeyDictionary()


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection, which costs a bounded amount of memory for a bounded time as long as it asks for nothing."""

    address = ""
    _awaited: AwaitedHeads
    _head_timer: asyncio.TimerHandle | None = None
    _stall_timer: asyncio.TimerHandle | None = None
    _linger_timer: asyncio.TimerHandle | None = None
    _received = _body_bytes = _header_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        self._awaited = _awaited_of.setdefault(self.server_state, AwaitedHeads())
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_has_come()
        self._stop_watching()
        if self._linger_timer is not None:
            self._linger_timer.cancel()
        super().connection_lost(exc)

    # --- what comes in ----------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        super().data_received(data)
        if self.transport.is_closing() or self.transport.get_protocol() is not self:
            return
        if self._received > MAX_HEAD_BYTES + _FRAME_BYTES_PER_BODY_BYTE * self._body_bytes:
            self.send_400_response("The head of the request is too large.")
        elif self.cycle is None or self.cycle.response_complete:
            self._await_head()

    def on_message_begin(self) -> None:
        self._received = self._body_bytes = self._header_bytes = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > MAX_HEAD_BYTES:  # also those that come after a body
            raise ValueError("too many headers")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._head_has_come()
        self._received = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    def handle_websocket_upgrade(self) -> None:
        self._head_has_come()
        super().handle_websocket_upgrade()

    def _await_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self.transport.abort)
            self._awaited.add(self)

    def _head_has_come(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
            self._awaited.discard(self)

    # --- what goes out ----------------------------------------------------------------------------------------

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch(unsent=self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_watching()

    # Closing waits until everything is sent, which a client that does not read makes last for ever: abort instead.

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._end_if_closing()

    def send_400_response(self, msg: str) -> None:
        super().send_400_response(msg)
        self._end_if_closing()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._end_if_closing()

    def shutdown(self) -> None:
        super().shutdown()
        self._end_if_closing()

    def _end_if_closing(self) -> None:
        if self.transport.is_closing() and self._linger_timer is None:
            self._linger_timer = self.loop.call_later(LINGER_S, self.transport.abort)

    def _watch(self, *, unsent: int) -> None:
        self._stop_watching()
        self._stall_timer = self.loop.call_later(STALL_S, self._look, unsent)

    def _look(self, before: int) -> None:
        unsent = self.transport.get_write_buffer_size()
        if unsent > before - STALL_BYTES:
            self.transport.abort()
        else:
            self._watch(unsent=unsent)

    def _stop_watching(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None


#: For uvicorn, wherever one of our services is served.
HTTP_OPTIONS: Final[dict[str, Any]] = {"http": BoundedHttpProtocol}
