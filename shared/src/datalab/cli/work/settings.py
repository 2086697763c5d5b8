"""Settings a command reads from its environment."""

from __future__ import annotations

from datalab.cli.connection import CommandError
from datalab.cli.exit_codes import ExitCode
from datalab.errors import UsageError
from datalab.platform.settings import SettingsT, settings_of


def command_settings(kind: type[SettingsT]) -> SettingsT:
    """Return the settings of a kind. Raises `CommandError` that names the variable and says what is wrong with it."""
    try:
        return settings_of(kind)
    except UsageError as error:
        raise CommandError(error.message, ExitCode.USAGE) from error
