"""What every request passes before it reaches a route, and the routes that belong to no capability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from datalab.platform.assembly import Capability, Core
from session_api.web import http
from session_api.web.answer_limit import AnswerLimit
from session_api.web.authentication import Authentication, Identities, OpenLink
from session_api.web.body_limit import BodyLimit
from session_api.web.budget import ByteBudget
from session_api.web.metrics import HttpMetrics
from session_api.web.observation import Observation
from session_api.web.paging import Paging
from session_api.web.paths import PathRule
from session_api.web.photon_ranch import StageRule
from session_api.web.settings import WebSettings
from session_api.web.writes import AuditLog, Writes


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """A request meets the first of the middleware first."""

    capability: Capability
    middleware: Sequence[Middleware]


def build(
    core: Core,
    *,
    settings: WebSettings,
    identities: Identities,
    open_link: OpenLink,
    audit: AuditLog,
    others: Sequence[Capability],
) -> Web:
    """Put it together for an application with these other capabilities."""
    unread = ByteBudget(total=settings.answer_bytes_in_hand, per_user=settings.answer_bytes_in_hand // 3)
    bodies = ByteBudget(total=settings.request_bytes_in_hand, per_user=settings.request_bytes_in_hand // 2)
    return Web(
        capability=Capability(
            routes=[
                *http.process_routes(core.health(others), core.registry, observed_from=core.observed_from),
                *http.router.routes,
            ],
            services=[Paging(page_size=settings.page_size, max_page_size=settings.max_page_size)],
        ),
        middleware=[
            # Any page may ask, with a token it was given; cookies are not used, so none are allowed.
            Middleware(
                CORSMiddleware,
                allow_origins=["*"],
                allow_methods=["*"],
                allow_headers=["*"],
                expose_headers=["X-Correlation-Id", "ETag", "Link", "X-Config-Warnings"],
            ),
            Middleware(PathRule),
            Middleware(StageRule),
            Middleware(Observation, metrics=HttpMetrics(core.registry)),
            Middleware(Authentication, identities=identities, open_link=open_link),
            Middleware(
                Writes,
                audit=audit,
                per_minute=settings.writes_per_minute,
                unknown_per_minute=settings.unknown_writes_per_minute,
            ),
            Middleware(
                BodyLimit,
                budget=bodies,
                max_bytes=settings.max_request_bytes,
                timeout_s=settings.request_body_timeout_s,
            ),
            # Within the former: who is still sending takes no place from those who could be answered.
            Middleware(AnswerLimit, unread=unread, max_answer_bytes=settings.max_answer_bytes),
        ],
    )
