"""Puts the console together."""

from __future__ import annotations

from datalab.platform.assembly import Capability
from datalab.platform.settings import S3Settings
from session_api.console.http import Console, files, router
from session_api.console.pages import read_pages


def build(*, store: S3Settings) -> Capability:
    """Return the capability. `store` is where browsers find pictures."""
    console = Console(pages=read_pages(), pictures_from=str(store.s3_public_url or store.s3_url))
    return Capability(routes=[*router.routes, *files.routes], services=[console])
