"""A calm view of the children: a table that changes in place on a terminal, one line per change elsewhere."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from datalab.local.unit_supervisor import ChildStatus, State

STYLES = {
    State.STARTING: "yellow",
    State.READY: "green",
    State.RESTARTING: "yellow",
    State.STOPPING: "yellow",
    State.STOPPED: "dim",
    State.FAILED: "red",
}


class StatusView(Protocol):
    """Shows statuses (`update` is a supervisor's `on_change`) and notes."""

    def update(self, status: ChildStatus) -> None: ...

    def note(self, text: str) -> None:
        """Write a line that stays."""
        ...


@contextlib.contextmanager
def status_view(console: Console | None = None) -> Iterator[StatusView]:
    """Open the view that suits `console` (default: standard output)."""
    console = console or Console()
    if not console.is_terminal:
        yield PlainView(console)
        return
    # Drawn on changes only: a screen at rest costs nothing and can be copied from.
    live = Live(console=console, auto_refresh=False)
    live.start()
    try:
        yield LiveView(live)
    finally:
        with _nobody_watching():
            live.stop()


@contextlib.contextmanager
def _nobody_watching() -> Iterator[None]:
    """Cope with a closed terminal or pipe: the children have to be stopped in order all the same."""
    with contextlib.suppress(OSError, SystemExit):  # rich turns a broken pipe into SystemExit
        yield


class PlainView:
    """One line per change."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last: dict[str, tuple[State, str]] = {}

    def update(self, status: ChildStatus) -> None:
        seen = (status.state, status.detail)
        if self._last.get(status.name) == seen:
            return
        self._last[status.name] = seen
        where = status.address if status.state is State.READY else status.detail
        self.note(f"{status.name}: {status.state}{f' ({where})' if where else ''}")

    def note(self, text: str) -> None:
        with _nobody_watching():
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)


class LiveView:
    """One row per child."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._rows: dict[str, ChildStatus] = {}

    def update(self, status: ChildStatus) -> None:
        self._rows[status.name] = status
        with _nobody_watching():
            self._live.update(self._table(), refresh=True)

    def note(self, text: str) -> None:
        with _nobody_watching():
            self._live.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False)
        for heading in ("service", "state", "address", "restarts", ""):
            table.add_column(heading, justify="right" if heading == "restarts" else "left")
        for row in self._rows.values():
            state = Text(row.state, style=STYLES[row.state])
            table.add_row(row.name, state, row.address, str(row.restarts or ""), Text(row.detail))
        return table
