"""Who may do what on the bus, as the part of a NATS server's configuration that says it.

A server includes this one text, wherever it runs. There are four kinds of accounts, and nothing passes between them
but what is imported by name:

=============  ====================================================================================================
SERVICES       our services, with every stream; JetStream exists here only
SITE_<site>    one observatory: may ask on the subject of its own announcements, read the answers, and hear what
               became of its files
OBJECT_STORE   the object store: may publish its notifications, and read the acknowledgements
SYSTEM         the command that has the server read its configuration anew
=============  ====================================================================================================

An account for each site, because JetStream acknowledges to whatever subject the publisher names, and permissions are
not asked for that. Between accounts such a subject is replaced, and what comes back ends in the account it came from.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from datalab.events.envelope import Event
from datalab.events.frames import VERDICTS, FileStored, announced_subject, verdict_subject
from datalab.events.site_images import AllskyImageIngested, InfoImageIngested
from datalab.events.topology import ANNOUNCERS, BUCKET_NOTIFICATIONS, inbox_prefix

SERVICES_ACCOUNT = "SERVICES"
#: An announcement with everything that may be in it has less than 4,000 bytes.
SITE_MAX_PAYLOAD_BYTES = 8 * 1024
SITE_MAX_CONNECTIONS = 64
SITE_MAX_SUBSCRIPTIONS = 128
#: What a site hears of its own files.
HEARD_BY_SITES: tuple[type[Event], ...] = (*VERDICTS, InfoImageIngested, AllskyImageIngested)


@dataclass(frozen=True, slots=True)
class Login:
    """A user of the bus."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Logins:
    """Everybody who may connect; `sites` by the name of the site."""

    system: Login
    services: Login
    object_store: Login | None
    sites: dict[str, Login]


def site_user(site: str) -> str:
    """Return the name of a site's user."""
    return f"observatory-{site}"


def accounts_configuration(logins: Logins) -> str:
    """Return what a server's configuration includes."""
    accounts: dict[str, Any] = {
        "SYSTEM": {"users": [_user(logins.system)]},
        SERVICES_ACCOUNT: {
            "jetstream": "enabled",
            "users": [_user(logins.services)],
            "exports": [
                *({"service": subject} for subject in (*ANNOUNCERS.subjects, BUCKET_NOTIFICATIONS)),
                *({"stream": verdict_subject(verdict, "*")} for verdict in HEARD_BY_SITES),
            ],
        },
    }
    if logins.object_store is not None:
        # MinIO's client cannot be told another prefix for its inbox; in this account nobody else has one.
        accounts["OBJECT_STORE"] = {
            "users": [_user(logins.object_store, publish=[BUCKET_NOTIFICATIONS], subscribe=["_INBOX.>"])],
            "imports": [_service(BUCKET_NOTIFICATIONS)],
        }
    for site, login in sorted(logins.sites.items()):
        accounts[f"SITE_{site}"] = _site(site, login)
    # Values are written as JSON, which this format understands.
    return (
        "# Written by `datalab sites`: changes are lost.\n"
        'system_account: "SYSTEM"\n'
        f"accounts: {json.dumps(accounts, indent=2, ensure_ascii=False)}\n"
    )


def _site(site: str, login: Login) -> dict[str, Any]:
    said_on = FileStored(site=site, key="-").subject
    told_on = [verdict_subject(verdict, site) for verdict in HEARD_BY_SITES]
    return {
        "limits": {
            "max_payload": SITE_MAX_PAYLOAD_BYTES,
            "max_connections": SITE_MAX_CONNECTIONS,
            "max_subscriptions": SITE_MAX_SUBSCRIPTIONS,
        },
        "users": [_user(login, publish=[said_on], subscribe=[f"{inbox_prefix(login.user)}.>", *told_on])],
        "imports": [
            {**_service(announced_subject(site)), "to": said_on},
            *({"stream": {"account": SERVICES_ACCOUNT, "subject": subject}} for subject in told_on),
        ],
    }


def _service(subject: str) -> dict[str, Any]:
    return {"service": {"account": SERVICES_ACCOUNT, "subject": subject}}


def _user(login: Login, **permissions: Iterable[str]) -> dict[str, Any]:
    user: dict[str, Any] = {"user": login.user, "password": login.password}
    if permissions:
        user["permissions"] = {what: {"allow": list(subjects)} for what, subjects in permissions.items()}
    return user
