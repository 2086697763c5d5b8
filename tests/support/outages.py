"""What can happen between a program and a server: `Proxy` has it happen."""

import asyncio
import contextlib
import random

_CHUNK = 2**16
_SLOW_S = 0.25
_SKEWED = b'<?xml version="1.0"?><Error><Code>RequestTimeTooSkewed</Code><Message>clocks differ</Message></Error>'
_FULL = b'<?xml version="1.0"?><Error><Code>InternalError</Code><Message>no space left on device</Message></Error>'


class Proxy:
    """Hands on to a server, as it is told: `open`, `away`, `slow`, `resetting`; for HTTP also `skewed`, `failing`."""

    def __init__(self, target_port, *, seed=1):
        self._target_port = target_port
        self._random = random.Random(seed)
        self._writers = set()
        self._tasks = set()
        self._server = None
        self.mode = "open"
        self.port = 0

    async def start(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self):
        self._server.close()
        self._cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def become(self, mode):
        """Behave otherwise from now on; connections that there are end, unless only their speed changes."""
        before, self.mode = self.mode, mode
        if mode == "away":
            self._server.close()
        elif before == "away":
            await self.start()
        if mode not in ("open", "slow") or before == "away":
            self._cut()

    @contextlib.asynccontextmanager
    async def being(self, mode):
        """Behave otherwise within the block."""
        await self.become(mode)
        try:
            yield
        finally:
            await self.become("open")

    def _cut(self):
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader, writer):
        task = asyncio.current_task()
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            if self.mode in ("skewed", "failing"):
                await self._refuse(reader, writer)
                return
            upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
            self._writers |= {writer, upstream_writer}
            try:
                await asyncio.gather(self._pump(reader, upstream_writer), self._pump(upstream_reader, writer))
            finally:
                self._writers -= {writer, upstream_writer}
                upstream_writer.close()
        except OSError:
            pass
        finally:
            writer.close()

    async def _pump(self, reader, writer):
        with contextlib.suppress(OSError):
            while chunk := await reader.read(_CHUNK):
                if self.mode == "slow":
                    await asyncio.sleep(_SLOW_S)
                if self.mode == "resetting" and self._random.random() < 0.3:
                    writer.write(chunk[: len(chunk) // 2])
                    self._cut()
                    return
                writer.write(chunk)
                await writer.drain()
        writer.close()

    async def _refuse(self, reader, writer):
        status, body = (b"403 Forbidden", _SKEWED) if self.mode == "skewed" else (b"500 Internal Server Error", _FULL)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            await reader.readuntil(b"\r\n\r\n")
            head = b"HTTP/1.1 %s\r\nContent-Type: application/xml\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
            writer.write(head % (status, len(body)) + body)
            await writer.drain()
