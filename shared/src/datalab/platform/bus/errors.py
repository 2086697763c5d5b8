"""What the bus client raises, in our words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import nats.errors

from datalab.errors import OutageError

#: What nats-py raises when the server is away, slow, or refuses; JetStream's own errors and time-outs are among them.
BUS_ERRORS = (nats.errors.Error, OSError)


@contextmanager
def bus_errors(complaint: str) -> Iterator[None]:
    """Turn what nats-py raises into an `OutageError` that says the complaint, then the reason."""
    try:
        yield
    except BUS_ERRORS as error:
        raise OutageError(f"{complaint}: {reason_of(error)}") from error


def reason_of(error: Exception) -> str:
    """Return what an error says, or its kind if it says nothing."""
    return str(error) or type(error).__name__
