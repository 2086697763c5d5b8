"""What is loaded once, in the server process that all computing processes are forked from.

The runner itself never imports this: an operation's file brings astronomy with it, a hundred megabytes and seconds.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from functools import cache

from operation_runner.registry import RegistryError, discover
from operation_runner.sdk import Operation

#: Tells the server process what to load: a JSON list of packages.
PACKAGES_VARIABLE = "DATALAB_PACKAGES_TO_LOAD"


@cache
def operations_of(packages: tuple[str, ...]) -> Mapping[str, Operation]:
    """Return every operation of the packages by its name. Raises `RegistryError`."""
    return discover(packages)


with suppress(RegistryError):  # whoever asks for them is told
    operations_of(tuple(json.loads(os.environ.get(PACKAGES_VARIABLE, "[]"))))
