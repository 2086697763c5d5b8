"""A site's configuration."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, PlainSerializer

from datalab.documents.document import StoredDocument
from datalab.events import site_codes
from datalab.events.envelope import UtcDatetime
from session_api.web.bodies import JsonObject

#: What stands where a site does in paths of the API, and is none: nobody could ask for its configuration.
_NO_SITES: Final = frozenset(
    {"all", "api", "control_room", "dev", "fitsheader", "frames", "image", "nightlog", "prod", "test"}
)


def _read(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


#: Kept as its JSON: a document store has opinions on names and numbers, a site's software has others.
Configuration = Annotated[JsonObject, BeforeValidator(_read), PlainSerializer(json.dumps, return_type=str)]


class SiteConfiguration(StoredDocument):
    """What the software of a site, or of its weather station, last said of it."""

    site: str = Field(alias="_id")
    configuration: Configuration
    size_bytes: int
    modified: UtcDatetime


def is_site(code: str) -> bool:
    """Tell whether a site can be called so."""
    return re.fullmatch(site_codes.PATTERN, code) is not None and code not in _NO_SITES
