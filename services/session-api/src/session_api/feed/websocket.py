"""The websockets: the feed, and the datastream."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter
from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from datalab.errors import UsageError
from session_api.feed.admission import FeedAdmission
from session_api.feed.datastream import Datastream, wanted_since, wanted_site
from session_api.feed.model import ClientGoneError, FeedClosedError
from session_api.feed.server import FRAME
from session_api.web.access import Access, access
from session_api.web.authentication import LINK_HEADER
from session_api.web.browser import token_in_handshake
from session_api.web.dependencies import provided

#: Time to hand the connection a close frame, in seconds; a client that does not read never takes it.
_CLOSE_TIMEOUT_S = 2.0


router = APIRouter()


@router.websocket("/api/feed")
@access(
    Access.OWN_CHECK,
    provided="users, by a token in the header or the first message",
    limits=("feed_max_clients", "feed_max_waiting", "feed_max_waiting_per_address"),
)
async def feed(websocket: WebSocket, admission: Annotated[FeedAdmission, provided(FeedAdmission)]) -> None:
    await websocket.accept()
    channel = WebSocketChannel(websocket)
    try:
        headers = websocket.headers
        in_browser = token_in_handshake(headers)
        authorization = headers.get("authorization") or (in_browser and f"Token {in_browser}")
        await admission.converse(channel, authorization, address=_address(websocket), link=headers.get(LINK_HEADER))
    except FeedClosedError as closing:
        await channel.close(closing)
    except ClientGoneError:
        return


# The stages of Photon Ranch's datastreamer, which tell the same here; routes of its API have the same beginnings, and
# no websockets.
@router.websocket("/dev")
@router.websocket("/prod")
@router.websocket("/datastream/dev")
@router.websocket("/datastream/prod")
@access(Access.PUBLIC, provided="of what is public", limits=("datastream_max_clients", "datastream_max_per_address"))
async def datastream(websocket: WebSocket, stream: Annotated[Datastream, provided(Datastream)]) -> None:
    query = websocket.query_params
    try:
        site, since = wanted_site(query.get("site")), wanted_since(query.get("since"))
    except UsageError as error:
        await websocket.send_denial_response(PlainTextResponse(error.message, 400))
        return
    channel = WebSocketChannel(websocket)
    try:
        with stream.place(_address(websocket)):
            await websocket.accept()
            await stream.tell(channel, site=site, since=since)
    except FeedClosedError as closing:
        if websocket.application_state is WebSocketState.CONNECTING:
            await websocket.send_denial_response(PlainTextResponse(closing.reason, 429))
        else:
            await channel.close(closing)
    except ClientGoneError:
        return


def _address(websocket: WebSocket) -> str:
    return websocket.client.host if websocket.client else ""


class WebSocketChannel:
    """Implements `FeedChannel`."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket

    async def receive(self) -> str | bytes:
        """Return the next text or binary frame. Raises `ClientGoneError`."""
        message = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise ClientGoneError
        text: str | bytes | None = message.get("text")
        return message["bytes"] if text is None else text

    async def send(self, text: str, frame: bytes | None = None) -> None:
        """Send a text frame. Raises `ClientGoneError`."""
        try:
            await self._websocket.send({"type": "websocket.send", "text": text, FRAME: frame})
        except (WebSocketDisconnect, RuntimeError) as error:
            # RuntimeError: the server has closed the connection by itself, as when no pong came.
            raise ClientGoneError from error

    async def close(self, closing: FeedClosedError) -> None:
        """Send the close frame, if the client takes it; the server cuts the connection in any case."""
        with suppress(TimeoutError, WebSocketDisconnect, RuntimeError):
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self._websocket.close(closing.code, _close_reason(closing.reason))


def _close_reason(reason: str) -> str:
    """A close frame has room for 123 bytes (RFC 6455, section 5.5)."""
    return reason.encode()[:123].decode(errors="ignore")
