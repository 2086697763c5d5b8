"""The observatories that have credentials, and what servers read to know them.

One folder, the same for `datalab up`, Compose and installations of one's own:

=================  ===============================================================================
sites.json         the list itself, with every password; only `datalab sites` reads and writes it
accounts.conf      what the NATS servers include
s3-users           a line for each site: its name, access key and secret key
s3-policies/       what each site may do in the object store, as a policy of MinIO or AWS
=================  ===============================================================================
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from datalab.errors import NotFoundError, UsageError
from datalab.events import site_codes
from datalab.events.object_keys import ALLSKY, DATA, INFO_IMAGES
from datalab.local.data_folder import write_private
from datalab.platform.bus.accounts import Login, Logins, accounts_configuration, site_user

#: What LCO calls its telescopes begins with the diameter: cpt0m406, cpt1m010, cpt2m001.
_LCO_DIAMETERS = ("0m", "1m", "2m")
_SYSTEM_USER = "system"


@dataclass(frozen=True, slots=True)
class SiteCredentials:
    """What one observatory connects with."""

    site: str
    nats_password: str = field(repr=False)
    s3_secret_key: str = field(repr=False)

    @property
    def nats_user(self) -> str:
        return site_user(self.site)

    @property
    def s3_access_key(self) -> str:
        return f"site-{self.site}"


@dataclass(slots=True)
class _Content:
    """sites.json."""

    system_password: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    sites: dict[str, SiteCredentials] = field(default_factory=dict)


class AccessFolder:
    """The folder. Every method may be called by several commands at the same time."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._list = root / "sites.json"

    @property
    def accounts_file(self) -> Path:
        """What a NATS server includes."""
        return self.root / "accounts.conf"

    @property
    def system(self) -> Login:
        """Who may have the server read its configuration anew. Raises `UsageError` if nothing was written yet."""
        return Login(_SYSTEM_USER, self._read().system_password)

    def sites(self) -> list[SiteCredentials]:
        """Return the sites, by name; there are none before the first was added."""
        return [each for _, each in sorted(self._read().sites.items())] if self._list.exists() else []

    def changed_at_ns(self) -> int:
        """Return when the list was last written; 0 if there is none."""
        return self._list.stat().st_mtime_ns if self._list.exists() else 0

    def add(self, site: str) -> SiteCredentials:
        """Make credentials for a site. Raises `UsageError` if the name is none, or has credentials."""
        if not re.fullmatch(site_codes.PATTERN, site):
            raise UsageError(f"{site!r} is no code of a site, which is {site_codes.RIGHT}")
        with self._changed() as content:
            if site in content.sites:
                raise UsageError(f"site {site} has credentials; to make others: `datalab sites remove {site}` first")
            content.sites[site] = SiteCredentials(site, secrets.token_urlsafe(24), secrets.token_urlsafe(24))
            return content.sites[site]

    def remove(self, site: str) -> None:
        """Forget a site's credentials. Raises `NotFoundError` if it has none."""
        with self._changed() as content:
            if content.sites.pop(site, None) is None:
                raise NotFoundError(
                    f"site {site} has no credentials; those that have: {', '.join(content.sites) or '-'}"
                )

    def write_configuration(self, *, services: Login, object_store: Login | None, bucket: str) -> None:
        """Write what the servers read: from the list, and from the logins that are not in it."""
        with self._changed() as content:
            logins = Logins(
                system=Login(_SYSTEM_USER, content.system_password),
                services=services,
                object_store=object_store,
                sites={site: Login(each.nats_user, each.nats_password) for site, each in content.sites.items()},
            )
            _check_users(logins)
            write_private(self.accounts_file, accounts_configuration(logins))
            sites = sorted(content.sites.values(), key=lambda each: each.site)
            lines = (f"{each.site} {each.s3_access_key} {each.s3_secret_key}\n" for each in sites)
            write_private(self.root / "s3-users", "".join(lines))
            self._write_policies(sites, bucket)

    def _write_policies(self, sites: list[SiteCredentials], bucket: str) -> None:
        folder = self.root / "s3-policies"
        folder.mkdir(mode=0o700, exist_ok=True)
        for stale in set(folder.iterdir()) - {folder / f"{each.site}.json" for each in sites}:
            stale.unlink()
        for each in sites:
            write_private(folder / f"{each.site}.json", json.dumps(upload_policy(each.site, bucket=bucket), indent=2))

    @contextmanager
    def _changed(self) -> Iterator[_Content]:
        """Give the block the content, and keep what it makes of it; nobody else changes it meanwhile."""
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise UsageError(f"the folder {self.root} cannot be written: {error.strerror}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            before = self._read() if self._list.exists() else None
            content = before or _Content()
            text = _encoded(content)
            yield content
            if before is None or _encoded(content) != text:
                write_private(self._list, _encoded(content))
        finally:
            os.close(lock)

    def _read(self) -> _Content:
        try:
            raw: dict[str, Any] = json.loads(self._list.read_text(encoding="utf-8"))
            sites = {site: SiteCredentials(**values) for site, values in raw["sites"].items()}
            return _Content(system_password=raw["system_password"], sites=sites)
        except FileNotFoundError as error:
            raise UsageError(f"{self._list} is not there: `datalab sites apply` makes it") from error
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise UsageError(f"{self._list} cannot be read: {error}") from error


def _check_users(logins: Logins) -> None:
    """Raise `UsageError` if the services would connect as somebody who may do less, and everything would stop."""
    if logins.services.user.startswith(site_user("")):
        raise UsageError(
            f"DATALAB_NATS_USER is {logins.services.user}, a site's: here the services' own user is needed, as in a "
            "shell that has not read a site's credentials"
        )
    users = [logins.system.user, logins.services.user, *([logins.object_store.user] if logins.object_store else [])]
    if len(set(users)) < len(users):
        raise UsageError(f"system, services and object store need users of their own, not {', '.join(users)}")


def upload_policy(site: str, *, bucket: str) -> dict[str, Any]:
    """Return the policy of a site's key: it may store and read files whose names are the site's, and nothing else.

    Files of other names say nothing of their site; they go through the API, or are stored by somebody with more rights.
    """
    names = {
        DATA: (f"{site}-*", *(f"{site}{diameter}*" for diameter in _LCO_DIAMETERS)),
        INFO_IMAGES: (f"{site}-*",),
        ALLSKY: (f"{site}-*",),
    }
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["s3:PutObject", "s3:GetObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"],
                "Resource": [f"arn:aws:s3:::{bucket}/{folder}{name}" for folder in names for name in names[folder]],
            },
            {"Effect": "Allow", "Action": ["s3:GetBucketLocation"], "Resource": [f"arn:aws:s3:::{bucket}"]},
        ],
    }


def _encoded(content: _Content) -> str:
    return json.dumps(asdict(content), indent=2)
