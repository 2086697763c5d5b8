"""A full disk ends: what ran on it works again, without anybody's help."""

import contextlib

from datalab.errors import TransientError
from datalab.events.operations import OperationStarted
from datalab.events.topology import REPORTS
from datalab.local import unit_supervisor
from datalab.local.data_folder import DataFolder
from datalab.local.servers import NatsServer
from datalab.local.supervisor import Supervisor
from datalab.platform.bus.connection import Bus
from datalab.platform.bus.topology import apply_topology
from datalab.platform.metrics import BusMetrics, create_registry
from datalab.platform.settings import NatsSettings
from support.servers import read_settings
from support.small_disk import OnSmallDisk, needs_small_disks, small_disk
from support.waiting import until


@contextlib.asynccontextmanager
async def connected(settings):
    bus = Bus(settings=settings, service="test", metrics=BusMetrics(create_registry()))
    await bus.connect()
    yield bus
    await bus.close()


async def test_a_bus_whose_disk_was_full_is_started_again_and_readiness_tells(tmp_path, monkeypatch):
    needs_small_disks()
    monkeypatch.setattr(unit_supervisor, "CHECK_INTERVAL_S", 1.0)
    event = OperationStarted(operation_id=1, attempt=1)
    with DataFolder(tmp_path / "lab") as folder, small_disk(folder.nats, size_bytes=16 * 1024**2) as disk:
        server = OnSmallDisk(NatsServer(folder), disk)
        async with Supervisor(folder=folder) as supervisor:
            await supervisor.start(server)
            pid = supervisor.status("nats").pid
            settings = read_settings(NatsSettings, server.environment())
            async with connected(settings) as bus:
                await apply_topology(bus.jetstream)
                await bus.check()
                await bus.publish(event)

                async def not_ready():
                    try:
                        await bus.check()
                    except TransientError:
                        return True

                disk.fill()
                await until(not_ready)
                disk.make_room()  # which alone mends nothing: the server keeps its error
                back = await supervisor.wait_ready("nats", other_than_pid=pid, timeout_s=30)
                assert back.restarts == 1

                async def ready():
                    return not await not_ready()

                await until(ready)
                await bus.publish(OperationStarted(operation_id=2, attempt=1))
                stored = [
                    message.body async for message in bus.replay(REPORTS, after=0, filter_subjects=REPORTS.subjects)
                ]
            assert stored[0] == event.encode()
