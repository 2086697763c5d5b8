"""A command loads what it needs and no more: most ask the API one question, and people wait for them."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import typer

from datalab.cli.exit_codes import ExitCode
from datalab.cli.main import app

#: Together these take several times as long to load as everything an HTTP command needs.
HEAVY = ["astropy", "faststream", "minio", "nats", "numpy", "pymongo", "websockets"]
#: The groups whose commands talk HTTP and nothing else.
HTTP_GROUPS = ["frames", "groups", "ops", "sessions", "users"]
HTTP_COMMANDS = [
    "frames list --site tst --ra 1 --dec 2 --mine",
    "frames show 1",
    "frames headers frame-1",
    "frames download frame-1 2 3*",
    "frames delete 1 --yes",
    "ops list",
    "ops available",
    "ops describe Median",
    "ops start Median frame-1 --wait",
    "ops show 1",
    "ops wait 1",
    "ops download 1",
    "ops cancel 1",
    "ops retry 1",
    "ops delete 1",
    "sessions list",
    "sessions add night frame-1",
    "sessions show",
    "sessions delete 1",
    "sessions share 1 bob --editor",
    "sessions unshare 1 bob",
    "sessions shares 1",
    "sessions link 1",
    "sessions give 1 bob --yes",
    "groups list",
    "groups create class bob",
    "groups rename class lecture",
    "groups add 1 bob",
    "groups remove 1 bob",
    "groups leave 1",
    "groups give 1 bob",
    "groups delete 1 --yes",
    "users add ada",
    "users token ada",
    "users password ada",
    "users link ada",
    "users list",
    "users edit ada --inactive",
    "users revoke ada",
    "users delete ada --yes",
]
SIDE_BY_SIDE = 8
#: Runs the command lines given as JSON; prints exit code and heavy modules loaded after each, as JSON.
PROBE = f"""
import contextlib, io, json, sys
from datalab.cli.main import app

def run(line):
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            app(line.split())
        except SystemExit as end:
            return end.code

results = [(line, run(line), sorted(set({HEAVY}) & set(sys.modules))) for line in json.loads(sys.argv[1])]
print(json.dumps(results))
"""
#: Nobody listens at port 0: a whole command without a network.
NOWHERE = {"DATALAB_API_URL": "http://127.0.0.1:0", "DATALAB_TOKEN": "a-token", "DATALAB_ADMIN_TOKEN": "another"}


def run_python(program, *arguments, folder):
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
        env={**os.environ, **NOWHERE},
    )


def all_commands(group, prefix=()):
    for name, command in group.commands.items():
        yield " ".join((*prefix, name))
        if hasattr(command, "commands"):
            yield from all_commands(command, (*prefix, name))


def test_http_commands_load_no_drivers_and_no_science(tmp_path):
    """Each tries for a second to reach the API, so that some do so side by side."""

    def tried(lines):
        done = run_python(PROBE, json.dumps(lines), folder=tmp_path)
        assert json.loads(done.stdout) == [[line, ExitCode.UNREACHABLE, []] for line in lines]
        assert done.stderr.count("does not answer") == len(lines)  # they came as far as asking it

    with ThreadPoolExecutor(SIDE_BY_SIDE) as threads:
        list(threads.map(tried, (HTTP_COMMANDS[first::SIDE_BY_SIDE] for first in range(SIDE_BY_SIDE))))


def test_those_are_all_http_commands():
    groups = typer.main.get_command(app).commands
    commands = {f"{group} {name}" for group in HTTP_GROUPS for name in groups[group].commands}
    assert {" ".join(line.split()[:2]) for line in HTTP_COMMANDS} == commands


def test_help_loads_no_drivers_and_no_science(tmp_path):
    lines = ["--help", *(f"{command} --help" for command in all_commands(typer.main.get_command(app)))]
    assert {"up --help", "demo --help", "topology apply --help"} <= set(lines)
    done = run_python(PROBE, json.dumps(lines), folder=tmp_path)
    assert json.loads(done.stdout) == [[line, 0, []] for line in lines]


def loaded_by(module, folder):
    program = f"import json, sys, {module}; print(json.dumps(sorted(set({HEAVY}) & set(sys.modules))))"
    return json.loads(run_python(program, folder=folder).stdout)


def test_a_start_without_demonstration_loads_no_astronomy(tmp_path):
    assert not {"astropy", "numpy"} & set(loaded_by("datalab.cli.work.up", tmp_path))


def test_the_names_are_those_under_which_modules_load(tmp_path):
    """Guards the tests above: a misspelled name would never be found."""
    assert loaded_by("datalab.cli.work.demo", tmp_path) == HEAVY
