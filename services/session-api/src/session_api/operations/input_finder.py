"""Finds the files that clients name, among what they may read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from datalab.documents.frame import FrameFile
from datalab.events.frames import RemovalCause
from datalab.events.operations import InputFile, InputSource, OutputFile, StoredFile
from session_api.archive.repository import FrameReader, RemovedFrameReader
from session_api.operations.inputs import FoundFile, NamedFile, data_of
from session_api.operations.model import Draft, OperationRequest
from session_api.operations.outputs import OutputFinder
from session_api.operations.restrictions import Restriction, inherited, restriction
from session_api.operations.vouching import Vouching
from session_api.web.failures import InputRefusedError
from session_api.web.user import User

#: Why a frame went, in words for whoever still has it in a session.
_WHY_GONE = {
    RemovalCause.EXPIRED: "exposures of its kind are kept for some time only",
    RemovalCause.REQUESTED: "it was deleted",
}


class InputFinder:
    """Files of the archive, and outputs of operations in the caller's sessions and in those shared with them.

    What the caller may not read is not found. Raises `InputRefusedError`, with a text for the user.
    """

    def __init__(
        self, *, frames: FrameReader, removed: RemovedFrameReader, outputs: OutputFinder, vouching: Vouching
    ) -> None:
        self._frames = frames
        self._removed = removed
        self._outputs = outputs
        self._vouching = vouching

    async def find(self, caller: User, named: Iterable[NamedFile], *, now: datetime) -> dict[NamedFile, FoundFile]:
        """Return every file named, wherever it is. Raises `InputRefusedError` if one cannot be found."""
        files = list(named)
        outputs = await self.find_outputs(caller, files, now=now)
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
            if frame is None or not caller.may_read_frame(frame, now=now):
                raise await self._missing(caller, file.basename, now=now)
            science = frame.science_file
            if science is None:
                raise InputRefusedError(f"{file.basename} has no FITS file in the archive yet")
            limits = restriction(proposal_id=frame.proposal_id, public_date=frame.public_date, now=now)
            found[file] = _found(file, science, frame.filter_name, limits)
        return found

    async def find_picture(self, caller: User, named: NamedFile, *, now: datetime) -> OutputFile | None:
        """Return the output of the caller's that a name means, if it is a picture and no image to compute with.

        Raises `InputRefusedError` for one made from what the caller may no longer read.
        """
        if named.source is not InputSource.DATALAB:
            return None
        found = (await self._outputs.find(caller, [named.basename])).get(named.basename)
        if found is None or data_of(found.output) is not None:
            return None
        await self._demand_visible(caller, found.owner, found.restrictions, now=now, what=named.basename)
        return found.output

    async def find_outputs(
        self, caller: User, named: Iterable[NamedFile], *, now: datetime, used_in: int | None = None
    ) -> dict[NamedFile, FoundFile]:
        """Return those of the files that are outputs of completed operations the caller may look at.

        With `used_in`, only those that an operation in this session may take: see `OutputFinder`. Raises
        `InputRefusedError` if one is there, but is a picture, or made from what may no longer be read.
        """
        files = [file for file in named if file.source is InputSource.DATALAB]
        basenames = [file.basename for file in files]
        outputs = await self._outputs.find(caller, basenames, used_in=used_in) if files else {}
        known = [(file, outputs[file.basename]) for file in files if file.basename in outputs]
        return {
            file: await self.found_output(caller, made.output, made.owner, made.restrictions, now=now)
            for file, made in known
        }

    async def found_output(
        self, caller: User, output: OutputFile, owner: str, restrictions: tuple[Restriction, ...], *, now: datetime
    ) -> FoundFile:
        """Return an output of an operation of `owner`'s as an input.

        Raises `InputRefusedError` for a picture, or what the caller may not see.
        """
        stored = data_of(output)
        if stored is None:
            raise InputRefusedError(f"{output.basename} is a picture; operations need FITS data")
        await self._demand_visible(caller, owner, restrictions, now=now, what=output.basename)
        limits = restrictions if owner == caller.username else inherited(restrictions, shown_by=owner)
        return _found(NamedFile(InputSource.DATALAB, output.basename), stored, output.filter_name, limits)

    async def _demand_visible(
        self,
        caller: User,
        owner: str,
        restrictions: Sequence[Restriction],
        *,
        now: datetime,
        what: str = "An input",
    ) -> None:
        """Raise `InputRefusedError` for what is made from frames that none may read who could show it to the caller."""
        vouchers = await self._vouching.vouchers(caller, [(owner, restrictions)], now=now)
        if not vouchers.may_see(caller, restrictions, owner=owner, now=now):
            raise InputRefusedError(f"{what} was made from frames that you may no longer read.")

    async def demand_readable(self, caller: User, request: OperationRequest | Draft, *, now: datetime) -> None:
        """Raise `InputRefusedError` unless the caller may read every file of a request now."""
        basenames = [file.basename for file in request.input_files if file.source is InputSource.ARCHIVE]
        frames = await self._frames.find_any_by_basename(basenames)
        for basename in basenames:
            if basename not in frames or not caller.may_read_frame(frames[basename], now=now):
                raise await self._missing(caller, basename, now=now)
        await self._demand_visible(caller, caller.username, request.restrictions, now=now)

    async def _missing(self, caller: User, basename: str, *, now: datetime) -> InputRefusedError:
        """Return the refusal of a frame that is not there; who could see it is told that it went, and why."""
        removed = await self._removed.find_any(basename)
        if removed is None or not caller.may_read(
            public_date=removed.public_date, proposal_id=removed.proposal_id, now=now
        ):
            return unknown_frame(basename)
        return InputRefusedError(
            f"{basename} is no longer in the archive since {removed.removed_at:%Y-%m-%d}: {_WHY_GONE[removed.cause]}"
        )


def unknown_frame(basename: str) -> InputRefusedError:
    """Return the refusal of a frame that is not there, or not for the caller: the answer is the same."""
    return InputRefusedError(f"Could not find {basename} in the archive")


def unknown_output(basename: str) -> InputRefusedError:
    """Return the refusal of an output nobody has made, or not where the caller may look."""
    return InputRefusedError(f"Could not find {basename} among the outputs of your operations")


def _found(
    name: NamedFile,
    stored: FrameFile | StoredFile,
    filter_name: str | None,
    restrictions: tuple[Restriction, ...],
) -> FoundFile:
    return FoundFile(
        file=InputFile(
            source=name.source,
            basename=name.basename,
            key=stored.key,
            sha256=stored.sha256,
            size_bytes=stored.size_bytes,
        ),
        filter_name=filter_name,
        restrictions=restrictions,
    )
