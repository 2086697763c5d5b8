"""What becomes of an operation that needs the outputs of others."""

from __future__ import annotations

from dataclasses import dataclass

from datalab.events.operations import OutputFile
from session_api.operations.inputs import data_of
from session_api.operations.model import OperationStatus, Parent
from session_api.operations.restrictions import Restriction

#: A failure is handed down from parent to child, and each adds its own name to the text.
_LONGEST_REASON = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentState:
    """How an operation stands whose outputs another one needs."""

    session_id: int
    owner: str
    parent: Parent
    status: OperationStatus
    message: str
    outputs: tuple[OutputFile, ...]
    restrictions: tuple[Restriction, ...]

    def why_unusable(self) -> str | None:
        """Return why there will be no outputs; None if there are some, or may be some day."""
        match self.status:
            case OperationStatus.FAILED:
                return needed(self.parent, f"failed: {self.message}")
            case OperationStatus.CANCELLED:
                return needed(self.parent, "was cancelled.")
            case _:
                return None

    def images(self) -> list[OutputFile]:
        """Return the outputs operations can compute with."""
        return [output for output in self.outputs if data_of(output) is not None]


def needed(parent: Parent, fate: str) -> str:
    """Say what became of an operation whose output is needed."""
    return f"Operation {parent.id} ({parent.name}), whose output this operation needs, {fate}"[:_LONGEST_REASON]


@dataclass(frozen=True, slots=True)
class WaitingOperation:
    """As much of an operation that waits as is needed to see whether it may go on waiting."""

    id: int
    parent_ids: tuple[int, ...]
