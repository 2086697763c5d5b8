"""What is loaded once, in the server process that all computing processes are forked from.

The runner itself never imports this: an operation's file brings astronomy with it, a hundred megabytes and seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import cache

from operation_runner.offers.packages import Packages
from operation_runner.offers.registry import RegistryError, discover, discover_analyses
from operation_runner.sdk import Operation
from operation_runner.sdk.analysis import Analysis


@cache
def operations_of(packages: tuple[str, ...]) -> Mapping[str, Operation]:
    """Return every operation of the packages by its name. Raises `RegistryError`."""
    return discover(packages)


@cache
def analyses_of(packages: tuple[str, ...]) -> Mapping[str, Analysis]:
    """Return every analysis action of the packages by its name. Raises `RegistryError`."""
    return discover_analyses(packages)


with suppress(RegistryError):  # whoever asks for them is told
    operations_of(Packages.to_load().operations)
    analyses_of(Packages.to_load().analyses)
