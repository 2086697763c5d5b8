"""How other commands find a running `datalab up`: a file in its data folder.

Imports nothing of ours, so that reading it costs a command no time.
"""

from __future__ import annotations

import json
from pathlib import Path


def connection_file(root: Path) -> Path:
    """Return where a run on the data folder `root` says how it is reached."""
    return root / "run" / "connection.json"


def read_connection(root: Path) -> dict[str, str]:
    """Return what a running `datalab up` left for the other commands: `api_url`, `admin_token` and server settings.

    Raises `FileNotFoundError` when none runs on this data folder.
    """
    content: dict[str, str] = json.loads(connection_file(root).read_text(encoding="utf-8"))
    return content
