"""What roles give: `admin`, `operator`, `observatory:SITE`, `ingester:SITE`; everybody else is a user."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from datalab.events import site_codes
from session_api.web.user import EVERY_SITE, User

_SITE: Final = re.compile(site_codes.PATTERN)
_MOST_ROLES: Final = 1000


@dataclass(frozen=True, slots=True)
class Rights:
    """What somebody may beyond what every user may; the sites are those of `User`."""

    superuser: bool = False
    operator: bool = False
    ingests: frozenset[str] = frozenset()
    observatories: frozenset[str] = frozenset()

    def user(self, username: str) -> User:
        """Return somebody who has them as a caller."""
        return User(
            username,
            superuser=self.superuser,
            operator=self.operator,
            ingested_sites=self.ingests,
            observatories=self.observatories,
        )


NO_RIGHTS: Final = Rights()


def rights_of(roles: Iterable[str], *, names: Mapping[str, str]) -> Rights:
    """Return what roles give together. `names` are ours by those others have; what is no role gives nothing."""
    ours = {names.get(role, role) for role in list(roles)[:_MOST_ROLES]}
    # Whose observatory a site is adds its files, too.
    observatories = _sites("observatory", ours)
    return Rights(
        superuser="admin" in ours,
        operator="operator" in ours,
        ingests=_sites("ingester", ours) | observatories,
        observatories=observatories,
    )


def _sites(kind: str, roles: Iterable[str]) -> frozenset[str]:
    named = [role.partition(":") for role in roles]
    sites = {site for name, _, site in named if name == kind}
    return frozenset(site for site in sites if site == EVERY_SITE or _SITE.fullmatch(site))
