"""SIMBAD over HTTP: its TAP service, asked for one object.

References:
    Wenger et al. 2000, A&AS 143, 9 (SIMBAD); IVOA Table Access Protocol 1.1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import httpx

from datalab.errors import TransientError

_QUERY = "SELECT ra, dec, main_id FROM basic JOIN ident ON oidref = oid WHERE id = '{name}'"


@dataclass(frozen=True, slots=True)
class FoundObject:
    """An object: the name SIMBAD gives it, and where it is, ICRS degrees."""

    name: str
    right_ascension_deg: float
    declination_deg: float


class Simbad:
    """The service. `transport` is for tests."""

    def __init__(self, *, url: str, timeout_s: float, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._url = url
        self._client = httpx.AsyncClient(timeout=timeout_s, transport=transport, follow_redirects=True)

    async def start(self) -> None:
        """Nothing is asked before somebody asks us."""

    async def stop(self) -> None:
        await self._client.aclose()

    async def find(self, name: str) -> FoundObject | None:
        """Return the object of a name, None if there is none. Raises `TransientError` if the service does not tell."""
        query = _QUERY.format(name=name.replace("'", "''"))
        parameters = {"request": "doQuery", "lang": "adql", "format": "json", "maxrec": "1", "query": query}
        try:
            reply = await self._client.get(self._url, params=parameters)
            reply.raise_for_status()
            rows = reply.json()["data"]
            if not rows:
                return None
            right_ascension_deg, declination_deg, main_name = rows[0]
            found = FoundObject(str(main_name), float(right_ascension_deg), float(declination_deg))
        except httpx.HTTPError as error:
            raise TransientError("the name service (SIMBAD) cannot be reached") from error
        except (ValueError, TypeError, KeyError, IndexError) as error:
            raise TransientError("the name service (SIMBAD) gave an answer that cannot be read") from error
        if not (math.isfinite(found.right_ascension_deg) and math.isfinite(found.declination_deg)):
            return None
        return found
