"""Finds what operations made by its name, among what the caller may look at."""

from __future__ import annotations

from collections.abc import Sequence

from session_api.operations.inputs import MadeOutput
from session_api.operations.repository import OperationRepository
from session_api.operations.session_rights import Role, SessionRights
from session_api.web.user import User


class OutputFinder:
    """Outputs of completed operations, in sessions of the caller's and in those shared with them.

    Sessions are asked for every time: what is shared no longer is not found.
    """

    def __init__(self, *, operations: OperationRepository, rights: SessionRights) -> None:
        self._operations = operations
        self._rights = rights

    async def find(
        self, caller: User, basenames: Sequence[str], *, used_in: int | None = None
    ) -> dict[str, MadeOutput]:
        """Return outputs by base name, the latest of each name.

        What an operation in the session `used_in` may take are outputs of this session and of the caller's own: what is
        made from others' must not outlast that they are shared.
        """
        found: dict[str, MadeOutput] = {}
        if caller.username:
            own = await self._operations.find_outputs(basenames, owner=caller.username)
            roles = await self._rights.roles(caller, {each.session_id for each in own})
            found = _latest([each for each in own if _usable(each, roles.get(each.session_id), used_in)])
        missing = [name for name in basenames if name not in found]
        if missing:
            joint = await self._rights.joint(caller)
            sessions = [each for each, role in joint.items() if used_in in {None, each} or role is Role.OWNER]
            if sessions:
                found |= _latest(await self._operations.find_outputs(missing, session_ids=sessions))
        return found


def _usable(output: MadeOutput, role: Role | None, used_in: int | None) -> bool:
    return role is not None and (used_in in {None, output.session_id} or role is Role.OWNER)


def _latest(outputs: Sequence[MadeOutput]) -> dict[str, MadeOutput]:
    """Return outputs by base name; of several the first, which is the latest."""
    return {each.output.basename: each for each in reversed(outputs)}
