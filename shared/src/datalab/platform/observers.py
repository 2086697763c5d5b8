"""Who may ask how a process is."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from ipaddress import IPv6Address, ip_address
from typing import Any

#: What a proxy adds to a request it hands on. Its own address says nothing of whoever asked it.
_HANDED_ON = frozenset({b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip"})


class ObservedFrom(StrEnum):
    """Whose requests are answered."""

    LOOPBACK = "loopback"
    PRIVATE = "private"
    ANYONE = "anyone"


def may_observe(scope: Mapping[str, Any], allowed: ObservedFrom) -> bool:
    """Tell whether a request came straight from an address that is allowed; `scope` is ASGI's."""
    if allowed is ObservedFrom.ANYONE:
        return True
    if any(name.lower() in _HANDED_ON for name, _ in scope["headers"]):
        return False
    if scope.get("client") is None:
        return True  # a socket of this machine that has no addresses
    try:
        address = ip_address(scope["client"][0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback or (allowed is ObservedFrom.PRIVATE and address.is_private)
