"""Puts control rooms together."""

from __future__ import annotations

from datalab.errors import UsageError
from datalab.events.topology import LEASES, LEASES_TTL_S
from datalab.platform.assembly import Capability, Part
from datalab.platform.bus.election import Election
from datalab.platform.bus.leases import LeaseKeeper
from datalab.platform.documents.core import DocumentCore
from datalab.platform.periodic import Periodic
from session_api.control_rooms import http
from session_api.control_rooms.meeting import MeetingRooms
from session_api.control_rooms.ports import RoomProvider
from session_api.control_rooms.remotehq import RemoteHq
from session_api.control_rooms.repository import ControlRoomRepository
from session_api.control_rooms.service import ControlRoomService
from session_api.control_rooms.settings import ControlRoomSettings
from session_api.uploads.open_sites import OpenSites


def build(core: DocumentCore, *, settings: ControlRoomSettings, open_sites: OpenSites) -> Capability:
    """Return what gives sites their control rooms. Raises `UsageError` for settings that do not fit together."""
    provider, resources = _provider(settings)
    service = ControlRoomService(
        rooms=ControlRoomRepository(core.documents.database),
        provider=provider,
        open_sites=open_sites,
        restart_hours=settings.control_room_restart_hours,
    )
    leases = LeaseKeeper(lambda: core.bus.key_value(LEASES), ttl_s=LEASES_TTL_S)
    election = Election(leases, "control-rooms", work=service.restart_due)
    return Capability(
        routes=http.router.routes,
        services=[service],
        resources=resources,
        parts=[election],
        periodic=[Periodic(name="control rooms", every_s=leases.renew_every_s, first_after_s=0.0, work=election.turn)],
    )


def _provider(settings: ControlRoomSettings) -> tuple[RoomProvider, list[Part]]:
    if settings.control_room_provider == "meeting":
        return MeetingRooms(url=settings.meeting_url, page_url=settings.control_room_page_url), []
    if settings.remotehq_token is None:
        raise UsageError("DATALAB_CONTROL_ROOM_PROVIDER=remotehq needs DATALAB_REMOTEHQ_TOKEN.")
    remotehq = RemoteHq(
        url=settings.remotehq_url,
        token=settings.remotehq_token.get_secret_value(),
        timeout_s=settings.remotehq_timeout_s,
        page_url=settings.control_room_page_url,
    )
    return remotehq, [remotehq]
