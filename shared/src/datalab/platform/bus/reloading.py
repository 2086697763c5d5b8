"""Having the servers of the bus read their configuration anew."""

from __future__ import annotations

import asyncio
import json

import nats
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from datalab.errors import TransientError
from datalab.events.topology import inbox_prefix
from datalab.platform.bus.accounts import Login
from datalab.platform.bus.errors import BUS_ERRORS, reason_of

_CONNECT_TIMEOUT_S = 2
_ANSWER_TIMEOUT_S = 5.0
#: Servers of a cluster that do not answer within this are not there.
_ROLL_CALL_S = 0.5
#: What a new account imports works only after the next reload (nats-server 2.15.1).
_TIMES = 2


async def reload_configuration(urls: str, system: Login) -> None:
    """Have every server read its configuration. Raises `TransientError` if none answers or one refuses.

    Args:
        urls: of the servers, separated by commas.
        system: a user of the system account.
    """
    try:
        connection = await nats.connect(
            [url.strip() for url in urls.split(",")],
            user=system.user,
            password=system.password,
            inbox_prefix=inbox_prefix(system.user),
            connect_timeout=_CONNECT_TIMEOUT_S,
            # A first connection is tried as often as a lost one, whatever `allow_reconnect` says: two minutes long.
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            allow_reconnect=False,
            error_cb=_ignore,
        )
    except (*BUS_ERRORS, TimeoutError) as error:
        raise TransientError(f"the bus could not be told: {reason_of(error)}") from error
    try:
        for server in await _servers(connection):
            for _ in range(_TIMES):
                await _reload(connection, server)
    except (*BUS_ERRORS, TimeoutError) as error:
        raise TransientError(f"the bus did not read its configuration: {reason_of(error)}") from error
    finally:
        await connection.close()


async def _servers(connection: Client) -> list[str]:
    inbox = connection.new_inbox()
    answers = await connection.subscribe(inbox)
    await connection.publish("$SYS.REQ.SERVER.PING", b"", reply=inbox)
    servers: list[str] = []
    try:
        async with asyncio.timeout(_ANSWER_TIMEOUT_S):
            servers.append(_server(await answers.next_msg(timeout=None)))
        async with asyncio.timeout(_ROLL_CALL_S):
            while True:
                servers.append(_server(await answers.next_msg(timeout=None)))
    except TimeoutError:
        return servers


def _server(answer: Msg) -> str:
    identity: str = json.loads(answer.data)["server"]["id"]
    return identity


async def _reload(connection: Client, server: str) -> None:
    answer = await connection.request(f"$SYS.REQ.SERVER.{server}.RELOAD", b"", timeout=_ANSWER_TIMEOUT_S)
    if refusal := json.loads(answer.data).get("error"):
        raise TransientError(f"the bus did not read its configuration: {refusal.get('description', refusal)}")


async def _ignore(_: Exception) -> None:
    """What goes wrong is raised where it is waited for."""
