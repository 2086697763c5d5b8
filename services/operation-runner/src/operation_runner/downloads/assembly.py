"""Puts together what makes files for somebody to save."""

from __future__ import annotations

from datalab.events.topology import LEASES, LEASES_TTL_S
from datalab.platform.assembly import Capability, Core
from datalab.platform.bus.leases import LeaseKeeper
from operation_runner.downloads.archives import Archives
from operation_runner.downloads.bus import responders
from operation_runner.downloads.files import ObjectFiles
from operation_runner.downloads.making import Making


def build(core: Core) -> tuple[Capability, Making]:
    """Return the capability, and what has files made of which there is one each."""
    leases = LeaseKeeper(lambda: core.bus.key_value(LEASES), ttl_s=LEASES_TTL_S)
    making = Making(files=ObjectFiles(core.objects), leases=leases)
    archives = Archives(objects=core.objects, making=making)
    return Capability(parts=[leases, making], responders=lambda: responders(archives)), making
