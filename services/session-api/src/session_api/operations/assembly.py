"""Puts operations together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from datalab.events.topology import LEASES, LEASES_TTL_S
from datalab.platform.assembly import Capability
from datalab.platform.bus.leases import LeaseKeeper
from datalab.platform.documents.core import DocumentCore
from datalab.platform.objects.links import Links
from datalab.platform.periodic import Periodic
from session_api.archive.repository import FrameReader, RemovedFrameReader
from session_api.offers.reader import OperationOffers
from session_api.operations import bus, http
from session_api.operations.deletion import OperationDeletion
from session_api.operations.dependents import Dependents
from session_api.operations.expiry import ResultExpiry
from session_api.operations.input_finder import InputFinder
from session_api.operations.maintenance import OperationMaintenance
from session_api.operations.metrics import OperationMetrics
from session_api.operations.outputs import OutputFinder
from session_api.operations.projector import OperationProjector
from session_api.operations.repository import OperationRepository
from session_api.operations.requests import RequestBuilder
from session_api.operations.result_data import StoredResultData
from session_api.operations.rights import OwnerRights
from session_api.operations.seen import SeenOperations
from session_api.operations.service import OperationService
from session_api.operations.session_rights import SessionRights
from session_api.operations.settings import OperationSettings
from session_api.operations.turns import Shares, Turns
from session_api.operations.views import OperationPresenter
from session_api.operations.vouching import Owners, Vouching

#: Runners come and go; this long their slots are unknown.
_TURNS_EVERY_S = 2.0

#: Every look lists all results. The first one waits until reports that came meanwhile have been taken in.
_EXPIRY_EVERY_S = 6 * 3600.0
_EXPIRY_FIRST_S = 3600.0
_EXPIRY_SHARE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Operations:
    """The capability, and what sessions and analyses need of it."""

    capability: Capability
    repository: OperationRepository
    deletion: OperationDeletion
    presenter: OperationPresenter
    finder: InputFinder
    seen: SeenOperations


def build(
    core: DocumentCore,
    *,
    settings: OperationSettings,
    max_answer_bytes: int,
    links: Links,
    offers: OperationOffers,
    frames: FrameReader,
    rights: SessionRights,
    owners: Owners,
) -> Operations:
    operations = OperationRepository(
        database=core.documents.database, relay=core.relay, max_answer_bytes=max_answer_bytes
    )
    metrics = OperationMetrics(core.registry)
    outputs = OutputFinder(operations=operations, rights=rights)
    vouching = Vouching(owners=owners)
    seen = SeenOperations(operations=operations, outputs=outputs, rights=rights, vouching=vouching, frames=frames)
    finder = InputFinder(
        frames=frames, removed=RemovedFrameReader(core.documents.database), outputs=outputs, vouching=vouching
    )
    requests = RequestBuilder(finder=finder, operations=operations, sessions=rights)
    owner_rights = OwnerRights(owners=owners, finder=finder, sessions=rights)
    turns = Turns(operations=operations, bus=core.bus, rights=owner_rights, shares=Shares(), metrics=metrics)
    dependents = Dependents(
        operations=operations, offers=offers, requests=requests, rights=owner_rights, turns=turns, metrics=metrics
    )
    deletion = OperationDeletion(operations=operations, dependents=dependents, turns=turns)
    projector = OperationProjector(operations=operations, dependents=dependents, turns=turns, metrics=metrics)
    presenter = OperationPresenter(
        links=links, data=StoredResultData(objects=core.objects, capacity_bytes=settings.result_cache_bytes)
    )
    service = OperationService(
        operations=operations,
        rights=rights,
        seen=seen,
        offers=offers,
        requests=requests,
        dependents=dependents,
        turns=turns,
        deletion=deletion,
        metrics=metrics,
    )
    maintenance = OperationMaintenance(
        operations=operations,
        bus=core.bus,
        rights=owner_rights,
        dependents=dependents,
        turns=turns,
        metrics=metrics,
        stale_operation_s=settings.stale_operation_s,
        purge_after_s=settings.purge_after_s,
    )
    expiry = ResultExpiry(
        operations=operations,
        objects=core.objects,
        leases=LeaseKeeper(lambda: core.bus.key_value(LEASES), ttl_s=LEASES_TTL_S),
        metrics=metrics,
        keep=timedelta(days=settings.result_keep_days),
        quota_bytes=settings.result_max_bytes,
    )
    works = {
        "lost operations": maintenance.request_lost_again,
        "waiting operations": dependents.look_at_all,
        "deleted operations": maintenance.purge_deleted,
        "unfinished operations": maintenance.count_unfinished,
    }
    return Operations(
        capability=Capability(
            routes=http.router.routes,
            services=[service, presenter],
            indexes=[operations.ensure_indexes],
            subscriptions=[bus.reports(projector, concurrency=settings.projector_concurrency)],
            periodic=[
                *(
                    Periodic(name=name, every_s=settings.reconcile_interval_s, work=work)
                    for name, work in works.items()
                ),
                Periodic(
                    name="expired results",
                    every_s=_EXPIRY_EVERY_S,
                    first_after_s=_EXPIRY_FIRST_S,
                    work=expiry.look,
                    share_of_time=_EXPIRY_SHARE,
                ),
                Periodic(name="turns", every_s=_TURNS_EVERY_S, first_after_s=0.0, work=turns.look_at_all),
            ],
        ),
        repository=operations,
        deletion=deletion,
        presenter=presenter,
        finder=finder,
        seen=seen,
    )
