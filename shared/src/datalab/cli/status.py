"""`datalab status`: whether the system is there, and can do its work."""

from __future__ import annotations

import os
from typing import Any

from datalab.cli.connection import USER_TOKEN, CommandError, api_address, asked
from datalab.cli.output import JsonOption, print_json, print_table
from datalab.client.rest import Datalab

JsonObject = dict[str, Any]


def status(as_json: JsonOption = False) -> None:
    """Tell how the system is; exit code 1 if a part of it cannot work.

    With a token also what it offers; where the bus can be reached also what waits there.
    """
    url, token = api_address(), os.environ.get(USER_TOKEN)

    async def look(api: Datalab) -> JsonObject:
        health = await api.health()
        offered = len(await api.available_operations()) if token else None
        return {"url": url, "version": await api.version(), **health, "operations": offered}

    found = asked(look, url, token)
    if os.environ.get("DATALAB_NATS_URL"):
        from datalab.cli.work.status import queues  # noqa: PLC0415 - loaded when called

        found |= queues()
    if as_json:
        print_json(found)
    else:
        print_table(_rows(found))
    _demand_ready(found)


def _rows(found: JsonObject) -> list[tuple[str, str]]:
    rows = [("API", f"{found['url']}, version {found['version']}"), ("state", found["status"])]
    rows += list(found["dependencies"].items())
    if found["operations"] is not None:
        rows.append(("operations", f"{found['operations']} offered" if found["operations"] else "none: no runner runs"))
    for queue in found.get("queues", ()):
        rows.append((queue["consumer"], f"{queue['waiting']} wait, {queue['in_hand']} in hand"))
    if "dead_letters" in found:
        hint = ": `datalab dead-letters list`" if found["dead_letters"] else ""
        rows.append(("dead letters", f"{found['dead_letters']}{hint}"))
    return rows


def _demand_ready(found: JsonObject) -> None:
    if found["status"] != "ready":
        faulty = [f"{name}: {state}" for name, state in found["dependencies"].items() if state != "ok"]
        raise CommandError(f"the system is not ready: {'; '.join(faulty)}")
    if found["operations"] == 0:
        raise CommandError("no operation is offered: no operation runner runs")
