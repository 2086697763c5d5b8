"""Our three services as children of the supervisor."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from datalab.local.data_folder import DataFolder
from datalab.local.ports import LOOPBACK, free_port, reachable, url_host
from datalab.local.servers import ServerAddresses
from datalab.local.unit import Launch, StopRank, http_complaint
from datalab.platform.environment import without_secrets

#: Who alone is told: a service cannot lose, or be robbed of, what it does not have.
_TOLD_ONLY_TO = {
    "DATALAB_ADMIN_TOKEN": {"session_api"},
    "DATALAB_MONGO_URL": {"session_api", "ingest"},
}


def _is_foreign(variable: str, module: str) -> bool:
    return module not in _TOLD_ONLY_TO.get(variable, {module})


@dataclass(slots=True)
class ServiceSpec:
    """A service: what to run, what to add to our own environment less its secrets, where it says that it is ready.

    With `any_port`, nobody has asked for its port, and it listens on another one if somebody has taken that.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
    readiness_url: str
    any_port: bool = False

    @property
    def stop_rank(self) -> StopRank:
        return StopRank.SERVICE

    @property
    def address(self) -> str:
        return f"http://{urlsplit(self.readiness_url).netloc}"

    @property
    def port(self) -> int:
        return int(self.env["DATALAB_HTTP_PORT"])

    async def launch(self) -> Launch:
        return Launch(argv=self.argv, env={**without_secrets(os.environ), **self.env})

    async def why_not_ready(self) -> str | None:
        return await http_complaint(self.readiness_url)

    async def why_broken(self) -> str | None:
        return None

    def change_ports(self) -> bool:
        if self.any_port:
            old, new = self.env["DATALAB_HTTP_PORT"], str(free_port())
            self.env = {**self.env, "DATALAB_HTTP_PORT": new}
            self.readiness_url = self.readiness_url.replace(f":{old}/", f":{new}/")
        return self.any_port


def default_services(
    *,
    addresses: ServerAddresses | Path,
    folder: DataFolder,
    runners: int = 1,
    api_host: str = LOOPBACK,
    api_port: int = 0,
    api_any_port: bool = False,
    extra_env: Mapping[str, str] | None = None,
) -> list[ServiceSpec]:
    """Return session-api, ingest and `runners` operation runners.

    Args:
        addresses: of the servers they use; or a file that will say them, as variables in JSON: the services are
            loaded meanwhile.
        folder: gets one scratch folder per service.
        runners: how many operation runners.
        api_host: address session-api listens on; the workers' health pages stay on this machine.
        api_port: its port; 0 takes a free one.
        api_any_port: whether it takes another one if somebody was faster.
        extra_env: more variables for every service.
    """

    def spec(name: str, module: str, host: str, port: int) -> ServiceSpec:
        scratch = folder.scratch / name
        scratch.mkdir(exist_ok=True)
        early = ("datalab.local.early_start", module, str(addresses))
        return ServiceSpec(
            name=name,
            argv=(sys.executable, "-m", *(early if isinstance(addresses, Path) else (module,))),
            env={
                **{
                    variable: value
                    for variable, value in (extra_env or {}).items()
                    if not _is_foreign(variable, module)
                },
                **({} if isinstance(addresses, Path) else addresses.environment()),
                "DATALAB_HTTP_HOST": host,
                "DATALAB_HTTP_PORT": str(port),
                "DATALAB_SCRATCH_DIR": str(scratch),
                "PYTHONUNBUFFERED": "1",  # the log is read while the service runs
            },
            readiness_url=f"http://{url_host(reachable(host))}:{port}/readyz",
            any_port=api_any_port or name != "session-api",
        )

    return [
        spec("session-api", "session_api", api_host, api_port or free_port()),
        spec("ingest", "ingest", LOOPBACK, free_port()),
        *(spec(f"operation-runner-{n}", "operation_runner", LOOPBACK, free_port()) for n in range(1, runners + 1)),
    ]
