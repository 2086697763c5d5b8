"""Which variables a child does not get."""

import pytest

from datalab.platform import environment
from datalab.platform.environment import without_secrets
from datalab.platform.settings import AccessSettings, MongoSettings, NatsSettings, S3Settings
from session_api.settings import SessionApiSettings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATALAB_ADMIN_TOKEN", "x"),
        ("DATALAB_NATS_PASSWORD", "x"),
        ("DATALAB_S3_SECRET_KEY", "x"),
        ("DATALAB_MONGO_URL", "mongodb://user:pass@mongo:27017/?replicaSet=datalab"),
        ("DATALAB_MONGO_URL", "mongodb://user:pass@one:27017,two:27017/?replicaSet=datalab"),
        ("DATALAB_NATS_URL", "nats://one:4222, nats://user:pass@two:4222"),
    ],
)
def test_secrets_go(name, value):
    assert without_secrets({name: value, "HOME": "/"}) == {"HOME": "/"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATALAB_MONGO_URL", "mongodb://one:27017,two:27017/"),
        ("DATALAB_S3_URL", "http://127.0.0.1:9000"),
        ("DATALAB_LOCAL_FOLDER", "/data/night@home"),
        ("DATALAB_PACKAGES_TO_LOAD", '{"operations": ["a:b"]}'),
        ("AWS_SECRET_ACCESS_KEY", "of somebody else's program"),
    ],
)
def test_the_rest_stays(name, value):
    assert without_secrets({name: value}) == {name: value}


def test_every_setting_that_is_a_secret_is_known_for_one():
    for settings in (AccessSettings, MongoSettings, NatsSettings, S3Settings, SessionApiSettings):
        for name, field in settings.model_fields.items():
            if "SecretStr" in str(field.annotation) and name != "mongo_url":  # by its value
                assert without_secrets({f"DATALAB_{name.upper()}": "x"}) == {}, name


def test_a_process_forgets_its_own(monkeypatch):
    monkeypatch.setenv("DATALAB_ADMIN_TOKEN", "x")
    monkeypatch.setenv("DATALAB_HTTP_PORT", "1")
    environment.forget_secrets()
    assert "DATALAB_ADMIN_TOKEN" not in environment.os.environ
    assert environment.os.environ["DATALAB_HTTP_PORT"] == "1"
