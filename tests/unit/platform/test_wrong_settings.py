"""A setting that cannot be is named, with what would be right; its value, which may be a secret, is not shown."""

import pytest
from typer.testing import CliRunner

from datalab.cli.exit_codes import ExitCode
from datalab.cli.main import app
from datalab.errors import UsageError
from datalab.platform.service import settings_from_environment
from datalab.platform.settings import NatsSettings, S3Settings, settings_of

WRONG = [
    (NatsSettings, "DATALAB_NATS_URL", "nats://[::1", "Invalid IPv6 URL"),
    (NatsSettings, "DATALAB_NATS_URL", "http://host:4222", "has to be nats://host:port"),
    (NatsSettings, "DATALAB_NATS_URL", "nats://one:4222,", "has to be nats://host:port"),
    (NatsSettings, "DATALAB_NATS_INBOX_PREFIX", "a b", "This has to be letters, digits, _ and -"),
    (S3Settings, "DATALAB_S3_URL", "nonsense", "has to be http(s)://host[:port]"),
    (S3Settings, "DATALAB_S3_PUBLIC_URL", "http://user:secret@host", "without a path or credentials"),
    (S3Settings, "DATALAB_S3_URL", "http://host:99999", "Port out of range"),
    (S3Settings, "DATALAB_S3_LINK_TTL_S", "long", "valid integer"),
]


@pytest.mark.parametrize(("kind", "name", "value", "said"), WRONG)
def test_it_is_named(monkeypatch, kind, name, value, said):
    monkeypatch.setenv(name, value)
    with pytest.raises(UsageError) as raised:
        settings_of(kind)
    assert raised.value.message.startswith(f"{name}: ")
    assert said in raised.value.message
    assert value not in raised.value.message


def test_what_names_a_server_is_taken(monkeypatch):
    for url in ("nats://host:4222", "host:4222", "host", "tls://a:1,nats://b:2", "nats://user:password@host"):
        monkeypatch.setenv("DATALAB_NATS_URL", url)
        assert settings_of(NatsSettings).nats_url == url
    monkeypatch.setenv("DATALAB_S3_PUBLIC_URL", "")
    assert not settings_of(S3Settings).s3_public_url


def test_a_service_ends_with_it(monkeypatch):
    monkeypatch.setenv("DATALAB_S3_URL", "nonsense")
    with pytest.raises(SystemExit, match="DATALAB_S3_URL: has to be"):
        settings_from_environment(S3Settings)


def test_a_command_ends_with_it(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATALAB_NATS_URL", "http://host:4222")
    result = CliRunner().invoke(app, ["dead-letters", "list"])
    assert (result.exit_code, result.stderr.count("\n")) == (ExitCode.USAGE, 1)
