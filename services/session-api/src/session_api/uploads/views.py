"""Replaced files as they are shown."""

from __future__ import annotations

from typing_extensions import TypedDict

from datalab.platform.objects.links import Links
from session_api.uploads.model import FileVersion
from session_api.web.replies import shown_datetime


class FileVersionView(TypedDict):
    """A file as it was from `stored` until it was `replaced`; `url` leads to it."""

    file_name: str
    size_bytes: int
    stored: str
    replaced: str
    url: str


class VersionPresenter:
    """Shows replaced files, each with a link."""

    def __init__(self, links: Links) -> None:
        self._links = links

    def view(self, version: FileVersion) -> FileVersionView:
        name = version.key.rpartition("/")[2]
        return FileVersionView(
            file_name=name,
            size_bytes=version.size_bytes,
            stored=shown_datetime(version.stored_at),
            replaced=shown_datetime(version.replaced_at),
            url=self._links.sign_get(version.version_key, filename=name),
        )
