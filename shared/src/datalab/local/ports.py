"""Free ports on the loopback interface."""

from __future__ import annotations

import socket

LOOPBACK = "127.0.0.1"


def free_port(preferred: int = 0, *, host: str = LOOPBACK) -> int:
    """Return `preferred` if `host` can listen on it, else a port the kernel says is free now.

    Somebody may take the port before it is used: whoever listens has to cope with "address already in use".
    """
    try:
        return _bound_port(host, preferred)
    except OSError:
        return _bound_port(host, 0)


def _bound_port(host: str, port: int) -> int:
    with socket.socket() as probe:
        # As servers do: a port whose last connections are in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        return int(probe.getsockname()[1])
