import socket

from datalab.local.data_folder import DataFolder
from datalab.local.ports import free_port
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


def test_a_preferred_port_is_taken_if_it_is_free():
    wanted = free_port()
    assert free_port(wanted) == wanted
    with socket.socket() as occupant:
        occupant.bind(("127.0.0.1", wanted))
        occupant.listen()
        assert free_port(wanted) != wanted
