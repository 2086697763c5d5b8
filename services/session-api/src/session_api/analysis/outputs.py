"""What operations made, as frames of the archive: clients ask for both in the same way."""

from __future__ import annotations

import json
from datetime import datetime

from pydantic import JsonValue

from datalab.documents.frame import FrameDocument, FrameFile
from datalab.errors import NotFoundError, TransientError
from datalab.events.envelope import new_id
from datalab.events.operations import FailureKind, InputSource, OutputFile, StoredFile
from session_api.analysis.model import AnalysisError
from session_api.analysis.service import AnalysisService
from session_api.operations.model import Operation
from session_api.operations.output_ids import output_id, output_of
from session_api.operations.seen import SeenOperations
from session_api.web.user import User

#: The site of frames that no telescope took.
_SITE = "datalab"
#: Renderings of an output, as the roles of files of a frame.
_ROLES = {"fits": "fits", "large": "jpg_10", "small": "jpg_11"}


class OutputFrames:
    """The outputs of completed operations, for whoever may look at their session and see what they made."""

    def __init__(self, *, operations: SeenOperations, analyses: AnalysisService) -> None:
        self._operations = operations
        self._analyses = analyses

    def has_number(self, number: int) -> bool:
        """Tell whether a number is that of an output, not of a frame."""
        return output_of(number) is not None

    async def find(self, caller: User, number: int) -> FrameDocument | None:
        """Return the output of a number."""
        place = output_of(number)
        if place is None:
            return None
        operation = await self._operations.completed(caller, place[0])
        return next((frame for frame in _frames(operation) if frame.frame_id == number), None)

    async def find_named(self, caller: User, basename: str) -> FrameDocument | None:
        """Return the latest output of a name."""
        operation = await self._operations.completed_with(caller, basename)
        return next((frame for frame in _frames(operation) if frame.basename == basename), None)

    async def header(self, caller: User, output: FrameDocument) -> dict[str, JsonValue]:
        """Return the header of an output, {} of one that is a picture. Raises `TransientError`, `NotFoundError`."""
        if output.science_file is None:
            return {}
        form: dict[str, JsonValue] = {"basename": output.basename, "source": InputSource.DATALAB.value}
        try:
            answer = await self._analyses.analyse(caller, "header", form, correlation_id=new_id())
        except AnalysisError as error:
            if error.kind is FailureKind.TRANSIENT:
                raise TransientError("the header cannot be read now") from error
            raise NotFoundError("No Frame matches the given query.") from error
        cards: dict[str, JsonValue] = json.loads(await answer.unpacked())["data"]
        return cards


def _frames(operation: Operation | None) -> list[FrameDocument]:
    if operation is None:
        return []
    outputs = operation.result.output_files if operation.result else ()
    return [_frame(operation, output, number) for number, output in enumerate(outputs, start=1)]


def _frame(operation: Operation, output: OutputFile, number: int) -> FrameDocument:
    made = operation.finished_at or operation.created
    return FrameDocument(
        basename=output.basename,
        frame_id=output_id(operation.id, number),
        site=_SITE,
        files={
            role: _file(output.files[rendering], made)
            for rendering, role in _ROLES.items()
            if rendering in output.files
        },
        observation_date=output.observation_date,
        filter_name=output.filter_name if output.is_exposure else None,
        target_name=output.target_name,
        notes=output.notes,
        created=made,
        modified=made,
    )


def _file(stored: StoredFile, made: datetime) -> FrameFile:
    return FrameFile(
        key=stored.key,
        size_bytes=stored.size_bytes,
        sha256=stored.sha256,
        etag="",
        media_type=stored.media_type,
        stored_at=made,
    )
