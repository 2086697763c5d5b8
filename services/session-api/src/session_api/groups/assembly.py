"""Puts groups together."""

from __future__ import annotations

from datalab.platform.assembly import Capability
from datalab.platform.documents.core import DocumentCore
from session_api.accounts.repository import AccountRepository
from session_api.groups import http
from session_api.groups.repository import GroupRepository
from session_api.groups.service import GroupService


def build(core: DocumentCore, *, users: AccountRepository) -> tuple[Capability, GroupRepository]:
    """Return the capability, and what knows who is in which group: sessions are shared with them."""
    groups = GroupRepository(core.documents.database)
    capability = Capability(
        routes=http.router.routes,
        services=[GroupService(groups=groups, users=users)],
        indexes=[groups.ensure_indexes],
    )
    return capability, groups
