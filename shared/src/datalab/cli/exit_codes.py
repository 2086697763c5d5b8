"""What the end of a command says to a script. Documented in docs/user-guide.md."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """0 is success; 130, as everywhere, Ctrl-C."""

    #: What was asked for did not work: refused by the system, an operation failed, a file was not taken in.
    FAILED = 1
    #: The command line cannot be understood.
    USAGE = 2
    #: No system, or it does not answer now: the same may work later.
    UNREACHABLE = 3
    #: No token, not a valid one, or not one that may do this.
    NOT_ALLOWED = 4
    #: There is no such session, operation, user, …, or it is somebody else's.
    NOT_FOUND = 5
    #: It has not ended within the time that was given.
    TIMED_OUT = 6
    #: Whoever read the output has stopped: what a shell says of programs that end so, 128 and SIGPIPE.
    NOBODY_READS = 141
