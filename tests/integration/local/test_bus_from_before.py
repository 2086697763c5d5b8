"""A data folder from when the bus had no accounts."""

import asyncio
import json

import nats

from datalab.local.binaries import NATS_SERVER, locate
from datalab.local.data_folder import DataFolder
from datalab.local.ports import free_port
from datalab.local.servers import NatsServer
from datalab.local.supervisor import Supervisor
from datalab.platform.settings import NatsSettings
from support.servers import nats_connection, read_settings


async def test_its_streams_are_there(tmp_path):
    with DataFolder(tmp_path / "lab") as folder:
        port = free_port()
        (tmp_path / "nats.conf").write_text(
            f'listen: "127.0.0.1:{port}"\njetstream {{ store_dir: {json.dumps(str(folder.nats))} }}\n'
        )
        former = await asyncio.create_subprocess_exec(locate(NATS_SERVER), "--config", tmp_path / "nats.conf")
        try:
            connection = await nats.connect(
                f"nats://127.0.0.1:{port}", max_reconnect_attempts=100, reconnect_time_wait=0.05
            )
            await connection.jetstream().add_stream(name="KEPT", subjects=["kept.>"])
            await connection.jetstream().publish("kept.frame", b"a")
            await connection.close()
        finally:
            former.terminate()
            await former.wait()
        async with Supervisor(folder=folder) as supervisor:
            server = NatsServer(folder)
            await supervisor.start(server)
            async with nats_connection(read_settings(NatsSettings, server.environment())) as connection:
                assert (await connection.jetstream().get_msg("KEPT", 1)).data == b"a"
