import socket

import pytest

from datalab.local.data_folder import DataFolder
from datalab.local.ports import AddressUnusableError, free_port, lasting_port, port_is_free, reachable, url_host


@pytest.fixture
def occupied():
    with socket.socket() as occupant:
        occupant.bind(("127.0.0.1", 0))
        occupant.listen()
        yield occupant.getsockname()[1]


def test_a_preferred_port_is_taken_if_it_is_free(occupied):
    wanted = free_port()
    assert free_port(wanted) == wanted
    assert not port_is_free(occupied)
    assert free_port(occupied) != occupied


def test_a_port_for_the_next_start_is_none_that_outgoing_connections_take():
    assert 20_000 <= lasting_port() < 32_768


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host", "::ffff:192.0.2.1"])
def test_an_address_of_another_machine_is_refused_in_words(host):
    with pytest.raises(AddressUnusableError, match="cannot listen on"):
        free_port(host=host)


@pytest.mark.parametrize(
    ("host", "here", "in_url"),
    [("0.0.0.0", "127.0.0.1", "127.0.0.1"), ("::", "127.0.0.1", "127.0.0.1"), ("::1", "::1", "[::1]")],
)
def test_where_this_machine_reaches_what_listens(host, here, in_url):
    assert reachable(host) == here
    assert url_host(reachable(host)) == in_url


def test_a_port_is_kept_in_the_data_folder(tmp_path):
    with DataFolder(tmp_path) as folder:
        assert folder.kept_port("s3") is None
        folder.keep_port("s3", 21_212)
        folder.keep_port("other", 1)
    with DataFolder(tmp_path) as folder:
        assert folder.kept_port("s3") == 21_212


@pytest.mark.parametrize("text", ["", "[]", '{"s3": "9000"}', '{"s3": 0}', '{"s3": 70000}', "\x00"])
def test_a_damaged_file_of_ports_costs_the_port_and_no_more(tmp_path, text):
    (tmp_path / "ports.json").write_text(text)
    with DataFolder(tmp_path) as folder:
        assert folder.kept_port("s3") is None
        folder.keep_port("s3", 21_212)
        assert folder.kept_port("s3") == 21_212
