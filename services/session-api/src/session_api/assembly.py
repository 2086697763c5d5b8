"""The capabilities of the session API, and what each needs of the others."""

from __future__ import annotations

from collections.abc import Sequence

from datalab.platform.assembly import Capability
from datalab.platform.documents.core import DocumentCore
from datalab.platform.objects.links import Links
from session_api import SERVICE
from session_api.accounts import assembly as accounts_assembly
from session_api.analysis import assembly as analysis_assembly
from session_api.archive import assembly as archive_assembly
from session_api.archive.repository import FrameReader
from session_api.console import assembly as console_assembly
from session_api.control_rooms import assembly as control_rooms_assembly
from session_api.dead_letters import assembly as dead_letters_assembly
from session_api.downloads import assembly as downloads_assembly
from session_api.ephemeris import assembly as ephemeris_assembly
from session_api.feed import assembly as feed_assembly
from session_api.groups import assembly as groups_assembly
from session_api.jobs import assembly as jobs_assembly
from session_api.names import assembly as names_assembly
from session_api.night_logs import assembly as night_logs_assembly
from session_api.offers import assembly as offers_assembly
from session_api.operations import assembly as operations_assembly
from session_api.pipe_statuses import assembly as pipe_statuses_assembly
from session_api.queues import assembly as queues_assembly
from session_api.sessions import assembly as sessions_assembly
from session_api.sessions.access import SessionAccess
from session_api.settings import SessionApiSettings
from session_api.site_logs import assembly as site_logs_assembly
from session_api.sites import assembly as sites_assembly
from session_api.status import assembly as status_assembly
from session_api.system import assembly as system_assembly
from session_api.uploads import assembly as uploads_assembly
from session_api.uploads.open_sites import OpenSites
from session_api.web import assembly as web_assembly


def create_core(settings: SessionApiSettings) -> DocumentCore:
    """Return the connections of one process."""
    return DocumentCore(settings, service=SERVICE)


def assemble(core: DocumentCore, settings: SessionApiSettings) -> tuple[Sequence[Capability], web_assembly.Web]:
    """Return every capability, in the order they are started in, and the web's, which is the last of them."""
    links = Links(settings)
    session_repository = sessions_assembly.repository(core, max_answer_bytes=settings.max_answer_bytes)
    accounts, authenticator, users, audit = accounts_assembly.build(
        core, settings=settings, timeout_s=settings.store_timeout_s
    )
    groups, group_repository = groups_assembly.build(core, users=users)
    session_access = SessionAccess(sessions=session_repository, groups=group_repository)
    offers, offered = offers_assembly.build(core)
    frames = FrameReader(core.documents.database, max_answer_bytes=settings.max_answer_bytes)
    uploads, personal, personal_uploads = uploads_assembly.build(
        core, settings=settings, store=settings, frames=frames, links=links, owners=authenticator
    )
    operations = operations_assembly.build(
        core,
        settings=settings,
        max_answer_bytes=settings.max_answer_bytes,
        links=links,
        offers=offered,
        frames=frames,
        rights=session_access,
        owners=authenticator,
    )
    sessions = sessions_assembly.build(
        core,
        settings=settings,
        sessions=session_repository,
        access=session_access,
        operations=operations,
        users=users,
        groups=group_repository,
        uploads=personal_uploads,
        frames=frames,
    )
    analysis, outputs = analysis_assembly.build(core, settings=settings, links=links, operations=operations)
    feed = feed_assembly.build(
        core, settings=settings, authenticator=authenticator, sessions=session_access, settle=personal.settle
    )
    archive = archive_assembly.build(core, frames=frames, outputs=outputs, links=links)
    names = names_assembly.build(core, settings=settings)
    open_sites = OpenSites(settings.open_upload_sites)
    night_logs = night_logs_assembly.build(core, settings=settings, max_answer_bytes=settings.max_answer_bytes)
    site_logs = site_logs_assembly.build(
        core, settings=settings, open_sites=open_sites, max_answer_bytes=settings.max_answer_bytes
    )
    status = status_assembly.build(
        core, settings=settings, open_sites=open_sites, max_answer_bytes=settings.max_answer_bytes
    )
    sites, configurations = sites_assembly.build(
        core, settings=settings, open_sites=open_sites, max_answer_bytes=settings.max_answer_bytes
    )
    queues = queues_assembly.build(
        core, settings=settings, open_sites=open_sites, max_answer_bytes=settings.max_answer_bytes
    )
    pipe_statuses = pipe_statuses_assembly.build(core, open_sites=open_sites)
    jobs = jobs_assembly.build(
        core, settings=settings, open_sites=open_sites, max_answer_bytes=settings.max_answer_bytes
    )
    control_rooms = control_rooms_assembly.build(core, settings=settings, open_sites=open_sites)
    ephemeris = ephemeris_assembly.build(core, settings=settings, sites=configurations)
    downloads = downloads_assembly.build(
        core,
        settings=settings,
        max_answer_bytes=settings.analysis_max_answer_bytes,
        links=links,
        frames=frames,
        outputs=outputs,
        authenticate=authenticator.authenticate,
    )
    others = [
        queues,  # asked hundreds of times a second; routes are looked through in order
        uploads,
        accounts,
        groups,
        dead_letters_assembly.build(core),
        system_assembly.build(core),
        offers,
        names,
        downloads,
        archive,
        operations.capability,
        sessions,
        analysis,
        feed,
        pipe_statuses,
        jobs,
        control_rooms,
        ephemeris,
        night_logs,
        site_logs,
        status,
        sites,
        console_assembly.build(store=settings),
    ]
    web = web_assembly.build(
        core,
        settings=settings,
        identities=authenticator,
        open_link=session_access.open_link,
        audit=audit,
        others=others,
    )
    return [*others, web.capability], web
