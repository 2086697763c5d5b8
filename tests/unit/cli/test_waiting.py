"""Progress on a terminal and elsewhere, and how a wait ends."""

import io

import pytest
from rich.console import Console

from datalab.cli.waiting import demand_completed, shown_progress

STATES = [
    {"id": 7, "name": "Median", "state": state, "operation_progress": done, "message": message}
    for state, done, message in [
        ("PENDING", 0.0, "Waiting for operation 6 (Alignment)"),
        ("IN_PROGRESS", 0.11, ""),
        ("IN_PROGRESS", 0.14, ""),
        ("IN_PROGRESS", 0.52, "reading \x1b[2Jfiles"),
        ("COMPLETED", 1.0, ""),
    ]
]


def shown(*, terminal):
    console = Console(file=io.StringIO(), force_terminal=terminal, width=120, color_system=None)
    with shown_progress(console) as show:
        for state in STATES:
            show(state)
    return console.file.getvalue()


def test_a_terminal_sees_a_bar():
    drawn = shown(terminal=True)
    assert "Median" in drawn
    assert "100%" in drawn
    assert "━" in drawn
    assert "\x1b[2J" not in drawn


def test_elsewhere_there_is_a_line_for_each_change(capsys):
    assert shown(terminal=False) == ""
    assert capsys.readouterr().err.splitlines() == [
        "Median: PENDING 0% Waiting for operation 6 (Alignment)",
        "Median: IN_PROGRESS 10%",
        "Median: IN_PROGRESS 50% reading  [2Jfiles",
        "Median: COMPLETED 100%",
    ]


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED"])
def test_an_end_without_a_result_is_told_with_its_message(state, capsys):
    import typer

    with pytest.raises(typer.Exit) as end:
        demand_completed({"id": 7, "name": "Median", "state": state, "message": "Input 2 is damaged."})
    assert end.value.exit_code == 1
    assert capsys.readouterr().err == f"datalab: operation 7 (Median) {state}: Input 2 is damaged.\n"


def test_a_result_is_no_error():
    demand_completed({"id": 7, "name": "Median", "state": "COMPLETED", "message": ""})
