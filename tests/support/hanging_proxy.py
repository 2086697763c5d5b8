"""A way to a server that can be blocked: connections stay, and nothing comes through."""

import asyncio
import contextlib


class HangingProxy:
    """Forwards connections to a server, as long as `open` is set."""

    def __init__(self, host, port):
        self._target = (host, port)
        self._tasks = set()
        self.open = asyncio.Event()
        self.open.set()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connect(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pipe(reader, far_writer))
                both.create_task(self._pipe(far_reader, writer))
        finally:
            for each in (writer, far_writer):
                each.transport.abort()
                with contextlib.suppress(ConnectionError):
                    await each.wait_closed()

    async def _pipe(self, reader, writer):
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                await self.open.wait()
                writer.write(data)
                await writer.drain()
        writer.close()  # and so the other side ends, too
