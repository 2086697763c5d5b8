from datalab.local.data_folder import DataFolder
from datalab.local.servers import ServerAddresses
from datalab.local.services import default_services

EXTERNAL = {
    "DATALAB_NATS_URL": "nats://bus.example.org:4222",
    "DATALAB_MONGO_URL": "mongodb://someone:hidden@documents.example.org",
    "DATALAB_S3_URL": "https://objects.example.org",
    "DATALAB_S3_ACCESS_KEY": "someone",
    "DATALAB_S3_SECRET_KEY": "hidden-too",
    "DATALAB_NATS_USER": "",
    "HOME": "/home/someone",
}


def test_addresses_carry_what_was_given_and_nothing_else():
    assert ServerAddresses.from_environment(EXTERNAL).environment() == {
        name: value for name, value in EXTERNAL.items() if value and name != "HOME"
    }


def test_addresses_do_not_show_secrets():
    assert "hidden" not in repr(ServerAddresses.from_environment(EXTERNAL))


def test_each_service_gets_the_servers_a_port_and_a_scratch_folder(tmp_path):
    addresses = ServerAddresses.from_environment(EXTERNAL)
    with DataFolder(tmp_path) as folder:
        specs = default_services(addresses=addresses, folder=folder, runners=2, api_host="0.0.0.0", api_port=8123)
        for spec in specs:
            assert addresses.environment().items() <= spec.env.items()
            assert spec.env["DATALAB_SCRATCH_DIR"] == str(folder.scratch / spec.name)
            assert (folder.scratch / spec.name).is_dir()
            assert spec.readiness_url == f"http://127.0.0.1:{spec.env['DATALAB_HTTP_PORT']}/readyz"
            assert "hidden" not in repr(spec)
    assert [spec.name for spec in specs] == ["session-api", "ingest", "operation-runner-1", "operation-runner-2"]
    assert [spec.argv[-1] for spec in specs] == ["session_api", "ingest", "operation_runner", "operation_runner"]
    assert specs[0].env["DATALAB_HTTP_PORT"] == "8123"
    assert [spec.env["DATALAB_HTTP_HOST"] for spec in specs] == ["0.0.0.0"] + 3 * ["127.0.0.1"]
    assert len({spec.readiness_url for spec in specs}) == 4


def test_services_that_are_loaded_early_learn_of_their_servers_from_a_file(tmp_path):
    with DataFolder(tmp_path) as folder:
        specs = default_services(addresses=folder.run / "addresses.json", folder=folder)
        for spec in specs:
            assert spec.argv[2] == "datalab.local.early_start"
            assert spec.argv[-1] == str(folder.run / "addresses.json")
            assert not [name for name in spec.env if "URL" in name or "PASSWORD" in name]
    assert [spec.argv[3] for spec in specs] == ["session_api", "ingest", "operation_runner"]
