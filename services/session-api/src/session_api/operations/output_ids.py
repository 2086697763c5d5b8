"""Numbers of outputs, in one row with those of the archive's frames: clients ask for both in the same way.

A number says which output of which operation it is, so that nothing needs to be kept to find it again. All are whole
numbers that JavaScript holds exactly (to 2**53): room for 900 million operations.
"""

from __future__ import annotations

#: Frames have lower numbers.
_FIRST = 10**12
#: An operation has no more outputs than inputs (1000), and one written by somebody else seldom many more.
_PER_OPERATION = 10_000_000


def output_id(operation_id: int, number: int) -> int:
    """Return the number of an operation's output; `number` counts from 1."""
    return _FIRST + operation_id * _PER_OPERATION + number


def output_of(number: int) -> tuple[int, int] | None:
    """Return which output of which operation a number is, operation first; None if it is a frame's."""
    if number < _FIRST:
        return None
    return divmod(number - _FIRST, _PER_OPERATION)
