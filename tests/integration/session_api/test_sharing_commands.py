"""`datalab sessions share …` and `datalab groups …`, as users type them; and the same through the client library."""

import asyncio
import subprocess
import sys

import pytest

from datalab.cli.exit_codes import ExitCode
from datalab.client.rest import ApiRefusedError, Datalab
from support.session_api import archive


@pytest.fixture
def command(world, tmp_path):
    """Return what runs a command line as a user, and returns exit code, output and notes."""

    def run(username, *arguments):
        done = subprocess.run(
            [sys.executable, "-c", "from datalab.cli.main import app; app()", *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env={"DATALAB_API_URL": world.url, "DATALAB_TOKEN": world.tokens[username]},
        )
        return done.returncode, done.stdout.strip(), done.stderr

    return lambda *arguments: asyncio.to_thread(run, *arguments)


async def test_a_session_is_shared_and_closed_again_by_commands(world, alice, bob, command):
    session = await world.session(alice, "night", [archive("f1")])
    code, group, _ = await command("alice", "groups", "create", "Variable Stars", "bob")
    assert (code, group.isdecimal()) == (0, True)
    assert "alice, bob" in (await command("bob", "groups", "list"))[1]
    assert (await command("alice", "sessions", "share", session, "variable stars", "--group", "--editor"))[0] == 0
    assert (await command("alice", "sessions", "share", session, "root"))[0] == 0
    shown = (await command("alice", "sessions", "shares", session))[1].splitlines()
    assert [line.split("  ")[0] for line in shown] == [f"group {group} Variable Stars", "root"]
    assert "editor, of alice" in (await command("bob", "sessions", "list", "--shared"))[1]
    assert "of alice" not in (await command("bob", "sessions", "list"))[1]
    refused = await command("bob", "sessions", "delete", session)
    assert refused[0] == ExitCode.NOT_ALLOWED
    assert (await command("alice", "sessions", "unshare", session, "Variable Stars", "--group"))[0] == 0
    assert (await command("bob", "sessions", "show", session))[0] == ExitCode.NOT_FOUND
    assert (await command("alice", "sessions", "share", session, "nobody-of-that-name"))[0] == ExitCode.NOT_FOUND
    assert (await command("alice", "groups", "leave", group))[0] == ExitCode.FAILED  # who owns it cannot
    assert (await command("bob", "groups", "leave", "variable stars"))[0] == 0
    assert (await command("bob", "groups", "rename", group, "mine"))[0] == ExitCode.NOT_FOUND
    assert (await command("alice", "groups", "delete", group, "--yes"))[0] == 0
    assert "you are in no group" in (await command("alice", "groups", "list"))[2]


async def test_a_link_from_the_command_opens_the_session_for_the_client(world, alice, command):
    session = await world.session(alice, "night", [archive("f1")])
    code, link, _ = await command("alice", "sessions", "link", session)
    assert code == 0
    async with Datalab(world.url, None, link=link) as guest:
        shown = await guest.session(session)
        assert (shown["user"], shown["role"]) == ("alice", "viewer")
        with pytest.raises(ApiRefusedError) as refused:
            await guest.add_session("mine")
        assert refused.value.status == 401
        async with guest.feed() as feed:
            await feed.subscribe(sessions=[session])
        assert (await command("alice", "sessions", "link", session, "--revoke"))[0] == 0
        with pytest.raises(ApiRefusedError, match="Invalid link"):
            await guest.session(session)


async def test_a_session_is_given_away_by_a_command(world, alice, bob, command):
    session = await world.session(alice)
    assert (await command("alice", "sessions", "give", session, "bob", "--yes"))[0] == 0
    assert (await command("alice", "sessions", "share", session, "root"))[0] == ExitCode.NOT_ALLOWED
    assert (await bob.delete(f"/api/datasessions/{session}/")).status_code == 204
