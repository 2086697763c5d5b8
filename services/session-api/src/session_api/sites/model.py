"""A site's configuration, and those it had before."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, PlainSerializer

from datalab.documents.document import StoredDocument
from datalab.events import site_codes
from datalab.events.envelope import UtcDatetime
from session_api.web.bodies import JsonObject

#: What stands where a site does in paths of the API, and is none: nobody could ask for its configuration.
_NO_SITES: Final = frozenset(
    {
        *("all", "allskyimage", "api", "control_room", "dev", "fitsheader", "frames", "image", "infoimage"),
        *("nightlog", "phase_status", "prod", "status", "test"),
    }
)


def _read(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


#: Kept as its JSON: a document store has opinions on names and numbers, a site's software has others.
Configuration = Annotated[JsonObject, BeforeValidator(_read), PlainSerializer(json.dumps, return_type=str)]


class _Version(StoredDocument):
    """What was said of a site. `by` said it, empty for nobody in particular; `removed` says that it was taken back."""

    configuration: Configuration
    size_bytes: int
    modified: UtcDatetime
    version: int = 1
    by: str = ""
    removed: bool = False


class SiteConfiguration(_Version):
    """What the software of a site, or of its weather station, last said of it.

    The one of a site that was forgotten stays, as `removed`: its next version has the next number.
    """

    site: str = Field(alias="_id")

    @property
    def tag(self) -> str | None:
        """What names this state of it, None if there is none."""
        return None if self.removed else str(self.version)


class ConfigurationVersion(_Version):
    """What a site said of itself before. Never changes: kept under its number before the next one takes its place."""

    version_id: str = Field(alias="_id")
    site: str

    @classmethod
    def of(cls, former: SiteConfiguration) -> ConfigurationVersion:
        return cls(version_id=f"{former.site}/{former.version}", **former.model_dump(round_trip=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionSummary:
    """A version without what it says."""

    version: int
    modified: UtcDatetime
    size_bytes: int
    removed: bool
    by: str


@dataclass(frozen=True, slots=True)
class Replaced:
    """A configuration has been taken: under this number, and with these doubts about it."""

    version: int
    warnings: Sequence[str] = ()


def is_site(code: str) -> bool:
    """Tell whether a site can be called so."""
    return re.fullmatch(site_codes.PATTERN, code) is not None and code not in _NO_SITES
