"""Where operations and analysis actions are, and how the processes that work with them come to have them loaded."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import Self

from datalab.processes.forkserver import preload

#: What the runner's processes do, and all operations and actions: named, because the runner itself loads none of it.
_LOADED = (
    "operation_runner.computing.job",
    "operation_runner.analysing.worker",
    "operation_runner.previews.worker",
    "operation_runner.ephemeris.worker",
    "operation_runner.offers.describing",
    "operation_runner.offers.loaded",
)
#: Its environment is the only way to the server process that loads all this.
_VARIABLE = "DATALAB_PACKAGES_TO_LOAD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Packages:
    """Where operations and analysis actions are."""

    operations: tuple[str, ...]
    analyses: tuple[str, ...]

    @classmethod
    def to_load(cls) -> Self:
        """Return what `prepare_processes` was called with in the runner."""
        named = json.loads(os.environ.get(_VARIABLE, "{}"))
        return cls(operations=tuple(named.get("operations", ())), analyses=tuple(named.get("analyses", ())))


def prepare_processes(packages: Packages) -> None:
    """Say what processes are to have loaded, before the first is started."""
    os.environ[_VARIABLE] = json.dumps(asdict(packages))
    preload(_LOADED)
