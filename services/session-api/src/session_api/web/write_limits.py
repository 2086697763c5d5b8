"""How often something is written that anybody may write: for one site, and from one address."""

from __future__ import annotations

import math
from collections.abc import Callable
from ipaddress import IPv6Address, IPv6Network, ip_address
from time import monotonic
from typing import Final

from datalab.platform.allowance import Allowance
from session_api.web.failures import TooManyError

_MINUTE_S: Final = 60.0
#: What one customer of a provider has, as a rule: whoever has one address of it has all of them.
_IPV6_PREFIX: Final = 64


class WriteLimits:
    """Counts writes, in this process; what was not used for a minute may be used at once."""

    def __init__(
        self, *, what: str, site_per_minute: int, address_per_minute: int, clock: Callable[[], float] = monotonic
    ) -> None:
        """`what` is written, in the plural, as those are told who have to wait."""
        self._what = what
        self._sites = Allowance(per_s=site_per_minute / _MINUTE_S, burst_s=_MINUTE_S, clock=clock)
        self._addresses = Allowance(per_s=address_per_minute / _MINUTE_S, burst_s=_MINUTE_S, clock=clock)

    def take(self, *, site: str, address: str) -> None:
        """Count a write. Raises `TooManyError` when one of them has to wait."""
        network = network_of(address)
        for allowance, who, of in (
            (self._addresses, network, "from your address"),
            (self._sites, site, f"of site {site!r}"),
        ):
            wait_s = allowance.wait_s(who)
            if wait_s > 0:
                raise TooManyError(f"too many {self._what} {of} in a minute", retry_after_s=math.ceil(wait_s))
        self._addresses.charge(network, 1)
        self._sites.charge(site, 1)


def network_of(address: str) -> str:
    """Return what is counted as one address; of what is none, itself."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        mapped = parsed.ipv4_mapped
        return str(mapped) if mapped else str(IPv6Network((parsed, _IPV6_PREFIX), strict=False))
    return str(parsed)
