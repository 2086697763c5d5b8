"""A system others reach: a link that was handed out works from elsewhere, and after a restart."""

import json
import os
import socket

import httpx
import pytest

from datalab.local.connection import read_connection
from datalab.local.ports import free_port, own_address
from datalab.local.reach import Reach, ReachError
from datalab.local.system import running_system
from datalab.platform.objects.links import Links
from datalab.platform.objects.store import ObjectStore
from datalab.platform.settings import S3Settings

FILE = b"a result" * 1000


def elsewhere(system):
    """Return the links of this system, as the session API makes them."""
    settings = system.s3_settings
    assert settings.s3_public_url == system.addresses.s3_public_url
    return Links(settings)


async def downloaded(link):
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(link)


async def test_links_lead_to_this_machine_and_survive_a_restart(tmp_path):
    reach = Reach(host="0.0.0.0", api_port=free_port(host="0.0.0.0"))
    async with running_system(tmp_path, reach=reach) as system:
        async with ObjectStore(system.s3_settings) as store:
            await store.put_bytes("results/of-yesterday", FILE, content_type="image/fits")
        link = elsewhere(system).sign_get("results/of-yesterday")
        assert httpx.URL(link).host == own_address()
        assert httpx.URL(system.others_url).host == own_address()
        assert (await downloaded(link)).content == FILE
        unsigned = await downloaded(link.partition("?")[0])
        assert unsigned.is_client_error  # the address alone opens nothing
        assert FILE not in unsigned.content
        health = await downloaded(f"{system.others_url}/readyz")
        assert health.status_code == 200
    async with running_system(tmp_path, reach=reach) as system:
        assert (await downloaded(link)).content == FILE


async def test_a_port_in_use_is_said_before_anything_is_started(tmp_path):
    with socket.socket() as occupant:
        occupant.bind(("127.0.0.1", 0))
        occupant.listen()
        reach = Reach(api_port=occupant.getsockname()[1])
        with pytest.raises(ReachError, match="is in use by another program"):
            async with running_system(tmp_path, reach=reach, on_change=pytest.fail):
                pytest.fail("it started")


async def test_ports_others_were_faster_to_take_are_left_to_them_and_what_is_odd_is_said(tmp_path, monkeypatch):
    """The store's is one old links lead to; the API's was found free, and what answers there is ready and not ours."""
    said = []
    with socket.socket() as faster, socket.socket() as occupant:
        for taker in (faster, occupant):
            taker.bind(("127.0.0.1", 0))
            taker.listen()
        api_port, s3_port = faster.getsockname()[1], occupant.getsockname()[1]
        monkeypatch.setattr("datalab.local.reach.USUAL_API_PORT", api_port)
        monkeypatch.setattr("datalab.local.reach.port_is_free", lambda port, host: True)
        (tmp_path / "ports.json").write_text(json.dumps({"s3": s3_port}))
        environ = {**os.environ, "DATALAB_SLOW_SLOT": "1"}
        async with running_system(tmp_path, say=said.append, environ=environ) as system:
            assert not system.api_url.endswith(f":{api_port}")
            assert (await downloaded(f"{system.api_url}/readyz")).status_code == 200
            assert read_connection(tmp_path)["api_url"] == system.api_url
            assert not system.addresses.s3_url.endswith(f":{s3_port}")
            assert system.others_url is None
            assert S3Settings(s3_url=system.addresses.s3_url).s3_public_url is None
    mistyped, store, api = said
    assert mistyped.startswith("ATTENTION: DATALAB_SLOW_SLOT is no setting")
    assert store.startswith(f"ATTENTION: port {s3_port}")
    assert api.startswith(f"ATTENTION: port {api_port}")
    assert f"listens on port {httpx.URL(system.api_url).port} instead" in api
    assert json.loads((tmp_path / "ports.json").read_text()) == {"s3": s3_port}  # it may be free again
