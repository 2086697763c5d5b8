"""Where a system on this machine listens, and where others reach it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from datalab.errors import UsageError
from datalab.local.ports import ANY_ADDRESS, LOOPBACK, free_port, own_address, port_is_free, url_host

#: Where the API listens unless told otherwise, or unless somebody else listens there.
USUAL_API_PORT = 8000
PUBLIC_STORE_VARIABLE = "DATALAB_S3_PUBLIC_URL"


class ReachError(UsageError):
    """What was said of hosts and ports does not fit; the text says what would."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Where API and object store listen, and who can follow a link.

    host: address both listen on.
    api_port: None takes 8000, or a free one if that is taken.
    s3_port: None takes the one this data folder had before.
    public_url: how people elsewhere reach the API, if not by an address of this machine.
    """

    host: str = LOOPBACK
    api_port: int | None = None
    s3_port: int | None = None
    public_url: str | None = None

    def checked(self, environ: Mapping[str, str]) -> Reach:
        """Return this, if it can work. Raises `ReachError`, `AddressUnusableError`."""
        free_port(host=self.host)
        if self.public_url is None:
            return self
        try:
            parts = urlsplit(self.public_url)
            usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            raise ReachError(
                f"--public-url {self.public_url!r} is no address: say for example http://lab.example.org:8000"
            )
        if _is_loopback(self.host) and not environ.get(PUBLIC_STORE_VARIABLE):
            raise ReachError(
                f"--public-url is for others, but {self.host} is reached from this machine only: add --host 0.0.0.0, "
                f"or set {PUBLIC_STORE_VARIABLE} to where a proxy shows the object store"
            )
        return self

    def chosen_api_port(self, say: Callable[[str], None]) -> int:
        """Return a port that is free now; `say` hears of it if it is not the usual one.

        Raises:
            ReachError: the one that was asked for is taken.
        """
        wanted = self.api_port or USUAL_API_PORT
        if port_is_free(wanted, host=self.host):
            return wanted
        if self.api_port is not None:
            raise ReachError(f"{self._taken(wanted)}: stop that one, or choose another port with --port")
        port = free_port(host=self.host)
        say(self.instead(wanted, port))
        return port

    def instead(self, wanted: int, port: int) -> str:
        """Return what people should know of an API that listens on another port than the one it was to have."""
        return f"ATTENTION: {self._taken(wanted)}. The API listens on port {port} instead; --port chooses one."

    def _taken(self, port: int) -> str:
        return f"port {port} of {self.host} is in use by another program"

    @property
    def is_private(self) -> bool:
        """Whether nobody but this machine reaches it."""
        return self.public_url is None and _is_loopback(self.host)

    @property
    def others_host(self) -> str | None:
        """The host by which other machines reach this one; None if they cannot."""
        if self.public_url is not None:
            return urlsplit(self.public_url).hostname
        if self.host in ANY_ADDRESS:
            return own_address()
        return None if _is_loopback(self.host) else self.host

    def others_url(self, port: int) -> str | None:
        """Return where other machines reach a port of this one; None if they cannot."""
        host = self.others_host
        return None if host is None else f"http://{url_host(host)}:{port}"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
