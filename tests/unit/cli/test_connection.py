"""Which system a command talks to, as whom, and how it ends when it cannot."""

import json

import pytest
from typer.testing import CliRunner

from datalab.cli import completion
from datalab.cli.connection import use_system
from datalab.cli.exit_codes import ExitCode
from datalab.cli.main import app
from datalab.client.rest import Datalab
from datalab.local.connection import connection_file

#: Nobody listens there.
LOCAL = "http://127.0.0.1:0"
SERVERS = ["DATALAB_NATS_URL", "DATALAB_S3_URL", "DATALAB_ACCESS_DIR"]
VARIABLES = ["DATALAB_API_URL", "DATALAB_TOKEN", "DATALAB_ADMIN_TOKEN", *SERVERS]


@pytest.fixture
def environment(monkeypatch, tmp_path):
    """An empty folder to be in, and none of our variables set; what is set meanwhile is undone."""
    monkeypatch.chdir(tmp_path)
    for name in VARIABLES:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return monkeypatch


def running(root, *, url=LOCAL):
    """Leave what a running `datalab up` leaves."""
    file = connection_file(root)
    file.parent.mkdir(parents=True)
    content = {"api_url": url, "admin_token": f"admin of {root.name}", "DATALAB_NATS_URL": f"nats://{root.name}"}
    file.write_text(json.dumps(content))


def datalab(*words):
    result = CliRunner().invoke(app, words)
    return result.exit_code, result.stderr


def settings():
    import os

    return {name: os.environ[name] for name in VARIABLES if name in os.environ}


@pytest.mark.parametrize(
    "words",
    [
        "sessions list",
        "ops list",
        "ops start Median a b",
        "ops download 1",
        "ops wait 1",
        "watch",
    ],
)
def test_nobody_acts_as_the_administrator_by_accident(environment, tmp_path, words):
    running(tmp_path / ".datalab")
    for token in (None, ""):
        if token is not None:
            environment.setenv("DATALAB_TOKEN", token)
        code, said = datalab(*words.split())
        assert code == ExitCode.NOT_ALLOWED
        assert "set DATALAB_TOKEN" in said


def test_users_are_managed_with_the_administrators_token_only(environment):
    environment.setenv("DATALAB_API_URL", LOCAL)
    environment.setenv("DATALAB_TOKEN", "a-user")
    code, said = datalab("users", "list")
    assert code == ExitCode.NOT_ALLOWED
    assert "set DATALAB_ADMIN_TOKEN" in said


@pytest.mark.parametrize(
    "words",
    [
        "sessions list",
        "users list",
        "upload here.fits",
        "send --site dem here.fits",
        "frames list",
        "observatory simulate --site dem",
        "observatory simulate --site dem --via nats",
        "dead-letters list",
        "sites list",
        "topology check",
    ],
)
def test_without_a_system_that_is_said_at_once(environment, tmp_path, words):
    (tmp_path / "here.fits").write_bytes(b"SIMPLE")
    code, said = datalab(*words.split())
    assert code == ExitCode.UNREACHABLE
    assert "no running system found: start `datalab up`, or set DATALAB_" in said


def test_a_system_that_is_gone_does_not_answer(environment, tmp_path):
    running(tmp_path / ".datalab")
    environment.setenv("DATALAB_TOKEN", "a-user")
    code, said = datalab("sessions", "list")
    assert code == ExitCode.UNREACHABLE
    assert f"the API at {LOCAL} does not answer" in said


def test_every_command_takes_a_data_folder(environment, tmp_path):
    code, said = datalab("ops", "list", "--data-dir", "night")
    assert code == ExitCode.UNREACHABLE
    assert "no running system found in night: start `datalab up --data-dir night`" in said
    running(tmp_path / "night")
    environment.setenv("DATALAB_TOKEN", "a-user")
    assert "does not answer" in datalab("ops", "list", "--data-dir", "night")[1]


def test_a_folder_that_is_named_decides_everything(environment, tmp_path):
    running(tmp_path / "night")
    environment.setenv("DATALAB_API_URL", "http://elsewhere")
    environment.setenv("DATALAB_NATS_URL", "nats://elsewhere")
    use_system(tmp_path / "night")
    assert settings() == {
        "DATALAB_API_URL": LOCAL,
        "DATALAB_ADMIN_TOKEN": "admin of night",
        "DATALAB_NATS_URL": "nats://night",
    }


def test_the_usual_folder_says_what_the_environment_does_not(environment, tmp_path):
    running(tmp_path / ".datalab", url="http://127.0.0.1:8000")
    environment.setenv("DATALAB_API_URL", "http://localhost:8000/api/")
    environment.setenv("DATALAB_NATS_URL", "nats://mine")
    use_system(None)
    assert settings() == {
        "DATALAB_API_URL": "http://localhost:8000/api/",
        "DATALAB_ADMIN_TOKEN": "admin of .datalab",
        "DATALAB_NATS_URL": "nats://mine",
    }


