"""Operations whose runners will report soon: the report finds them here, without asking the store."""

from __future__ import annotations

from collections import OrderedDict

from session_api.operations.model import REQUESTED, Operation

#: Of some 2 KB each. More are under way where more users than these divided by their share ask at once.
_MOST = 5000


class KnownOperations:
    """Operations as this process wrote them last, without their inputs, while runners have them.

    Another process may have changed one since: what is made of it has to be stored on the condition that nobody has.
    """

    def __init__(self) -> None:
        self._operations: OrderedDict[int, Operation] = OrderedDict()

    def find(self, operation_id: int) -> Operation | None:
        """Return the operation, if it is known."""
        return self._operations.get(operation_id)

    def keep(self, operation: Operation) -> None:
        """Remember an operation as it was just written, or forget one that no runner has."""
        self._operations.pop(operation.id, None)
        if operation.status in REQUESTED:
            self._operations[operation.id] = operation.without_inputs()
            if len(self._operations) > _MOST:
                self._operations.popitem(last=False)

    def forget(self, operation_id: int) -> None:
        """Forget an operation that has turned out to be another's."""
        self._operations.pop(operation_id, None)
