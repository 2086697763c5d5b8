"""Run a command that the kernel kills when the process that asked for it ends (Linux).

Called by its path as `python -I -S bound_to_parent.py PARENT_PID COMMAND ...`, so it imports nothing of this package
and costs 17 ms. A `preexec_fn` would be quicker, but runs Python between fork and exec, which may deadlock when the
parent has threads; Python 3.12 warns about it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>; it survives exec


def main() -> None:
    """Tie this process to its parent, then become the command."""
    parent_pid, command = int(sys.argv[1]), sys.argv[2:]
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL)) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent_pid:
        sys.exit("the process that wanted this child ended before the child was tied to it")
    os.execvp(command[0], command)  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    main()
