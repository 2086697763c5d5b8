import gzip
import json

import pytest
from starlette.requests import Request

from session_api.web.delivery import accepts_gzip, delivered
from session_api.web.replies import JsonReply

LONG = {"text": "word " * 20_000}


def request(**headers):
    given = [(name.replace("_", "-").lower().encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "GET", "path": "/", "headers": given})


@pytest.mark.parametrize(
    ("accepted", "does"),
    [
        ("gzip", True),
        ("gzip, deflate, br, zstd", True),
        ("br;q=1.0, GZIP;q=0.8", True),
        ("x-gzip", True),
        ("*", True),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000, br", False),
        ("gzipped", False),
        ("", False),
    ],
)
async def test_only_who_can_read_it_gets_gzip(accepted, does):
    assert accepts_gzip(request(accept_encoding=accepted)) is does
    reply = await delivered(request(accept_encoding=accepted), JsonReply(LONG))
    assert ("content-encoding" in reply.headers) is does
    assert int(reply.headers["content-length"]) == len(reply.body)
    assert json.loads(gzip.decompress(reply.body) if does else reply.body) == LONG


async def test_a_short_answer_is_not_worth_it():
    reply = await delivered(request(accept_encoding="gzip"), JsonReply({"count": 0}))
    assert reply.body == b'{"count":0}'
    assert "content-encoding" not in reply.headers


async def test_what_is_compressed_already_stays_as_it_is():
    packed = gzip.compress(json.dumps(LONG).encode())
    reply = JsonReply(None, headers={"Content-Encoding": "gzip"})
    reply.body = packed
    assert (await delivered(request(accept_encoding="gzip"), reply)).body == packed


async def test_the_tag_is_of_what_is_said_and_not_of_how_it_is_sent():
    tags = {
        (await delivered(request(accept_encoding=coding), JsonReply(LONG))).headers["etag"] for coding in ("gzip", "br")
    }
    assert len(tags) == 1
    assert (await delivered(request(), JsonReply({}))).headers["etag"] not in tags


@pytest.mark.parametrize(
    ("named", "status"),
    [("{}", 304), ('"x", {}', 304), ("*", 304), ('"x"', 200), ("", 200), ("{}x", 200)],
)
async def test_who_has_it_is_told_so(named, status):
    tag = (await delivered(request(), JsonReply(LONG))).headers["etag"]
    for form in (tag, tag.removeprefix("W/")):
        reply = await delivered(request(if_none_match=named.replace("{}", form)), JsonReply(LONG))
        assert reply.status_code == status
        assert reply.headers["etag"] == tag
        assert reply.headers["cache-control"] == "private, no-cache"
        if status == 304:
            assert reply.body == b""
            assert "content-length" not in reply.headers