def test_nothing_of_the_local_system_is_sent_to_another(environment, tmp_path):
    running(tmp_path / ".datalab")
    environment.setenv("DATALAB_API_URL", "https://lab.example")
    use_system(None)
    assert settings() == {"DATALAB_API_URL": "https://lab.example"}


@pytest.mark.parametrize(
    ("url", "token", "code", "reason"),
    [
        ("lab.example:8000", "a", ExitCode.USAGE, "does not begin with http:// or https://"),
        (LOCAL, "ä", ExitCode.NOT_ALLOWED, "characters that no token has"),
        (LOCAL, "a b", ExitCode.NOT_ALLOWED, "characters that no token has"),
        (LOCAL, "a\nb", ExitCode.NOT_ALLOWED, "characters that no token has"),
    ],
)
def test_settings_that_cannot_be_are_said(environment, url, token, code, reason):
    environment.setenv("DATALAB_API_URL", url)
    environment.setenv("DATALAB_TOKEN", token)
    ended, said = datalab("sessions", "list")
    assert ended == code
    assert reason in said


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        *(
            ([*words, "D E M"], "'D E M' is no code of a site, which is 1 to 64 letters, digits, _ and -")
            for words in (["send", "here.fits", "--site"], ["watch", "--site"], ["sites", "add"], ["sites", "remove"])
        ),
        (["send", "--site", "dem", "gone.fits"], "no such file: gone.fits"),
        (["upload", "folder"], "folder is a folder; name the files in it: folder/*"),
        (["sessions", "add", "night", "m31_*"], "is a pattern"),
        (["sessions", "add", "night", "@x"], "'@x' is no output"),
    ],
)
def test_a_command_line_that_cannot_be_is_said_in_one_line(environment, tmp_path, words, reason):
    (tmp_path / "here.fits").write_bytes(b"SIMPLE")
    (tmp_path / "folder").mkdir()
    code, said = datalab(*words)
    assert code == ExitCode.USAGE
    assert reason in said
    assert said.count("\n") == 1


def test_the_version_is_told(environment):
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, "datalab 0.1.0\n")


def test_shells_can_complete(environment):
    environment.setenv("_DATALAB_COMPLETE", "complete_bash")
    environment.setenv("COMP_WORDS", "datalab ops st")
    environment.setenv("COMP_CWORD", "2")
    result = CliRunner().invoke(app, [], prog_name="datalab")
    assert result.stdout.split() == ["start"]


def test_words_that_are_no_unicode_are_said(environment):
    environment.setenv("DATALAB_API_URL", LOCAL)
    environment.setenv("DATALAB_TOKEN", "t")
    code, said = datalab("sessions", "add", "bad\udcffname", "m31_1")
    assert (code, "cannot be sent" in said) == (ExitCode.USAGE, True)


@pytest.mark.parametrize("url", ["http://127.0.0.1:abc", "http://[::1"])
def test_an_address_that_is_none_is_said(environment, url):
    environment.setenv("DATALAB_API_URL", url)
    environment.setenv("DATALAB_TOKEN", "t")
    code, said = datalab("ops", "list")
    assert (code, "which is no address" in said) == (ExitCode.USAGE, True)


@pytest.mark.parametrize(("typed", "offered"), [("co", "color-image"), ("Co", "Color-Image"), ("x", "")])
def test_shells_complete_names_of_operations(environment, typed, offered):
    async def names(*_):
        return ["Color Image", "Median"]

    environment.setattr(completion, "_offered", names)
    environment.setenv("DATALAB_API_URL", LOCAL)
    environment.setenv("DATALAB_TOKEN", "t")
    environment.setenv("_DATALAB_COMPLETE", "complete_bash")
    environment.setenv("COMP_WORDS", f"datalab ops start {typed}")
    environment.setenv("COMP_CWORD", "3")
    assert CliRunner().invoke(app, [], prog_name="datalab").stdout.strip() == offered
    environment.delenv("DATALAB_TOKEN")
    result = CliRunner().invoke(app, [], prog_name="datalab")
    assert (result.stdout.strip(), result.stderr) == ("", "")


async def test_an_operation_is_found_behind_those_that_come_with_its_session():
    class Paged(Datalab):
        async def call(self, method, path, **_):
            given = [{"id": 2}] if path == "datasessions/" else [{"id": 1}, {"id": 2}]
            sessions = [{"id": 7, "operations": given, "operations_count": 2}]
            return {"results": sessions if path == "datasessions/" else given, "next": None}

    async with Paged(LOCAL, "t") as api:
        assert await api.session_of(1) == 7
        assert await api.session_of(3) is None
