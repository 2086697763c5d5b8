"""The websocket server of this service: uvicorn's, made safe against clients that do not read."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import OPEN

#: Beside the text of a message: the same as bytes of the protocol, made once for all clients it goes to.
FRAME: Final = "frame"
#: Unsent bytes a connection may have. uvicorn waits for the client from 64 KiB on, except when it answers pings.
_MAX_UNSENT_BYTES: Final = 1024 * 1024
#: Time for the last bytes to leave once a connection is done with, in seconds.
_LINGER_S: Final = 5.0


class BoundedWebSocketProtocol(WebSocketsSansIOProtocol):
    """Closing waits until everything is sent, which a client that does not read makes last for ever: abort instead."""

    _abort_timer: asyncio.TimerHandle | None = None

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # At DEBUG it would print every header and every frame, tokens and links to sessions among them.
        self.conn.debug = False

    async def send(self, message: Any) -> None:
        """Send what an application says; a text that is a frame already goes out as it is."""
        frame = message.get(FRAME)
        if frame is None or self.conn.state is not OPEN or self.conn.extensions or self.close_sent:
            await super().send(message)
            return
        await self.writable.wait()
        if self.disconnected or self.close_sent or self.conn.state is not OPEN:
            raise ClientDisconnected
        self.transport.write(frame)

    async def run_asgi(self) -> None:
        await super().run_asgi()
        self._abort_soon()

    def shutdown(self) -> None:
        super().shutdown()
        self._abort_soon()

    def handle_ping(self) -> None:
        super().handle_ping()
        if self.transport.get_write_buffer_size() > _MAX_UNSENT_BYTES:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._abort_timer is not None:
            self._abort_timer.cancel()
        super().connection_lost(exc)

    def _abort_soon(self) -> None:
        if self._abort_timer is None and not self.disconnected:
            self._abort_timer = self.loop.call_later(_LINGER_S, self.transport.abort)


#: For uvicorn, wherever this service is served: without them a client that does not read is never cut off.
WEBSOCKET_OPTIONS: Final[dict[str, Any]] = {
    "ws": BoundedWebSocketProtocol,
    # The largest frame a client may send, in bytes: a subscription to a few hundred sessions is a few kilobytes.
    "ws_max_size": 64 * 1024,
    # The same text goes to many clients; compressing it for each costs more than it saves on events of 400 bytes.
    "ws_per_message_deflate": False,
    # A client that does not answer the protocol's ping within this time is gone, in seconds.
    "ws_ping_interval": 20.0,
    "ws_ping_timeout": 20.0,
}
