"""The log of a command."""

from __future__ import annotations

from datalab.platform.logging import configure_logging
from datalab.platform.settings import LogSettings


def quiet_logging() -> None:
    """A command shows its own words, and of the libraries only what went wrong."""
    configure_logging(LogSettings(log_level="ERROR", log_format="console"), service="cli")
