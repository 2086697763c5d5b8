"""`datalab users`, as an operator types it."""

import asyncio
import json
import re
import subprocess
import sys

import pytest

from datalab.cli.exit_codes import ExitCode
from support.session_api import ADMIN_TOKEN, BEGINNING


@pytest.fixture
def users(world, tmp_path):
    """Return what runs a command line and returns exit code and words."""

    def run(*arguments, answer=""):
        done = subprocess.run(
            [sys.executable, "-c", "from datalab.cli.main import app; app()", "users", *arguments],
            input=answer,
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env={"DATALAB_API_URL": world.url, "DATALAB_ADMIN_TOKEN": ADMIN_TOKEN},
        )
        return done.returncode, done.stdout.strip(), done.stderr

    return lambda *arguments, **options: asyncio.to_thread(run, *arguments, **options)


async def accepted(world, token):
    world.tokens["someone"] = token
    async with world.client("someone") as client:
        return (await client.get("/api/datasessions/")).status_code == 200


async def test_the_life_of_a_user(world, users):
    code, first, _ = await users("add", "ida", "--proposal", "P1")
    assert code == 0
    assert re.fullmatch(r"[0-9a-f]{40}", first)
    assert "ida  P1" in (await users("list"))[1].splitlines()

    _, second, _ = await users("token", "ida")
    assert await accepted(world, first)
    _, third, _ = await users("token", "ida", "--replace")
    assert [await accepted(world, token) for token in (first, second, third)] == [False, False, True]

    assert (await users("edit", "ida", "--add-proposal", "P2", "--remove-proposal", "P1"))[1] == "ida  P2"
    assert (await users("edit", "ida", "--ingests", "tst", "--ingests", "coj"))[
        1
    ] == "ida  P2  ingests:tst  ingests:coj"
    assert (await users("edit", "ida", "--ingests", ""))[1] == "ida  P2"
    assert (await users("edit", "ida", "--superuser", "--inactive"))[1] == "ida  P2  superuser  inactive"
    assert not await accepted(world, third)
    assert (await users("edit", "ida", "--no-superuser", "--active"))[1] == "ida  P2"
    assert await accepted(world, third)
    await users("revoke", "ida")
    assert not await accepted(world, third)

    (shown,) = [user for user in json.loads((await users("list", "--json"))[1]) if user["username"] == "ida"]
    assert (shown["proposals"], shown["active"]) == (["P2"], True)
    assert (await users("delete", "ida", answer="n\n"))[0] == 1
    assert "ida  P2" in (await users("list"))[1].splitlines()
    assert (await users("delete", "ida", answer="y\n"))[0] == 0
    assert "ida  P2" not in (await users("list"))[1].splitlines()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["edit", "nobody", "--active"], ExitCode.NOT_FOUND, "There is no such user."),
        (["delete", "nobody", "--yes"], ExitCode.NOT_FOUND, "There is no such user."),
        (["edit", "alice"], ExitCode.USAGE, "name something to change"),
        (["edit", "alice", "--remove-proposal", "P9"], ExitCode.FAILED, "alice is not in P9, but in P1"),
        (["add", "Alice"], ExitCode.FAILED, "looks the same: alice"),
    ],
)
async def test_what_cannot_be_is_said(users, arguments, code, words):
    ended, output, errors = await users(*arguments)
    assert (ended, output) == (code, "")
    assert words in errors


async def test_more_users_than_a_page_are_listed(world, users):
    await world.database["users"].insert_many(
        [
            {"_id": f"many-{n:04}", "active": True, "superuser": False, "proposals": [], "created": BEGINNING}
            for n in range(1100)
        ]
    )
    listed = (await users("list"))[1].splitlines()
    await world.database["users"].delete_many({"_id": {"$regex": "^many-"}})
    assert len([line for line in listed if line.startswith("many-")]) == 1100
