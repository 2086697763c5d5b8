"""Answers that are asked for again and again, and large ones: not sent when the client has them, else compressed.

A client that sends the `ETag` of what it has in `If-None-Match`, as browsers do by themselves, is answered with 304 if
that is still what there is. All are whole, with a Content-Length.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import re

from starlette.requests import Request
from starlette.responses import Response

from session_api.web.bodies import ErrorResponses

#: What a dozen packets hold is there as soon uncompressed.
_LEAST_COMPRESSED_BYTES = 16 * 1024
#: Beyond, compressing takes more than a millisecond, and is done beside the event loop.
_LONG_BYTES = 32 * 1024
_LEVEL = 1
_TAG_BYTES = 16
#: A coding with quality 0 is one the client cannot read.
_REFUSED = re.compile(r";\s*q=0(\.0*)?\s*$")

#: How it is described on a route.
UNCHANGED: ErrorResponses = {304: {"description": "What the client has (If-None-Match) is what there is"}}


async def delivered(request: Request, reply: Response, *, tag: str | None = None) -> Response:
    """Return a reply with its `ETag`; 304 in its place if the client has it, else compressed if the client can read it.

    `tag` names what is answered, where that has a name; without one it is made from the reply. A reply that is
    compressed already stays so: see `accepts_gzip`.
    """
    # Weak: the same answer has one tag, compressed or not.
    named = tag or hashlib.blake2b(reply.body, digest_size=_TAG_BYTES).hexdigest()
    known = unchanged(request, named)
    if known is not None:
        return known
    reply.headers.update(_headers(named))
    if len(reply.body) >= _LEAST_COMPRESSED_BYTES and accepts_gzip(request) and "Content-Encoding" not in reply.headers:
        await _compress(reply)
    return reply


def unchanged(request: Request, tag: str) -> Response | None:
    """Return the answer 304 if the client has what is named so, for routes that know the name before the answer."""
    headers = _headers(tag)
    return Response(status_code=304, headers=headers) if _has(request, headers["ETag"]) else None


def _headers(tag: str) -> dict[str, str]:
    return {
        "ETag": f'W/"{tag}"',
        # Each user keeps his own, and asks whether it is still right.
        "Cache-Control": "private, no-cache",
        "Vary": "Authorization, Cookie, Accept-Encoding, X-Session-Link",
    }


def accepts_gzip(request: Request) -> bool:
    """Tell whether the client can read gzip."""
    codings = [coding.strip() for coding in request.headers.get("accept-encoding", "").lower().split(",")]
    return any(re.match(r"(x-)?gzip\b|\*", coding) and not _REFUSED.search(coding) for coding in codings)


def _has(request: Request, tag: str) -> bool:
    """Tell whether the client names the tag, or any. Tags are compared weakly (RFC 9110, 8.8.3.2)."""
    named = [given.strip().removeprefix("W/") for given in request.headers.get("if-none-match", "").split(",")]
    return tag.removeprefix("W/") in named or "*" in named


async def _compress(reply: Response) -> None:
    plain = bytes(reply.body)
    if len(plain) > _LONG_BYTES:
        reply.body = await asyncio.to_thread(gzip.compress, plain, _LEVEL, mtime=0)
    else:
        reply.body = gzip.compress(plain, _LEVEL, mtime=0)
    reply.headers["Content-Encoding"] = "gzip"
    reply.headers["Content-Length"] = str(len(reply.body))
