"""Puts the offers together."""

from __future__ import annotations

from datalab.platform.assembly import Capability, Core
from session_api.offers import http
from session_api.offers.reader import OperationOffers


def build(core: Core) -> tuple[Capability, OperationOffers]:
    """Return the capability, and what is offered."""
    offers = OperationOffers(core.bus)
    return Capability(routes=http.router.routes, services=[offers], parts=[offers]), offers
