"""Free ports of this machine, and the address others reach it by."""

from __future__ import annotations

import random
import socket
from typing import Final

from datalab.errors import UsageError

LOOPBACK = "127.0.0.1"
#: Addresses to listen on that are none to connect to.
ANY_ADDRESS: Final = {"0.0.0.0", "::"}  # noqa: S104 - compared with, not bound
#: Below what Linux gives to outgoing connections (32768 and up): a port kept for the next start stays free.
_LASTING_PORTS: Final = range(20_000, 32_768)
_LASTING_TRIES: Final = 50
#: An address of documentation (RFC 5737): no packet is sent to it, the kernel only says which way it would go.
_SOMEWHERE: Final = ("192.0.2.1", 9)


class AddressUnusableError(UsageError):
    """Nothing can listen there; the text says why."""


def free_port(preferred: int = 0, *, host: str = LOOPBACK) -> int:
    """Return `preferred` if `host` can listen on it, else a port the kernel says is free now.

    Somebody may take the port before it is used: whoever listens has to cope with "address already in use".

    Raises:
        AddressUnusableError: `host` is no address of this machine.
    """
    if preferred and port_is_free(preferred, host=host):
        return preferred
    return _bound_port(host, 0)


def lasting_port(*, host: str = LOOPBACK) -> int:
    """Return a free port that is likely to be free again at a later start. Raises `AddressUnusableError`."""
    for port in random.sample(_LASTING_PORTS, _LASTING_TRIES):
        if port_is_free(port, host=host):
            return port
    return _bound_port(host, 0)


def port_is_free(port: int, *, host: str = LOOPBACK) -> bool:
    """Tell whether `host` can listen on a port now."""
    try:
        return _bound_port(host, port) == port
    except AddressUnusableError:
        return False


def reachable(host: str) -> str:
    """Return the address by which this machine itself reaches what listens on `host`."""
    return LOOPBACK if host in ANY_ADDRESS else host


def url_host(host: str) -> str:
    """Return a host as it stands in a URL."""
    return f"[{host}]" if ":" in host else host


def own_address() -> str:
    """Return the address others on the network reach this machine by, its name if it has no network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_SOMEWHERE)
        except OSError:
            return socket.gethostname()
        return str(probe.getsockname()[0])


def _bound_port(host: str, port: int) -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        # As servers do: a port whose last connections are in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = error.strerror or str(error)
            raise AddressUnusableError(
                f"cannot listen on {url_host(host)}{f':{port}' if port else ''}: {reason}"
            ) from error
        return int(probe.getsockname()[1])
