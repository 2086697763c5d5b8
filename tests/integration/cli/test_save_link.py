"""Files behind links are saved whole, from servers of every kind, and gone on with where they were left."""

import asyncio
import contextlib
import hashlib
import re

import pytest

from datalab.client import downloads
from datalab.client.downloads import DamagedFileError, draft_of, save_link
from datalab.client.rest import ApiRefusedError, ApiUnreachableError

CONTENT = bytes(range(256)) * 4096
MD5 = hashlib.md5(CONTENT).hexdigest()


class Server:
    """Serves one file; `cut_at` bytes of the content it hangs up, once for each of these numbers."""

    def __init__(self, *, ranges=True, range_status=206):
        self.ranges, self.range_status = ranges, range_status
        self.cut_at, self.asked, self.content = [], [], CONTENT

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.link = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/file?signature=x"
        return self

    async def __aexit__(self, *_):
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader, writer):
        with contextlib.suppress(ConnectionError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            found = re.search(r"^range: bytes=(\d+)-", head, re.MULTILINE | re.IGNORECASE)
            start = int(found[1]) if found else 0
            self.asked.append(start)
            writer.write(self._answer(start if self.ranges else 0, asked=bool(found) and self.ranges))
            await writer.drain()
        writer.close()

    def _answer(self, start, *, asked):
        size = len(self.content)
        if asked and start >= size:
            return f"HTTP/1.1 416 no\r\nContent-Range: bytes */{size}\r\nContent-Length: 0\r\n\r\n".encode()
        status = self.range_status if asked else 200
        told = f"Content-Range: bytes {start}-{size - 1}/{size}\r\n" if asked else ""
        head = f"HTTP/1.1 {status} yes\r\n{told}Content-Length: {size - start}\r\nConnection: close\r\n\r\n".encode()
        end = self.cut_at.pop(0) if self.cut_at else size
        return head + self.content[start:end]


@pytest.mark.parametrize("kind", [{}, {"range_status": 200}, {"ranges": False}])
async def test_a_connection_that_is_lost_is_followed_by_another(tmp_path, kind):
    async with Server(**kind) as server:
        server.cut_at = [300_000, 700_000]
        gained = []
        assert await save_link(server.link, tmp_path / "a", md5=MD5, on_progress=gained.append) == len(CONTENT)
        assert server.asked == [0, 300_000, 700_000]
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert sum(gained) == len(CONTENT)
    assert [file.name for file in tmp_path.iterdir()] == ["a"]


async def test_who_is_started_anew_goes_on(tmp_path):
    async with Server() as server:
        draft = draft_of(server.link, tmp_path / "a", version="1")
        draft.write_bytes(CONTENT[:500_000])
        await save_link(server.link.replace("=x", "=y"), tmp_path / "a", version="1", md5=MD5)
        assert server.asked == [500_000]
        await save_link(server.link, tmp_path / "b", version="2")
        assert server.asked == [500_000, 0]
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == CONTENT


async def test_who_was_killed_at_the_end_has_it(tmp_path):
    async with Server() as server:
        draft_of(server.link, tmp_path / "a").write_bytes(CONTENT)
        assert await save_link(server.link, tmp_path / "a", md5=MD5) == len(CONTENT)
        draft_of(server.link, tmp_path / "b").write_bytes(CONTENT + b"more")
        assert await save_link(server.link, tmp_path / "b", md5=MD5) == len(CONTENT)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == CONTENT


async def test_a_damaged_file_is_fetched_again_and_then_given_up(tmp_path):
    async with Server() as server:
        draft_of(server.link, tmp_path / "a").write_bytes(b"x" * 1000)
        await save_link(server.link, tmp_path / "a", md5=MD5)
        assert (tmp_path / "a").read_bytes() == CONTENT
        with pytest.raises(DamagedFileError, match="arrived damaged 3 times"):
            await save_link(server.link, tmp_path / "b", md5="0" * 32)
    assert [file.name for file in tmp_path.iterdir()] == ["a"]


async def test_no_server_and_no_file_are_said(tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "LONG_S", 0.0)
    async with Server() as server:
        server.content = b""
        link = server.link
    with pytest.raises(ApiUnreachableError):
        await save_link(link, tmp_path / "a")
    async with Server() as server:
        server._answer = lambda *_, **__: b"HTTP/1.1 403 no\r\nContent-Length: 0\r\n\r\n"
        with pytest.raises(ApiRefusedError):
            await save_link(server.link, tmp_path / "a")
    assert list(tmp_path.iterdir()) == []
