import io

import pytest
from rich.console import Console

from datalab.local.status import status_view
from datalab.local.unit_supervisor import ChildStatus, State

STARTING = ChildStatus(name="nats", state=State.STARTING, address="nats", pid=7)
READY = ChildStatus(name="nats", state=State.READY, address="nats://127.0.0.1:4222", pid=7)
RESTARTING = ChildStatus(
    name="nats",
    state=State.RESTARTING,
    address="nats://127.0.0.1:4222",
    restarts=1,
    detail="was killed by SIGKILL; again in 0.2 s [now]",
)


def test_without_a_terminal_each_change_is_one_line():
    console = Console(file=io.StringIO(), force_terminal=False)
    with status_view(console) as view:
        for status in (STARTING, READY, READY, RESTARTING):
            view.update(status)
        view.note("session API: http://127.0.0.1:8000")
    assert console.file.getvalue().splitlines() == [
        "nats: starting",
        "nats: ready (nats://127.0.0.1:4222)",
        "nats: restarting (was killed by SIGKILL; again in 0.2 s [now])",
        "session API: http://127.0.0.1:8000",
    ]


def test_on_a_terminal_a_table_shows_the_last_state():
    console = Console(file=io.StringIO(), force_terminal=True, width=120, color_system=None)
    with status_view(console) as view:
        view.update(READY)
        view.update(RESTARTING)
    last_drawn = console.file.getvalue().rsplit("address", 1)[1]
    assert "restarting" in last_drawn
    assert "again in 0.2 s [now]" in last_drawn


class ClosedTerminal(io.StringIO):
    closed_now = False

    def write(self, text):
        if self.closed_now:
            raise OSError(5, "Input/output error")
        return super().write(text)


@pytest.mark.parametrize("terminal", [True, False])
def test_a_closed_terminal_disturbs_nobody(terminal):
    file = ClosedTerminal()
    with status_view(Console(file=file, force_terminal=terminal)) as view:
        view.update(STARTING)
        file.closed_now = True
        view.update(READY)
        view.note("unread")
    assert "unread" not in file.getvalue()
