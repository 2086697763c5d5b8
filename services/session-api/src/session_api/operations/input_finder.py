"""Finds the files that clients name, among what they may read."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from datalab.documents.frame import FrameFile
from datalab.events.operations import InputFile, InputSource, OutputFile, StoredFile
from session_api.archive.repository import FrameReader
from session_api.operations.inputs import FoundFile, NamedFile, data_of
from session_api.operations.repository import OperationRepository
from session_api.web.failures import InputRefusedError
from session_api.web.user import User


class InputFinder:
    """Files of the archive, and outputs of the caller's own operations.

    What the caller may not read is not found. Raises `InputRefusedError`, with a text for the user.
    """

    def __init__(self, *, frames: FrameReader, operations: OperationRepository) -> None:
        self._frames = frames
        self._operations = operations

    async def find(self, caller: User, named: Iterable[NamedFile], *, now: datetime) -> dict[NamedFile, FoundFile]:
        """Return every file named, wherever it is. Raises `InputRefusedError` if one cannot be found."""
        files = list(named)
        outputs = await self.find_outputs(caller.username, files)
        for file in files:
            if file.source is InputSource.DATALAB and file not in outputs:
                raise unknown_output(file.basename)
        return {**await self.find_frames(caller, files, now=now), **outputs}

    async def find_frames(
        self, caller: User, named: Iterable[NamedFile], *, now: datetime
    ) -> dict[NamedFile, FoundFile]:
        """Return those of the files that are of the archive. Raises `InputRefusedError` if one is not there."""
        files = [file for file in named if file.source is InputSource.ARCHIVE]
        frames = await self._frames.find_any_by_basename([file.basename for file in files]) if files else {}
        found = {}
        for file in files:
            frame = frames.get(file.basename)
            if frame is None or not caller.may_read(
                public_date=frame.public_date, proposal_id=frame.proposal_id, now=now
            ):
                raise InputRefusedError(f"Could not find {file.basename} in the archive")
            science = frame.science_file
            if science is None:
                raise InputRefusedError(f"{file.basename} has no FITS file in the archive yet")
            found[file] = _found(file, science, frame.filter_name)
        return found

    async def find_outputs(self, owner: str, named: Iterable[NamedFile]) -> dict[NamedFile, FoundFile]:
        """Return those of the files that are outputs of the owner's completed operations.

        Raises `InputRefusedError` if one is there, but is a picture.
        """
        files = [file for file in named if file.source is InputSource.DATALAB]
        outputs = await self._operations.find_outputs(owner, [file.basename for file in files]) if files else {}
        return {file: found_output(outputs[file.basename]) for file in files if file.basename in outputs}


def found_output(output: OutputFile) -> FoundFile:
    """Return an output as an input. Raises `InputRefusedError` for a picture."""
    stored = data_of(output)
    if stored is None:
        raise InputRefusedError(f"{output.basename} is a picture; operations need FITS data")
    return _found(NamedFile(InputSource.DATALAB, output.basename), stored, output.filter_name)


def unknown_output(basename: str) -> InputRefusedError:
    """Return the refusal of an output nobody has made."""
    return InputRefusedError(f"Could not find {basename} among the outputs of your operations")


def _found(name: NamedFile, stored: FrameFile | StoredFile, filter_name: str | None) -> FoundFile:
    return FoundFile(
        file=InputFile(
            source=name.source,
            basename=name.basename,
            key=stored.key,
            sha256=stored.sha256,
            size_bytes=stored.size_bytes,
        ),
        filter_name=filter_name,
    )
