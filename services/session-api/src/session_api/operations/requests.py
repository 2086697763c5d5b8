"""From what a client posts to a request the runners can serve without asking anybody."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from datalab.events.operations import OutputFile
from session_api.offers.model import Offer
from session_api.operations.input_checks import check_inputs, check_sizes, check_total, without_surplus
from session_api.operations.input_cleaning import CleanInputs, FileItem, OutputsOf, clean_inputs
from session_api.operations.input_finder import InputFinder, unknown_output
from session_api.operations.inputs import FoundFile, NamedFile
from session_api.operations.model import Draft, Operation, OperationRequest, OperationStatus, Parent
from session_api.operations.repository import OperationRepository
from session_api.operations.restrictions import united
from session_api.operations.session_rights import Role, SessionRights
from session_api.operations.waiting import ParentState, needed
from session_api.web.bodies import JsonObject
from session_api.web.failures import InputRefusedError
from session_api.web.user import User

_Found = Mapping[NamedFile, FoundFile]


@dataclass(frozen=True, slots=True)
class PreparedRequest:
    """`shown` is the input data as clients see it again; the request is a draft while outputs in it do not exist."""

    shown: JsonObject
    request: OperationRequest | Draft


class RequestBuilder:
    """Checks inputs, and finds the files they name among what the caller may read."""

    def __init__(self, *, finder: InputFinder, operations: OperationRepository, sessions: SessionRights) -> None:
        self._finder = finder
        self._operations = operations
        self._sessions = sessions

    async def prepare(
        self, caller: User, offer: Offer, input_data: JsonObject, *, session_id: int, now: datetime
    ) -> PreparedRequest:
        """Return the request for the runners. Raises `InputRefusedError`, with a text for the user."""
        inputs = clean_inputs(offer, input_data)
        check_sizes(inputs)
        frames = await self._finder.find_frames(caller, inputs.named_files(), now=now)
        return await self._resolve(caller, offer, inputs, frames, session_id=session_id, waited_for=(), now=now)

    async def demand_readable(self, caller: User, operation: Operation, *, now: datetime) -> None:
        """Raise `InputRefusedError` unless the caller may read everything the operation is to start with."""
        await self._finder.demand_readable(caller, operation.request, now=now)

    async def take_up(self, owner: User, operation: Operation, offer: Offer, *, now: datetime) -> PreparedRequest:
        """Return the request of an operation that waits, as far as it can be made now.

        Raises `InputRefusedError`, with a text for the user, when it can never be made. What was found before stays
        found, as in a request that is complete.
        """
        draft = operation.request
        assert isinstance(draft, Draft), "only a draft can be taken up"
        inputs = clean_inputs(offer, operation.input_data)
        found = {file.name: file for file in draft.found}
        return await self._resolve(
            owner, offer, inputs, found, session_id=operation.session_id, waited_for=draft.parents, now=now
        )

    async def _resolve(
        self,
        owner: User,
        offer: Offer,
        inputs: CleanInputs,
        found: _Found,
        *,
        session_id: int,
        waited_for: Sequence[Parent],
        now: datetime,
    ) -> PreparedRequest:
        unknown = [name for name in inputs.named_files() if name not in found]
        found = {**found, **await self._finder.find_outputs(owner, unknown, now=now, used_in=session_id)}
        unresolved = [item for item in inputs.items() if item.names not in found]
        parents = await self._parents_of(owner, unresolved, session_id, waited_for)
        made, waiting = await self._made(owner, unresolved, parents, now=now)
        if made:
            found = {**found, **{file.name: file for files in made.values() for file in files}}
            inputs = clean_inputs(offer, _replaced(inputs, made))
        filters = {name: file.filter_name for name, file in found.items()}
        if waiting:
            check_inputs(offer, inputs, filters, unknown=_incomplete(inputs, found))
            return PreparedRequest(inputs.shown, Draft(parents=tuple(waiting), found=tuple(_used(inputs, found))))
        reduced = without_surplus(offer, inputs, filters)
        if reduced is not None:
            inputs = clean_inputs(offer, reduced)
        check_inputs(offer, inputs, filters)
        used = _used(inputs, found)
        request = OperationRequest(
            lane=offer.lane,
            parameters=inputs.parameters,
            input_files=tuple(file.file for file in used),
            restrictions=united(each for file in used for each in file.restrictions),
        )
        return PreparedRequest(inputs.shown, request)

    async def _parents_of(
        self, owner: User, unresolved: Sequence[FileItem], session_id: int, waited_for: Sequence[Parent]
    ) -> dict[int, ParentState]:
        """Return the operations that make what cannot be found yet, in this session or others of the owner's.

        Raises `InputRefusedError` if one is not there.
        """
        ids = {item.operation_id for item in unresolved if item.operation_id is not None}
        states = await self._operations.find_any_parents(sorted(ids)) if ids else {}
        others = {state.session_id for state in states.values()} - {session_id}
        roles = await self._sessions.roles(owner, others) if others else {}
        usable = {session_id, *(other for other, role in roles.items() if role is Role.OWNER)}
        states = {number: state for number, state in states.items() if state.session_id in usable}
        former = {parent.id: parent for parent in waited_for}
        for item in unresolved:
            if item.operation_id in states:
                continue
            if item.operation_id in former:
                raise InputRefusedError(needed(former[item.operation_id], "was deleted."))
            if isinstance(item.names, NamedFile):
                raise unknown_output(item.names.basename)
            raise InputRefusedError(f"Could not find operation {item.operation_id} among your operations")
        return states

    async def _made(
        self, owner: User, unresolved: Sequence[FileItem], parents: Mapping[int, ParentState], *, now: datetime
    ) -> tuple[dict[NamedFile | OutputsOf, list[FoundFile]], list[Parent]]:
        """Return what finished operations have made of what is needed, and the operations to wait for.

        Raises `InputRefusedError` if something will never be made.
        """
        made: dict[NamedFile | OutputsOf, list[FoundFile]] = {}
        waiting: dict[int, Parent] = {}
        for item in unresolved:
            if item.names in made:
                continue
            assert item.operation_id is not None, "what has neither a known name nor an operation was refused before"
            state = parents[item.operation_id]
            unusable = state.why_unusable()
            if unusable is not None:
                raise InputRefusedError(unusable)
            if state.status is OperationStatus.COMPLETED:
                made[item.names] = [
                    await self._finder.found_output(owner, output, state.owner, state.restrictions, now=now)
                    for output in _chosen(item.names, state)
                ]
            else:
                waiting[state.parent.id] = state.parent
        return made, list(waiting.values())


def request_digest(session_id: int, offer: Offer, input_data: JsonObject) -> str:
    """Return the SHA-256, in hexadecimal, of what a client asks for. Raises `InputRefusedError`.

    Of what matters only: links are signed anew each time a client reads them.
    """
    asked = [session_id, offer.name, clean_inputs(offer, input_data).shown]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _chosen(names: NamedFile | OutputsOf, state: ParentState) -> Sequence[OutputFile]:
    """Return those outputs of a completed operation that an input means. Raises `InputRefusedError` for none."""
    if isinstance(names, NamedFile):
        chosen = [output for output in state.outputs if output.basename == names.basename]
        if not chosen:
            raise InputRefusedError(f"Could not find {names.basename} among the outputs of {state.parent}")
        return chosen[:1]
    images = state.images()
    if not images:
        raise InputRefusedError(needed(state.parent, "made no FITS image."))
    if names.number is None:
        return images
    if names.number > len(images):
        raise InputRefusedError(needed(state.parent, f"made {len(images)} FITS image(s); there is no {names.number}."))
    return [images[names.number - 1]]


def _replaced(inputs: CleanInputs, made: Mapping[NamedFile | OutputsOf, Sequence[FoundFile]]) -> JsonObject:
    """Return the inputs with what was made in the place of the operations that made it."""
    check_total(sum(len(made[item.names]) if item.names in made else 1 for item in inputs.items()))
    return inputs.replaced({names: [file.file.basename for file in files] for names, files in made.items()})


def _incomplete(inputs: CleanInputs, found: Collection[NamedFile]) -> set[str]:
    """Return the inputs whose files are not all known."""
    return {key for key, items in inputs.files.items() if any(item.names not in found for item in items)}


def _used(inputs: CleanInputs, found: _Found) -> list[FoundFile]:
    return [found[name] for name in inputs.named_files() if name in found]
