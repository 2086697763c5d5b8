"""The object store against servers that hang, break off, stammer and refuse."""

import asyncio
import errno
import re
import threading
from contextlib import asynccontextmanager
from time import monotonic

import pytest

from datalab.errors import DatalabError, OutageError, TransientError, UsageError
from datalab.platform.objects import bucket as objects
from datalab.platform.objects.bucket import PART_BYTES
from datalab.platform.objects.errors import ObjectNotFoundError, ObjectTooLargeError
from datalab.platform.objects.store import ObjectStore
from datalab.platform.settings import S3Settings
from support.waiting import until

BINARY = "application/octet-stream"
DEADLINE_S = 60
MEGABYTE = 1024**2


def reply(status=200, body=b"", *, content_type="application/xml", **headers):
    """Return a whole HTTP reply."""
    fields = {
        "Content-Type": content_type,
        "Content-Length": len(body),
        "ETag": '"e"',
        "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} Scripted\r\n{head}\r\n".encode() + body


def s3_error(status, code, **kwargs):
    return reply(status, f"<Error><Code>{code}</Code><Message>m</Message></Error>".encode(), **kwargs)


class ScriptedServer:
    """An HTTP server whose answers a test writes byte by byte: `answer(request_line, writer)`."""

    def __init__(self, answer):
        self.answer = answer
        self.requests = []
        self.connections = set()

    async def serve(self, reader, writer):
        self.connections.add(asyncio.current_task())
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
                await reader.readexactly(int(length[1]) if length else 0)
                request = head.split(b" HTTP/", 1)[0].decode()
                self.requests.append(request)
                await self.answer(request, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            return  # the client or the test hung up
        finally:
            writer.close()

    async def hang_up(self):
        for connection in self.connections:
            connection.cancel()
        await asyncio.gather(*self.connections, return_exceptions=True)


@asynccontextmanager
async def store_at(answer, **kwargs):
    scripted = ScriptedServer(answer)
    server = await asyncio.start_server(scripted.serve, "127.0.0.1", 0)
    settings = S3Settings(
        s3_url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", s3_threads=kwargs.pop("threads", 4)
    )
    try:
        async with ObjectStore(settings, **{"read_timeout_s": DEADLINE_S, "retries": 0, **kwargs}) as store:
            yield store, scripted
    finally:
        server.close()
        await scripted.hang_up()


def always(answer):
    async def send(_request, writer):
        writer.write(answer)

    return send


async def never(_request, _writer):
    await asyncio.Event().wait()


def calls(store, tmp_path):
    source = tmp_path / "source"
    source.write_bytes(b"x")
    return {
        "check": store.check(),
        "ensure_bucket": store.ensure_bucket(),
        "put_bytes": store.put_bytes("a", b"x", content_type=BINARY),
        "put_file": store.put_file("a", source, content_type=BINARY),
        "get_bytes": store.get_bytes("a", max_bytes=9),
        "fetch_file": store.fetch_file("a", tmp_path / "target"),
        "stat": store.stat("a"),
        "look": store.look("a", most_bytes=9),
        "list": anext(store.list("")),
        "delete": store.delete("a"),
    }


async def failures(store, tmp_path):
    """Call every method; return what each raised."""
    named = calls(store, tmp_path)
    results = await asyncio.gather(*named.values(), return_exceptions=True)
    assert {path.name for path in tmp_path.iterdir()} == {"source"}
    return dict(zip(named, results, strict=True))


def assert_all_outages(raised):
    assert {name: type(error) for name, error in raised.items()} == dict.fromkeys(raised, OutageError)


async def test_a_server_that_never_answers_is_given_up(tmp_path):
    async with store_at(never, read_timeout_s=0.3, threads=16) as (store, _):
        began = monotonic()
        raised = await failures(store, tmp_path)
    assert_all_outages(raised)
    assert "ReadTimeoutError" in raised["get_bytes"].message
    assert monotonic() - began < DEADLINE_S


async def test_nobody_listening_is_an_outage(tmp_path):
    async with store_at(never) as (_, unused):
        settings = S3Settings(s3_url="http://127.0.0.1:1")  # a port that is reserved and unused
        async with ObjectStore(settings, retries=0) as unreachable:
            assert_all_outages(await failures(unreachable, tmp_path))
        assert unused.requests == []


@pytest.mark.parametrize(
    "answer",
    [
        s3_error(500, "InternalError"),
        s3_error(500, "InternalError", content_type="text/xml"),
        s3_error(503, "SlowDown"),
        s3_error(403, "RequestTimeTooSkewed"),
        s3_error(404, "NoSuchBucket", content_type="text/xml"),
        reply(502, b"<html>Bad Gateway</html>", content_type="text/html"),
        reply(429, b"", content_type="text/plain"),
        reply(500, b"<html>not closed", content_type="application/xml"),
        b"HTTP/1.1 nonsense\r\n\r\n",
    ],
)
async def test_the_stores_failures_are_outages_in_every_method(tmp_path, answer):
    async with store_at(always(answer)) as (store, _):
        raised = await failures(store, tmp_path)
    # HEAD replies have no body: there a 404 cannot say what is missing.
    for name in ("stat", "check", "ensure_bucket"):
        if b" 404 " in answer:
            del raised[name]
    assert_all_outages(raised)


@pytest.mark.parametrize(
    "code", ["XMinioInvalidObjectName", "KeyTooLongError", "XMinioObjectExistsAsDirectory", "XMinioParentIsObject"]
)
@pytest.mark.parametrize("content_type", ["application/xml", "text/xml"])
async def test_a_refused_key_is_the_callers_mistake(code, content_type):
    async with store_at(always(s3_error(400, code, content_type=content_type))) as (store, _):
        with pytest.raises(UsageError, match=code):
            await store.put_bytes("a", b"x", content_type=BINARY)


async def test_a_missing_key_is_not_found_in_either_form():
    for content_type in ("application/xml", "text/xml"):
        async with store_at(always(s3_error(404, "NoSuchKey", content_type=content_type))) as (store, _):
            with pytest.raises(ObjectNotFoundError):
                await store.get_bytes("a", max_bytes=9)
            await store.delete("a")


async def test_damage_on_the_way_and_lost_uploads_are_transient():
    for status, code in ((400, "BadDigest"), (400, "IncompleteBody"), (404, "NoSuchUpload")):
        async with store_at(always(s3_error(status, code))) as (store, _):
            with pytest.raises(TransientError, match=code):
                await store.put_bytes("a", b"x", content_type=BINARY)


async def test_a_request_only_a_bug_explains_is_no_known_failure():
    async with store_at(always(s3_error(400, "MalformedXML"))) as (store, _):
        with pytest.raises(Exception, match="MalformedXML") as bug:
            await store.put_bytes("a", b"x", content_type=BINARY)
    assert not isinstance(bug.value, DatalabError)


async def test_a_listing_that_is_no_listing_is_transient():
    for body in (b"<html>login page", b"\xff\xfe"):
        async with store_at(always(reply(200, body))) as (store, _):
            with pytest.raises(TransientError, match="unreadable"):
                await anext(store.list(""))


async def test_a_reply_that_breaks_off_is_transient_and_leaves_nothing(tmp_path):
    async def break_off(_request, writer):
        writer.write(reply(200, b"x" * 100)[:-90])
        writer.close()

    async with store_at(break_off) as (store, _):
        with pytest.raises(TransientError):
            await store.get_bytes("a", max_bytes=100)
        with pytest.raises(TransientError):
            await store.fetch_file("a", tmp_path / "target")
    assert list(tmp_path.iterdir()) == []


async def test_a_reply_that_stalls_is_transient_and_leaves_nothing(tmp_path):
    async def stall(request, writer):
        writer.write(reply(200, b"x" * 100)[:-90])
        await never(request, writer)

    async with store_at(stall, read_timeout_s=0.3) as (store, _):
        with pytest.raises(TransientError, match="ReadTimeoutError"):
            await store.fetch_file("a", tmp_path / "target")
    assert list(tmp_path.iterdir()) == []


async def test_a_stammering_server_is_asked_again(tmp_path):
    answers = iter([s3_error(503, "SlowDown", Retry_After=3600), s3_error(500, "InternalError"), reply(200, b"fine")])

    async def improve(_request, writer):
        writer.write(next(answers))

    async with store_at(improve, retries=2) as (store, _):
        assert await store.get_bytes("a", max_bytes=9) == b"fine"


async def test_a_connection_closed_while_idle_is_made_anew():
    requests = 0

    async def hang_up_every_second_time(_request, writer):
        nonlocal requests
        requests += 1
        if requests % 2:
            writer.write(reply(200, b"fine"))
        else:
            writer.close()

    async with store_at(hang_up_every_second_time, retries=2) as (store, _):
        for _ in range(3):
            assert await store.get_bytes("a", max_bytes=9) == b"fine"


async def test_a_large_object_is_refused_before_its_bytes_come(tmp_path):
    async def announce(request, writer):
        writer.write(reply(200, b"x" * MEGABYTE)[:-MEGABYTE])
        await never(request, writer)

    async with store_at(announce) as (store, _):
        with pytest.raises(ObjectTooLargeError, match=str(MEGABYTE)):
            await store.get_bytes("a", max_bytes=MEGABYTE - 1)
        with pytest.raises(ObjectTooLargeError):
            await store.fetch_file("a", tmp_path / "target", max_bytes=0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content_type", ["application/xml", "text/xml"])
async def test_a_bucket_somebody_makes_in_the_meantime_will_do(content_type):
    conflict = s3_error(409, "BucketAlreadyOwnedByYou", content_type=content_type)
    answers = iter([reply(404), conflict, reply(200)])

    async def in_turn(_request, writer):
        writer.write(next(answers))

    async with store_at(in_turn) as (store, server):
        await store.ensure_bucket()
    assert [request.split("?")[0] for request in server.requests] == ["HEAD /datalab", "PUT /datalab", "HEAD /datalab"]


async def test_more_bytes_than_announced_are_not_swallowed(tmp_path):
    async def unannounced(_request, writer):
        head = reply(200).replace(b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n")
        writer.write(head + b"a\r\n0123456789\r\n0\r\n\r\n")

    async with store_at(unannounced) as (store, _):
        assert await store.get_bytes("a", max_bytes=10) == b"0123456789"
        with pytest.raises(ObjectTooLargeError):
            await store.get_bytes("a", max_bytes=9)
        with pytest.raises(ObjectTooLargeError):
            await store.fetch_file("a", tmp_path / "target", max_bytes=9)
    assert list(tmp_path.iterdir()) == []


async def test_stored_size_is_compared_with_what_was_sent(tmp_path):
    source = tmp_path / "source"
    source.write_bytes(b"12345")
    async with store_at(always(reply(200))) as (store, _):
        with pytest.raises(TransientError, match="5 bytes sent, 0 stored"):
            await store.put_file("a", source, content_type=BINARY)


async def test_a_full_disk_is_transient(tmp_path, monkeypatch):
    def no_space(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    async with store_at(always(reply(200, b"x"))) as (store, _):
        monkeypatch.setattr(objects.Path, "replace", no_space)
        with pytest.raises(TransientError, match="no space"):
            await store.fetch_file("a", tmp_path / "target")
    assert list(tmp_path.iterdir()) == []


async def test_a_cancelled_download_returns_at_once_and_tidies_up(tmp_path):
    more = asyncio.Event()

    async def slowly(_request, writer):
        writer.write(reply(200, b"x" * (8 * MEGABYTE))[: 2 * MEGABYTE])
        await writer.drain()
        await more.wait()
        writer.write(b"x" * (3 * MEGABYTE))

    async with store_at(slowly) as (store, _):
        download = asyncio.create_task(store.fetch_file("a", tmp_path / "target"))
        await until(
            lambda: [path.stat().st_size for path in tmp_path.glob(".*.part")] == [MEGABYTE],
        )
        download.cancel()
        with pytest.raises(asyncio.CancelledError):
            await download
        more.set()
        await until(lambda: not list(tmp_path.iterdir()))


async def test_a_cancelled_upload_is_aborted_at_the_next_part(tmp_path):
    source = tmp_path / "source"
    source.write_bytes(b"x" * (2 * PART_BYTES + 1))
    first_part, proceed = asyncio.Event(), asyncio.Event()

    async def multipart(request, writer):
        if request.startswith("POST"):
            writer.write(
                reply(200, b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
            )
        elif request.startswith("PUT"):
            first_part.set()
            await proceed.wait()
            writer.write(reply(200))
        else:
            writer.write(reply(204))

    async with store_at(multipart) as (store, server):
        upload = asyncio.create_task(store.put_file("a", source, content_type=BINARY))
        await first_part.wait()
        upload.cancel()
        with pytest.raises(asyncio.CancelledError):
            await upload
        proceed.set()
        await until(lambda: len(server.requests) == 3)
        assert server.requests[-1] == "DELETE /datalab/a?uploadId=u"


async def test_no_more_calls_at_once_than_threads():
    released = asyncio.Event()

    async def hold(_request, writer):
        await released.wait()
        writer.write(reply(200))

    async with store_at(hold, threads=3) as (store, server):
        others = set(threading.enumerate())
        waiting = [asyncio.create_task(store.stat("a")) for _ in range(20)]
        await until(lambda: len(server.requests) == 3)
        assert len(set(threading.enumerate()) - others) == 3
        released.set()
        await asyncio.gather(*waiting)


async def test_readiness_answers_while_every_thread_hangs():
    released = asyncio.Event()

    async def only_the_bucket(request, writer):
        if not request.startswith("HEAD"):
            await released.wait()
        writer.write(reply(200))

    async with store_at(only_the_bucket, threads=1) as (store, server):
        hanging = asyncio.create_task(store.get_bytes("a", max_bytes=9))
        await until(lambda: server.requests)
        await store.check()
        assert not hanging.done()
        released.set()
        assert await hanging == b""
