"""Puts sessions together."""

from __future__ import annotations

from datalab.platform.assembly import Capability
from datalab.platform.documents.core import DocumentCore
from datalab.platform.periodic import Periodic
from session_api.accounts.repository import AccountRepository
from session_api.archive.repository import FrameReader
from session_api.groups.repository import GroupRepository
from session_api.operations.assembly import Operations
from session_api.operations.settings import OperationSettings
from session_api.sessions import frames_http, http, sharing_http
from session_api.sessions.access import SessionAccess
from session_api.sessions.frame_removal import FrameRemovalService
from session_api.sessions.maintenance import SessionMaintenance
from session_api.sessions.repository import SessionRepository
from session_api.sessions.service import SessionService
from session_api.sessions.sharing import SharingService
from session_api.sessions.views import SessionPresenter
from session_api.uploads.personal.repository import PersonalUploadRepository


def repository(core: DocumentCore, *, max_answer_bytes: int) -> SessionRepository:
    """Return what knows the sessions: whose they are, operations and the feed ask, too."""
    return SessionRepository(database=core.documents.database, relay=core.relay, max_answer_bytes=max_answer_bytes)


def build(
    core: DocumentCore,
    *,
    settings: OperationSettings,
    sessions: SessionRepository,
    access: SessionAccess,
    operations: Operations,
    users: AccountRepository,
    groups: GroupRepository,
    uploads: PersonalUploadRepository,
    frames: FrameReader,
) -> Capability:
    """Put them together; what is deleted is looked after as operations are."""
    maintenance = SessionMaintenance(
        sessions=sessions,
        operations=operations.repository,
        deletion=operations.deletion,
        users=users,
        groups=groups,
        uploads=uploads,
        purge_after_s=settings.purge_after_s,
    )
    works = {
        "deleted sessions": maintenance.finish_deletions,
        "deleted users": maintenance.forget_deleted_users,
        "deleted groups": maintenance.forget_deleted_groups,
    }
    service = SessionService(
        sessions=sessions,
        operations=operations.repository,
        deletion=operations.deletion,
        seen=operations.seen,
        frames=frames,
        access=access,
    )
    return Capability(
        routes=[*http.router.routes, *sharing_http.router.routes, *frames_http.router.routes],
        services=[
            FrameRemovalService(frames=frames, sessions=sessions, publisher=core.bus),
            service,
            SharingService(sessions=service, repository=sessions, groups=groups, users=users),
            SessionPresenter(operations=operations.presenter),
        ],
        indexes=[sessions.ensure_indexes],
        periodic=[
            Periodic(name=name, every_s=settings.reconcile_interval_s, work=work) for name, work in works.items()
        ],
    )
