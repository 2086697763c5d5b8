"""Files of a user's own, sent as programs send them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from datalab.client.rest import Datalab
from support.waiting import until


async def send_own(api: Datalab, files: Mapping[str, bytes]) -> dict[str, str]:
    """Send files of one part each; return the name of each one's frame when all are in the archive."""
    return {name: await _sent(api, name, content) for name, content in files.items()}


async def _sent(api: Datalab, name: str, content: bytes) -> str:
    said = {"file_name": name, "size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    path = f"frames/upload/{(await api.call('POST', 'frames/upload/', json=said))['id']}/"
    (await api.http.put(f"{path}parts/1/", content=content)).raise_for_status()
    await api.call("POST", f"{path}complete/")

    async def ended() -> dict[str, Any] | None:
        upload = await api.call("GET", path)
        assert upload["state"] != "refused", upload["reason"]
        return upload if upload["state"] == "ingested" else None

    return str((await until(ended))["frame"])
