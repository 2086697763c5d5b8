"""Who may ask how a process is."""

import pytest

from datalab.platform.health import Health, health_routes
from datalab.platform.metrics import create_registry
from datalab.platform.observers import ObservedFrom, may_observe


def scope(address, *headers):
    return {
        "type": "http",
        "method": "GET",
        "headers": [(name.encode(), b"127.0.0.1") for name in headers],
        "client": address and (address, 1),
    }


@pytest.mark.parametrize(
    ("address", "loopback", "private"),
    [
        (None, True, True),
        ("127.0.0.1", True, True),
        ("::1", True, True),
        ("::ffff:127.0.0.1", True, True),
        ("10.1.2.3", False, True),
        ("172.18.0.1", False, True),
        ("192.168.1.2", False, True),
        ("fd00::1", False, True),
        ("8.8.8.8", False, False),
        ("172.32.0.1", False, False),
        ("2001:4860::8888", False, False),
        ("::ffff:8.8.8.8", False, False),
        ("no address", False, False),
    ],
)
def test_the_address_counts(address, loopback, private):
    answers = [may_observe(scope(address), allowed) for allowed in ObservedFrom]
    assert answers == [loopback, private, True]


@pytest.mark.parametrize("header", ["X-Forwarded-For", "forwarded", "via", "X-Real-IP", "x-forwarded-host"])
def test_what_a_proxy_hands_on_comes_from_elsewhere_whatever_it_says(header):
    answers = [may_observe(scope("127.0.0.1", header), allowed) for allowed in ObservedFrom]
    assert answers == [False, False, True]


@pytest.mark.parametrize(("path", "status"), [("/healthz", 200), ("/readyz", 403), ("/metrics", 403)])
async def test_strangers_are_told_that_the_process_lives_and_nothing_else(path, status):
    sent = []

    async def send(message):
        sent.append(message)

    endpoint = dict(health_routes(Health({}), create_registry()))[path]
    await endpoint(scope("8.8.8.8"), None, send)
    assert sent[0]["status"] == status
    if status == 403:
        assert sent[1]["body"] == b'{"detail": "not for your address: DATALAB_OBSERVED_FROM is private"}'
