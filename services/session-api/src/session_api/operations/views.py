"""Operations as clients see them. Links to objects are signed here, at the moment of reading."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Final, Literal, NotRequired, TypeAlias, cast

import orjson
from pydantic import Field, JsonValue
from typing_extensions import TypedDict

from datalab.events.operations import LinkedFile, OperationResult, OutputFile
from datalab.platform.objects.links import Links
from session_api.operations.model import Operation, OperationStatus
from session_api.operations.output_ids import output_id
from session_api.operations.result_data import StoredResultData
from session_api.web.bodies import JsonObject
from session_api.web.replies import shown_datetime

Rendering: TypeAlias = Literal["fits", "large", "small", "tif"]
RenderingUrl: TypeAlias = Literal["fits_url", "large_url", "small_url", "tif_url"]
ClassicStatus: TypeAlias = Literal["PENDING", "IN_PROGRESS", "COMPLETED", "FAILED"]
State: TypeAlias = Literal["PENDING", "IN_PROGRESS", "COMPLETED", "FAILED", "CANCELLED"]
ShownFailureKind: TypeAlias = Literal["usage", "transient", "limit", "fatal"]

#: Rendering of an output, its key for clients, what its file is called when it is saved.
_RENDERINGS: Final[tuple[tuple[Rendering, RenderingUrl, str | None], ...]] = (
    ("large", "large_url", None),
    ("small", "small_url", None),
    ("fits", "fits_url", ".fits"),
    ("tif", "tif_url", ".tif"),
)


class OutputFileView(TypedDict):
    """A product of an operation. `id` is no frame's; links are signed when it is read.

    Clients start wizards with all images that have a `filter` in common: only what can be measured as an exposure can
    has one here. Any other can be chosen all the same. `notes` are what was left out, mended or is doubtful.
    """

    id: int
    basename: str
    source: Literal["datalab"]
    type: Literal["fits", "image"]
    large_url: NotRequired[str | None]
    small_url: NotRequired[str | None]
    fits_url: NotRequired[str | None]
    tif_url: NotRequired[str | None]
    filter: NotRequired[str | None]
    observation_date: NotRequired[str | None]
    target_name: NotRequired[str | None]
    inputs: NotRequired[list[str]]
    notes: list[str]


class OutputView(TypedDict):
    """What a completed operation made."""

    output_files: list[OutputFileView]
    output_data: NotRequired[list[JsonValue] | None]


_FAILURE_KIND = (
    "only of one that failed, who has to act: usage, the user; transient, nobody: it may be tried again; limit, who "
    "asked for more memory or time than there is; fatal, the developers"
)


class OperationView(TypedDict):
    """An operation. `state` is what the feed says, too; `status` tells a cancelled one as failed, for older clients."""

    id: int
    name: str
    status: ClassicStatus
    message: str
    operation_progress: Annotated[float, Field(ge=0, le=1)]
    output: OutputView | None
    input_data: JsonObject
    created: str
    state: State
    failure_kind: NotRequired[Annotated[ShownFailureKind, Field(description=_FAILURE_KIND)]]


class OperationPresenter:
    """Makes views of operations."""

    def __init__(self, *, links: Links, data: StoredResultData) -> None:
        self._links = links
        self._data = data

    async def operations(self, operations: Iterable[Operation]) -> list[OperationView]:
        """Return several operations. Raises `TransientError`."""
        several = list(operations)
        apart = [operation for operation in several if operation.result and operation.result.output_data_file]
        data = await asyncio.gather(*map(self._data_apart, apart))
        read = {operation.id: text for operation, text in zip(apart, data, strict=True)}
        return [self._view(operation, read.get(operation.id)) for operation in several]

    async def operation(self, operation: Operation) -> OperationView:
        """Return an operation with its output. Raises `TransientError` if that is stored apart and cannot be read."""
        return self._view(operation, await self._data_apart(operation))

    async def _data_apart(self, operation: Operation) -> bytes | None:
        file = operation.result.output_data_file if operation.result else None
        return None if file is None else await self._data.read(file)

    def _view(self, operation: Operation, data_apart: bytes | None) -> OperationView:
        result = operation.result if operation.status is OperationStatus.COMPLETED else None
        view = OperationView(
            id=operation.id,
            name=operation.name,
            status=cast("ClassicStatus", operation.status.classic),
            message=operation.shown_message,
            operation_progress=operation.progress,
            output=None if result is None else self._output(operation.id, result, data_apart),
            input_data=operation.input_data,
            created=shown_datetime(operation.created),
            state=cast("State", operation.status.shown),
        )
        if operation.failure_kind is not None:
            view["failure_kind"] = operation.failure_kind.value
        return view

    def _output(self, operation_id: int, result: OperationResult, data_apart: bytes | None) -> OutputView:
        output = OutputView(
            output_files=[
                self._output_file(file, output_id(operation_id, number))
                for number, file in enumerate(result.output_files, start=1)
            ]
        )
        if result.output_data_file is not None:
            output["output_data"] = [] if data_apart is None else self._linked_text(data_apart, result.linked_files)
        elif result.output_data:
            output["output_data"] = self._linked(result.output_data, result.linked_files)
        return output

    def _linked_text(self, text: bytes, files: Sequence[LinkedFile]) -> Any:
        """Return stored data with their links. Data without links are passed on unread: they may be megabytes.

        What is passed on is JSON already, an `orjson.Fragment`.
        """
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

    def _output_file(self, output: OutputFile, number: int) -> OutputFileView:
        shown = OutputFileView(
            id=number, basename=output.basename, source="datalab", type=output.type, notes=list(output.notes)
        )
        for rendering, key, extension in _RENDERINGS:
            stored = output.files.get(rendering)
            if stored is not None:
                shown[key] = self._links.sign_get(
                    stored.key,
                    content_type=stored.media_type,
                    filename=None if extension is None else f"{output.basename}{extension}",
                )
        # Clients take these for texts: what is not known is left out.
        if output.filter_name is not None and output.is_exposure:
            shown["filter"] = output.filter_name
        if output.observation_date is not None:
            shown["observation_date"] = shown_datetime(output.observation_date)
        if output.target_name is not None:
            shown["target_name"] = output.target_name
        if output.inputs is not None:
            shown["inputs"] = list(output.inputs)
        return shown
