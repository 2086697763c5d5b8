"""`datalab dead-letters`, on a real bus."""

import asyncio
import json

import pytest
from typer.testing import CliRunner

from datalab.cli.exit_codes import ExitCode
from datalab.cli.main import app
from datalab.events.frames import FileStored
from datalab.events.topology import DEAD, FILE_INGEST, FILES, RUNNERS
from datalab.platform.bus.connection import Bus
from datalab.platform.bus.topology import apply_topology
from datalab.platform.metrics import BusMetrics, create_registry
from datalab.platform.settings import NatsSettings

ANNOUNCEMENT = FileStored(site="tst", key="data/a.fits")


@pytest.fixture
async def bus(settings_environment, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name, value in settings_environment.items():
        monkeypatch.setenv(name, value)
    bus = Bus(settings=NatsSettings(), service="test", metrics=BusMetrics(create_registry()))
    await bus.connect()
    await apply_topology(bus.jetstream)
    yield bus
    await bus.close()


async def datalab(*words):
    """Run the command beside this event loop: it has one of its own."""
    result = await asyncio.to_thread(CliRunner().invoke, app, ["dead-letters", *map(str, words)])
    return result.exit_code, result.stdout, result.stderr


async def bury(bus, body, *, consumer=FILE_INGEST, subject=ANNOUNCEMENT.subject, reason="there is no object"):
    """Make a dead letter; return its number."""
    await bus.bury(consumer, body, subject=subject, sequence=1, reason=reason)
    return (await bus.stream_position(DEAD)).last


async def test_letters_are_listed_and_shown_with_their_reason(bus):
    assert await datalab("list") == (0, "", "no dead letters\n")
    number = await bury(bus, ANNOUNCEMENT.encode())
    code, output, _ = await datalab("list")
    assert code == 0
    assert output.split() == [str(number), "file-ingest", "observatory.tst.image.new", "there", "is", "no", "object"]
    code, output, _ = await datalab("show", number)
    assert code == 0
    assert "reason    there is no object" in output
    assert '"key": "data/a.fits"' in output
    (listed,) = json.loads((await datalab("list", "--json"))[1])
    assert json.loads(listed["body"])["key"] == "data/a.fits"


async def test_what_is_in_a_letter_cannot_steer_the_terminal(bus):
    number = await bury(bus, b"\x1b[2Jgone\x07")
    assert "\x1b" not in (await datalab("show", number))[1]


async def test_a_requeued_message_is_where_it_came_from_and_off_the_list(bus):
    await bus.publish(ANNOUNCEMENT)  # the stream would drop the same message under the same id
    number = await bury(bus, ANNOUNCEMENT.encode())
    before = (await bus.stream_position(FILES)).last
    code, output, said = await datalab("requeue", number)
    assert (code, output) == (0, f"{number}: published again on observatory.tst.image.new\n"), said
    message = await bus.stored_message(FILES.name, before + 1)
    assert (message.subject, FileStored.decode(message.body)) == (ANNOUNCEMENT.subject, ANNOUNCEMENT)
    assert (await datalab("list"))[1] == ""
    assert (await datalab("requeue", number))[0] == ExitCode.NOT_FOUND


async def test_the_request_of_a_failed_operation_is_its_owners_to_repeat(bus):
    (runner, *_) = RUNNERS.values()
    (subject,) = runner.filter_subjects
    number = await bury(bus, b'{"operation_id": 12}', consumer=runner, subject=subject)
    code, _, said = await datalab("requeue", number)
    assert code == ExitCode.FAILED
    assert "`datalab ops retry 12`" in said
    assert str(number) in (await datalab("list"))[1]


async def test_nothing_is_published_where_no_stream_is(bus):
    number = await bury(bus, b"{}", subject="$SYS.REQ.SERVER.PING")
    code, _, said = await datalab("requeue", number)
    assert code == ExitCode.FAILED
    assert "No stream takes messages on '$SYS.REQ.SERVER.PING'" in said


async def test_a_discarded_letter_is_gone(bus):
    number = await bury(bus, b"{}")
    assert (await datalab("discard", number))[:2] == (0, f"{number}: discarded\n")
    for command in ("discard", "show", "requeue"):
        code, _, said = await datalab(command, number)
        assert (code, f"there is no dead letter {number}" in said) == (ExitCode.NOT_FOUND, True)
