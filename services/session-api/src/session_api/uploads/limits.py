"""How much comes in over the open route: of one site, and from one address."""

from __future__ import annotations

import math
from collections.abc import Callable
from time import monotonic
from typing import Final

from datalab.platform.allowance import Allowance
from session_api.web.failures import TooManyError
from session_api.web.write_limits import network_of

_MINUTE_S: Final = 60.0


class UploadLimits:
    """Counts forms and bytes, in this process; what was not used for a minute may be used at once.

    Who has a form may use it, whatever else was sent: the software of observatories looks away from what is said to a
    file, and would lose it. So bytes are counted as they come, and refused is the next form, which that software asks
    for again.
    """

    def __init__(
        self,
        *,
        site_forms: int,
        site_bytes: int,
        address_forms: int,
        address_bytes: int,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Each is how much there may be in a minute."""

        def allowance(per_minute: int) -> Allowance:
            return Allowance(per_s=per_minute / _MINUTE_S, burst_s=_MINUTE_S, clock=clock)

        self._site_forms, self._site_bytes = allowance(site_forms), allowance(site_bytes)
        self._address_forms, self._address_bytes = allowance(address_forms), allowance(address_bytes)

    def take_form(self, *, site: str, address: str) -> None:
        """Count a form. Raises `TooManyError` when one of them has to wait."""
        network = network_of(address)
        asked = (
            (self._address_forms, network, "files from your address"),
            (self._address_bytes, network, "bytes from your address"),
            (self._site_forms, site, f"files of site {site!r}"),
            (self._site_bytes, site, f"bytes of site {site!r}"),
        )
        for allowance, who, what in asked:
            wait_s = allowance.wait_s(who)
            if wait_s > 0:
                raise TooManyError(f"too many {what} in a minute", retry_after_s=math.ceil(wait_s))
        self._address_forms.charge(network, 1)
        self._site_forms.charge(site, 1)

    def count_bytes(self, size_bytes: int, *, site: str, address: str) -> None:
        """Count what came with a form."""
        self._address_bytes.charge(network_of(address), size_bytes)
        self._site_bytes.charge(site, size_bytes)
