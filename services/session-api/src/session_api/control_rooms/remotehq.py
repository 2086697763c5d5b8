"""RemoteHQ over HTTP: rooms with a shared browser in them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Final
from urllib.parse import quote

import httpx
import orjson
from pydantic import BaseModel, ConfigDict, Field, HttpUrl, TypeAdapter, ValidationError

from session_api.control_rooms.model import Room
from session_api.control_rooms.ports import ProviderError, Resolution
from session_api.web.bodies import JsonObject

_ICON = "https://dev.photonranch.org/favicon.ico"
_BROWSER_APP: Final = "com.remotehq.app.cloudbrowser"
#: What it says of a room is some hundred bytes.
_MOST_BYTES: Final = 256 * 1024
_GONE: Final = frozenset({200, 202, 204, 404, 410})
_OBJECT: TypeAdapter[JsonObject] = TypeAdapter(JsonObject)


class _GivenRoom(BaseModel):
    """A room as it is described. Somebody else's words: they go into addresses and to browsers."""

    model_config = ConfigDict(extra="ignore")

    room_id: str = Field(alias="id", min_length=1, max_length=200)
    slug: str = Field(pattern=r"^[A-Za-z0-9._~-]{1,200}$")
    url: HttpUrl


class _RoomAnswer(BaseModel):
    model_config = ConfigDict(extra="ignore")

    data: _GivenRoom


class RemoteHq:
    """The service. Its token is sent to it, and to nobody else: redirections are not followed."""

    def __init__(self, *, url: str, token: str, timeout_s: float, page_url: str) -> None:
        self._page_url = page_url.rstrip("/")
        self._timeout_s = timeout_s
        self._client = httpx.AsyncClient(
            base_url=url.rstrip("/"), headers={"Authorization": f"Bearer {token}"}, timeout=timeout_s
        )

    async def start(self) -> None:
        """Nothing is asked before somebody asks us."""

    async def stop(self) -> None:
        await self._client.aclose()

    async def open_room(self, site: str, former: Room | None) -> Room:
        name = f"control-room-{site}"
        for slug in {name, *([former.slug] if former else [])}:
            await self._remove(slug)
        form: JsonObject = {
            "name": name,
            "allowGuestAccess": True,
            "videoConferenceEnabled": True,
            "imageURL": _ICON,
            "type": "collaboration",
        }
        answer = await self._ask("POST", "/rooms", form, expected={201})
        try:
            given = _RoomAnswer.model_validate(answer).data
        except ValidationError as error:
            raise ProviderError("RemoteHQ described a room in a way that cannot be read") from error
        config: JsonObject = {
            "url": f"{self._page_url}/cr/{site}",
            "region": "us-west-1",
            "kioskModeEnabled": True,
            "incognitoModeEnabled": False,
        }
        shown: JsonObject = {"id": _BROWSER_APP, "permissionMode": "editable", "autoStart": True, "config": config}
        await self._ask("PUT", f"/rooms/{quote(given.slug, safe='')}/room-app-config", shown, expected={200, 201, 204})
        return Room(slug=given.slug, room_id=given.room_id, url=str(given.url), config=config)

    async def close_room(self, room: Room) -> None:
        await self._remove(room.slug)

    async def open_browser(self, *, resolution: Resolution, initial_url: str) -> JsonObject:
        form: JsonObject = {
            "browserURL": initial_url,
            "resolution": resolution,
            "region": "us-east-1",
            "kioskModeEnabled": False,
            "incognitoModeEnabled": False,
        }
        return await self._ask("POST", "/cb", form, expected={200, 201})

    async def _remove(self, slug: str) -> None:
        await self._ask("DELETE", f"/rooms/{quote(slug, safe='')}", None, expected=_GONE)

    async def _ask(self, method: str, path: str, body: JsonObject | None, *, expected: Collection[int]) -> JsonObject:
        """Return what is answered, nothing if it is no JSON object that was not needed."""
        try:
            async with asyncio.timeout(self._timeout_s), self._client.stream(method, path, json=body) as reply:
                content = b""
                async for piece in reply.aiter_bytes():
                    content += piece
                    if len(content) > _MOST_BYTES:
                        raise ProviderError("RemoteHQ gave an answer that is too large")
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise ProviderError(f"RemoteHQ cannot be reached ({type(error).__name__})") from error
        if reply.status_code not in expected:
            raise ProviderError(f"RemoteHQ answered {method} {path} with HTTP status {reply.status_code}")
        if method != "POST":
            return {}
        try:
            return _OBJECT.validate_python(orjson.loads(content))
        except (ValueError, ValidationError) as error:
            raise ProviderError("RemoteHQ gave an answer that cannot be read") from error
