"""Where a system listens and what others are told: what cannot work is refused, and what differs is said aloud."""

import socket

import pytest

from datalab.local.ports import AddressUnusableError, free_port, own_address
from datalab.local.reach import Reach, ReachError


@pytest.fixture
def occupied():
    with socket.socket() as occupant:
        occupant.bind(("127.0.0.1", 0))
        occupant.listen()
        yield occupant.getsockname()[1]


@pytest.mark.parametrize(
    ("reach", "others"),
    [
        (Reach(), None),
        (Reach(host="localhost"), None),
        (Reach(host="127.0.0.2"), None),
        (Reach(host="::1"), None),
        (Reach(host="192.0.2.7"), "http://192.0.2.7:9000"),
        (Reach(host="2001:db8::7"), "http://[2001:db8::7]:9000"),
        (Reach(host="0.0.0.0", public_url="https://lab.example.org/datalab"), "http://lab.example.org:9000"),
    ],
)
def test_others_follow_links_to_the_host_they_reach(reach, others):
    assert reach.others_url(9000) == others


def test_whoever_listens_everywhere_is_reached_by_the_address_of_this_machine():
    assert Reach(host="0.0.0.0").others_url(9000) == f"http://{own_address()}:9000"
    assert own_address() not in ("", "0.0.0.0")


@pytest.mark.parametrize("url", ["lab.example.org", "ftp://lab.example.org", "http://", "http://lab:port", "http://[x"])
def test_a_public_address_that_is_none_is_refused(url):
    with pytest.raises(ReachError, match="is no address"):
        Reach(host="0.0.0.0", public_url=url).checked({})


def test_a_public_address_nobody_can_reach_is_refused():
    reach = Reach(public_url="http://lab.example.org:8000")
    with pytest.raises(ReachError, match="add --host"):
        reach.checked({})
    assert reach.checked({"DATALAB_S3_PUBLIC_URL": "https://files.example.org"}) is reach


def test_a_host_that_is_not_this_machine_is_refused():
    with pytest.raises(AddressUnusableError):
        Reach(host="192.0.2.7").checked({})


def test_a_busy_port_that_was_asked_for_is_refused(occupied):
    with pytest.raises(ReachError, match=f"port {occupied} of 127.0.0.1 is in use by another program"):
        Reach(api_port=occupied).chosen_api_port(pytest.fail)


def test_a_busy_usual_port_is_said_aloud(occupied, monkeypatch):
    monkeypatch.setattr("datalab.local.reach.USUAL_API_PORT", occupied)
    said = []
    port = Reach().chosen_api_port(said.append)
    assert port != occupied
    (line,) = said
    assert line.startswith(f"ATTENTION: port {occupied}")
    assert str(port) in line


def test_a_free_port_is_taken_in_silence():
    port = free_port()
    assert Reach(api_port=port).chosen_api_port(pytest.fail) == port


@pytest.mark.parametrize(
    ("reach", "private"),
    [
        (Reach(), True),
        (Reach(host="::1"), True),
        (Reach(host="0.0.0.0"), False),
        (Reach(public_url="https://lab.example.org"), False),
    ],
)
def test_what_others_reach_is_not_private(reach, private):
    assert reach.is_private is private
