"""Puts the offers together."""

from __future__ import annotations

from dataclasses import dataclass

from datalab.platform.assembly import Capability, Core
from session_api.offers import http
from session_api.offers.reader import OperationOffers


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    """The capability, and what is offered."""

    capability: Capability
    offers: OperationOffers


def build(core: Core) -> Offers:
    offers = OperationOffers(core.bus)
    return Offers(capability=Capability(routes=http.router.routes, services=[offers], parts=[offers]), offers=offers)
