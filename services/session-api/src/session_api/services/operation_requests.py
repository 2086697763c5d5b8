"""From what a client posts to a request the runners can serve without asking anybody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from datalab.events.operations import InputFile, InputSource, StoredFile
from session_api.domain.catalogue import CatalogueEntry
from session_api.domain.errors import InputRefusedError
from session_api.domain.frames import FrameFile
from session_api.domain.operations import OperationRequest
from session_api.domain.ports import FrameRepository, OperationRepository
from session_api.domain.users import User, may_read_frame
from session_api.services.input_checks import check_counts, check_filters, check_parameters
from session_api.services.input_cleaning import JsonObject, NamedFile, clean_inputs


@dataclass(frozen=True, slots=True)
class PreparedRequest:
    """`shown` is the input data as clients see it again."""

    shown: JsonObject
    request: OperationRequest


@dataclass(frozen=True, slots=True)
class _Resolved:
    file: InputFile
    filter_name: str | None


class RequestBuilder:
    """Checks inputs, and finds the files they name among what the caller may read."""

    def __init__(self, *, frames: FrameRepository, operations: OperationRepository) -> None:
        self._frames = frames
        self._operations = operations

    async def prepare(
        self, caller: User, entry: CatalogueEntry, input_data: JsonObject, *, now: datetime
    ) -> PreparedRequest:
        """Return the request for the runners. Raises `InputRefusedError`, with a text for the user."""
        inputs = clean_inputs(entry, input_data)
        check_counts(entry, inputs)
        check_parameters(entry, inputs)
        named = list(dict.fromkeys(inputs.all_files()))
        resolved = {
            **await self._find_frames(caller, [file for file in named if file.source is InputSource.ARCHIVE], now),
            **await self._find_outputs(caller, [file for file in named if file.source is InputSource.DATALAB]),
        }
        check_filters(entry, inputs, {file: found.filter_name for file, found in resolved.items()})
        request = OperationRequest(
            lane=entry.lane,
            parameters=inputs.parameters,
            input_files=tuple(resolved[file].file for file in named),
        )
        return PreparedRequest(inputs.shown, request)

    async def _find_frames(self, caller: User, named: list[NamedFile], now: datetime) -> dict[NamedFile, _Resolved]:
        if not named:
            return {}
        frames = await self._frames.find_any_by_basename([file.basename for file in named])
        resolved = {}
        for file in named:
            frame = frames.get(file.basename)
            if frame is None or not may_read_frame(
                caller, public_date=frame.public_date, proposal_id=frame.proposal_id, now=now
            ):
                raise InputRefusedError(f"Could not find {file.basename} in the archive")
            science = frame.science_file()
            if science is None:
                raise InputRefusedError(f"{file.basename} has no FITS file in the archive yet")
            resolved[file] = _resolved(file, science, frame.filter_name)
        return resolved

    async def _find_outputs(self, caller: User, named: list[NamedFile]) -> dict[NamedFile, _Resolved]:
        if not named:
            return {}
        outputs = await self._operations.find_outputs(caller.username, [file.basename for file in named])
        resolved = {}
        for file in named:
            output = outputs.get(file.basename)
            if output is None:
                raise InputRefusedError(f"Could not find {file.basename} among the outputs of your operations")
            stored = output.files.get("fits")
            if stored is None:
                raise InputRefusedError(f"{file.basename} is a picture; operations need FITS data")
            resolved[file] = _resolved(file, stored, output.filter_name)
        return resolved


def _resolved(file: NamedFile, stored: FrameFile | StoredFile, filter_name: str | None) -> _Resolved:
    return _Resolved(
        InputFile(
            source=file.source,
            basename=file.basename,
            key=stored.key,
            sha256=stored.sha256,
            size_bytes=stored.size_bytes,
        ),
        filter_name,
    )
