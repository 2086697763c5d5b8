"""Sessions and operations as clients see them. Links to objects are signed here, at the moment of reading."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal

import orjson
from pydantic import JsonValue

from datalab.events.operations import LinkedFile, OperationResult, OutputFile
from datalab.platform.objects.links import Links
from session_api.accounts.model import Account
from session_api.operations.model import Operation, OperationStatus
from session_api.operations.ports import ResultData
from session_api.sessions.model import Session

#: What can be written as JSON; parts of it may be JSON already (`orjson.Fragment`).
JsonObject = dict[str, Any]

#: Rendering of an output, its key for clients, what its file is called when it is saved.
_RENDERINGS: Final[tuple[tuple[Literal["fits", "large", "small", "tif"], str, str | None], ...]] = (
    ("large", "large_url", None),
    ("small", "small_url", None),
    ("fits", "fits_url", ".fits"),
    ("tif", "tif_url", ".tif"),
)


class Presenter:
    """Turns the domain into JSON."""

    def __init__(self, *, links: Links, data: ResultData) -> None:
        self._links = links
        self._data = data

    async def session(self, session: Session, operations: Sequence[Operation]) -> JsonObject:
        """Return a session with its operations."""
        return {
            "id": session.id,
            "operations": await self.operations(operations),
            "user": session.owner,
            "name": session.name,
            "input_data": list(session.input_data),
            "created": shown_datetime(session.created),
            "accessed": shown_datetime(session.accessed),
            "modified": shown_datetime(session.modified),
        }

    async def sessions(self, sessions: Iterable[tuple[Session, Sequence[Operation]]]) -> list[JsonObject]:
        """Return several sessions. Raises `TransientError`."""
        return list(await asyncio.gather(*(self.session(*each) for each in sessions)))

    async def operations(self, operations: Iterable[Operation]) -> list[JsonObject]:
        """Return several operations. Raises `TransientError`."""
        return list(await asyncio.gather(*map(self.operation, operations)))

    async def operation(self, operation: Operation) -> JsonObject:
        """Return an operation with its output. Raises `TransientError` if that is stored apart and cannot be read."""
        completed = operation.status is OperationStatus.COMPLETED
        return {
            "id": operation.id,
            "name": operation.name,
            "status": operation.status.shown,
            "message": operation.message,
            "operation_progress": operation.progress,
            "output": await self._output(operation.result) if completed and operation.result is not None else None,
            "input_data": operation.input_data,
            "created": shown_datetime(operation.created),
        }

    def account(self, account: Account) -> JsonObject:
        """Return what an administrator sees of a user."""
        return {
            "username": account.username,
            "active": account.active,
            "superuser": account.superuser,
            "proposals": list(account.proposals),
            "created": shown_datetime(account.created),
        }

    async def _output(self, result: OperationResult) -> JsonObject:
        output: JsonObject = {"output_files": [self._output_file(file) for file in result.output_files]}
        if result.output_data_file is not None:
            stored = await self._data.read(result.output_data_file)
            output["output_data"] = [] if stored is None else self._linked_text(stored, result.linked_files)
        elif result.output_data:
            output["output_data"] = self._linked(result.output_data, result.linked_files)
        return output

    def _linked_text(self, text: bytes, files: Sequence[LinkedFile]) -> Any:
        """Return stored data with their links. Data without links are passed on unread: they may be megabytes."""
        return self._linked(orjson.loads(text), files) if files else orjson.Fragment(text)

    def _linked(self, data: Sequence[JsonValue], files: Sequence[LinkedFile]) -> list[JsonValue]:
        """Return data with the links that belong into them; the data themselves stay as they are."""
        links: dict[tuple[int, str], dict[str, JsonValue]] = {}
        for linked in files:
            link = self._links.sign_get(linked.file.key, content_type=linked.file.media_type)
            links.setdefault((linked.item, linked.field), {})[linked.name] = link
        shown = list(data)
        for (position, field), added in links.items():
            item = shown[position] if position < len(shown) else None
            if isinstance(item, dict):  # a link without a place must not make the whole session unreadable
                others = item.get(field)
                shown[position] = {**item, field: {**others, **added} if isinstance(others, dict) else added}
        return shown

    def _output_file(self, output: OutputFile) -> JsonObject:
        shown: JsonObject = {"basename": output.basename, "source": "datalab", "type": output.type}
        for rendering, key, extension in _RENDERINGS:
            stored = output.files.get(rendering)
            if stored is not None:
                shown[key] = self._links.sign_get(
                    stored.key,
                    content_type=stored.media_type,
                    filename=None if extension is None else f"{output.basename}{extension}",
                )
        # Clients take these for texts: what is not known is left out.
        described = {
            "filter": output.filter_name,
            "observation_date": None if output.observation_date is None else shown_datetime(output.observation_date),
            "target_name": output.target_name,
        }
        return {**shown, **{key: text for key, text in described.items() if text is not None}}


def shown_datetime(moment: datetime) -> str:
    """Return an instant as ISO 8601 in UTC with microseconds and `Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
