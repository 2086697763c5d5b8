"""The three servers as local programs: their configuration, their readiness, their addresses."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import psutil
import pymongo
import pymongo.errors
from pydantic import SecretStr
from pydantic_settings import BaseSettings
from urllib3 import PoolManager

from datalab.errors import TransientError
from datalab.local.access import AccessFolder
from datalab.local.binaries import MONGOD, NATS_SERVER, RCLONE, locate
from datalab.local.data_folder import DataFolder, write_private
from datalab.local.ports import LOOPBACK, free_port, lasting_port, reachable, url_host
from datalab.local.unit import PROBE_TIMEOUT_S, Launch, StopRank, http_complaint, unavailable
from datalab.platform.bus.accounts import SERVICES_ACCOUNT, Login
from datalab.platform.environment import without_secrets
from datalab.platform.objects.bucket import Bucket
from datalab.platform.objects.errors import known_failures
from datalab.platform.settings import S3Settings

#: JetStream takes most of the disk unless told otherwise; the topology declares 9.75 GiB
#: One message holds what one request to the API may hold (2 MiB), and its envelope.
NATS_MAX_PAYLOAD = "4MB"
NATS_MAX_FILE = "16GB"
NATS_MAX_MEMORY = "256MB"
#: mongod takes half of the machine's memory for its cache unless told otherwise. It grows with what is read: an archive
#: of a million frames fills 5 GB, a demonstration some MB. What is not in it costs 0.1 ms a frame to unpack.
MONGO_CACHE_SHARE, LEAST_MONGO_CACHE_GB = 0.25, 0.25
S3_REGION = "us-east-1"  # what rclone answers for; without it minio-py asks, and fails

MONGO_AUTHENTICATION_FAILED = 18


SettingsT = TypeVar("SettingsT", bound=BaseSettings)


@dataclass(frozen=True, slots=True)
class ServerAddresses:
    """Where the servers are and who we are to them. Each field is the setting `DATALAB_<FIELD>`; None: not given."""

    nats_url: str
    s3_url: str
    mongo_url: str = field(repr=False)
    nats_user: str | None = None
    nats_password: str | None = field(default=None, repr=False)
    s3_access_key: str | None = None
    s3_secret_key: str | None = field(default=None, repr=False)
    s3_region: str | None = None
    s3_public_url: str | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> ServerAddresses:
        """Take the fields from `environ`; the three URLs must be there."""
        return cls(**{name: environ[variable] for name, variable in cls._variables() if environ.get(variable)})

    def environment(self) -> dict[str, str]:
        """Return the variables a service reads its settings from."""
        values = ((variable, getattr(self, name)) for name, variable in self._variables())
        return {variable: value for variable, value in values if value is not None}

    def settings(self, kind: type[SettingsT]) -> SettingsT:
        """Return settings of a kind, such as `S3Settings`, that say what is known here."""
        known = ((item.name, getattr(self, item.name)) for item in fields(self) if item.name in kind.model_fields)
        return kind(**{name: value for name, value in known if value is not None})

    @classmethod
    def _variables(cls) -> list[tuple[str, str]]:
        return [(item.name, f"DATALAB_{item.name.upper()}") for item in fields(cls)]


class NatsServer:
    """nats-server with JetStream, on ports it chooses itself at the first start."""

    name = "nats"
    stop_rank = StopRank.BUS

    def __init__(self, folder: DataFolder) -> None:
        """Keep streams below `folder.nats`.

        Raises:
            BinaryUnavailableError: the program cannot run here.
        """
        self._program = locate(NATS_SERVER)
        self._folder = folder
        self._access = AccessFolder(folder.access)
        self._client_port: int | None = None
        self._monitor_port: int | None = None

    @property
    def address(self) -> str:
        return f"nats://{LOOPBACK}:{self._client_port}" if self._client_port else f"nats://{LOOPBACK}"

    @property
    def _health_url(self) -> str:
        # Without `js-enabled-only`, which says ok to a JetStream that cannot write.
        return f"http://{LOOPBACK}:{self._monitor_port}/healthz"

    def environment(self) -> dict[str, str]:
        """Return the settings of a client; valid once the server was ready."""
        credentials = self._folder.credentials
        return {
            "DATALAB_NATS_URL": self.address,
            "DATALAB_NATS_USER": credentials.nats_user,
            "DATALAB_NATS_PASSWORD": credentials.nats_password,
        }

    async def launch(self) -> Launch:
        for stale in self._ports_files():
            stale.unlink()
        self._adopt_streams_without_account()
        self._access.write_configuration(
            services=Login(self._folder.credentials.nats_user, self._folder.credentials.nats_password),
            object_store=None,
            bucket=S3Settings.model_fields["s3_bucket"].default,
        )
        configuration = self._folder.run / "nats.conf"
        write_private(configuration, self._configuration())
        return Launch(argv=(str(self._program), "--config", str(configuration)), env=without_secrets(os.environ))

    async def why_not_ready(self) -> str | None:
        if self._client_port is None:
            self._read_ports()
        if self._monitor_port is None:
            return "it has not said which ports it chose"
        return await http_complaint(self._health_url)

    async def why_broken(self) -> str | None:
        """After a full disk the server keeps its write error until it is restarted: it answers, and stores nothing."""
        return await unavailable(self._health_url)

    def change_ports(self) -> bool:
        self._client_port = self._monitor_port = None
        return True

    def _configuration(self) -> str:
        # A JSON string is a valid string of this format; -1 means "any free port". The path of an include is relative.
        return f"""\
server_name: "datalab"
listen: "{LOOPBACK}:{self._client_port or -1}"
http: "{LOOPBACK}:{self._monitor_port or -1}"
ports_file_dir: {json.dumps(str(self._folder.run))}
max_payload: {NATS_MAX_PAYLOAD}
jetstream {{
  store_dir: {json.dumps(str(self._folder.nats))}
  max_file: {NATS_MAX_FILE}
  max_mem: {NATS_MAX_MEMORY}
}}
include {json.dumps(os.path.relpath(self._access.accounts_file, self._folder.run))}
"""

    def _adopt_streams_without_account(self) -> None:
        """Give our services the streams of a data folder from when the bus had no accounts."""
        former, present = (self._folder.nats / "jetstream" / account for account in ("$G", SERVICES_ACCOUNT))
        if former.is_dir() and not present.exists():
            former.rename(present)

    def _read_ports(self) -> None:
        for path in self._ports_files():
            with contextlib.suppress(ValueError):  # being written at this moment
                ports = json.loads(path.read_text())
                self._client_port = urlsplit(ports["nats"][0]).port
                self._monitor_port = urlsplit(ports["monitoring"][0]).port

    def _ports_files(self) -> list[Path]:
        return list(self._folder.run.glob("nats-server_*.ports"))


class MongoServer:
    """A standalone mongod with one user."""

    name = "mongo"
    stop_rank = StopRank.DOCUMENTS

    def __init__(self, folder: DataFolder) -> None:
        """Keep documents below `folder.mongo`.

        Raises:
            BinaryUnavailableError: the program cannot run here.
        """
        self._program = locate(MONGOD)
        self._folder = folder
        self._port = free_port()

    @property
    def address(self) -> str:
        return f"mongodb://{LOOPBACK}:{self._port}"

    def environment(self) -> dict[str, str]:
        """Return the settings of a client."""
        credentials = self._folder.credentials
        login = f"{credentials.mongo_user}:{credentials.mongo_password}"
        url = f"mongodb://{login}@{LOOPBACK}:{self._port}/?authSource=admin&directConnection=true"
        return {"DATALAB_MONGO_URL": url}

    async def launch(self) -> Launch:
        log = str(self._folder.logs / f"{self.name}.log")
        argv = [str(self._program), "--bind_ip", LOOPBACK, "--port", str(self._port), "--nounixsocket", "--auth"]
        cache_gb = mongo_cache_gb(psutil.virtual_memory().total)
        argv += ["--dbpath", str(self._folder.mongo), "--wiredTigerCacheSizeGB", cache_gb]
        argv += ["--logpath", log, "--logappend"]
        return Launch(argv=tuple(argv), env=without_secrets(os.environ))

    async def why_not_ready(self) -> str | None:
        if not await _accepts_connections(self._port):
            return f"nothing listens on {self.address}"
        try:
            await _run_command(self.environment()["DATALAB_MONGO_URL"], {"ping": 1})
        except pymongo.errors.OperationFailure as refusal:
            return await self._make_user() if refusal.code == MONGO_AUTHENTICATION_FAILED else str(refusal)
        except pymongo.errors.PyMongoError as error:
            return str(error)
        return None

    async def why_broken(self) -> str | None:
        return None

    def change_ports(self) -> bool:
        self._port = free_port()
        return True

    async def _make_user(self) -> str | None:
        """Make our user, which a mongod without any users allows to whoever is on this machine."""
        credentials = self._folder.credentials
        try:
            await _run_command(
                f"{self.address}/?directConnection=true",
                {
                    "createUser": credentials.mongo_user,
                    "pwd": credentials.mongo_password,
                    "roles": ["root"],
                    "writeConcern": {"w": "majority", "j": True},
                },
            )
        except pymongo.errors.PyMongoError as error:
            return f"it does not know the credentials of this data folder: {error}"
        return None


class S3Server:
    """rclone serving a folder over S3.

    Its port is part of every signed link, so it stays the same from one run to the next.
    """

    name = "s3"
    stop_rank = StopRank.OBJECTS

    def __init__(self, folder: DataFolder, *, host: str = LOOPBACK, port: int | None = None) -> None:
        """Keep objects below `folder.s3`, one folder per bucket; listen on `host`, on `port` or the one of before.

        Raises:
            BinaryUnavailableError: the program cannot run here.
        """
        self._program = locate(RCLONE)
        self._folder = folder
        self._host = host
        self._wanted_port = port or folder.kept_port(self.name)
        self.port = free_port(self._wanted_port, host=host) if self._wanted_port else lasting_port(host=host)

    @property
    def address(self) -> str:
        return f"http://{url_host(reachable(self._host))}:{self.port}"

    def keep_port(self) -> str | None:
        """Keep the port for the next run; return what people should know if it is not the one of the last."""
        if self._wanted_port in (None, self.port):
            self._folder.keep_port(self.name, self.port)
            return None
        return (
            f"ATTENTION: port {self._wanted_port}, where the object store of this data folder was before, is in use by "
            f"another program. It listens on port {self.port} this time, and links made earlier lead nowhere."
        )

    def environment(self) -> dict[str, str]:
        """Return the settings of a client."""
        credentials = self._folder.credentials
        return {
            "DATALAB_S3_URL": self.address,
            "DATALAB_S3_ACCESS_KEY": credentials.s3_access_key,
            "DATALAB_S3_SECRET_KEY": credentials.s3_secret_key,
            "DATALAB_S3_REGION": S3_REGION,
        }

    async def launch(self) -> Launch:
        await asyncio.to_thread(self._delete_unfinished_uploads)
        credentials = self._folder.credentials
        argv = [str(self._program), "serve", "s3", "--config", os.devnull]
        argv += ["--addr", f"{url_host(self._host)}:{self.port}"]
        # NOTICE, because rclone says no more about a port in use or a bad flag than that. What is read it would compare
        # with a checksum of the very same file, at a third of the cost of reading; we compare with what we recorded.
        argv += ["--allow-origin", "*", "--dir-cache-time", "1s", "--no-checksum", "--log-level", "NOTICE"]
        argv.append(str(self._folder.s3))
        # Every RCLONE_* variable is a flag; the user's are meant for another rclone. Ours is not seen by `ps`.
        env = {name: value for name, value in without_secrets(os.environ).items() if not name.startswith("RCLONE_")}
        keys = [(credentials.s3_access_key, credentials.s3_secret_key)]
        keys += [(site.s3_access_key, site.s3_secret_key) for site in AccessFolder(self._folder.access).sites()]
        env["RCLONE_AUTH_KEY"] = ",".join(f'"{access},{secret}"' for access, secret in keys)
        return Launch(argv=tuple(argv), env=env)

    async def why_not_ready(self) -> str | None:
        return await asyncio.to_thread(self._why_no_signed_answer)

    async def why_broken(self) -> str | None:
        return None

    def change_ports(self) -> bool:
        self.port = lasting_port(host=self._host)
        return True

    def _why_no_signed_answer(self) -> str | None:
        """Ask for a bucket: rclone has no health path, and this also proves the credentials."""
        credentials = self._folder.credentials
        settings = S3Settings(
            s3_url=self.address,
            s3_access_key=credentials.s3_access_key,
            s3_secret_key=SecretStr(credentials.s3_secret_key),
            s3_region=S3_REGION,
            s3_bucket="readiness",
        )
        try:
            with PoolManager(retries=False, timeout=PROBE_TIMEOUT_S) as pool, known_failures("readiness"):
                Bucket(settings, pool).exists()
        except TransientError as error:
            return error.message
        return None

    def _delete_unfinished_uploads(self) -> None:
        """Delete what a killed rclone leaves of an upload; it would be listed as an object."""
        for folder, _, names in os.walk(self._folder.s3):
            for name in names:
                if name.startswith(".rclone_temp_"):
                    Path(folder, name).unlink(missing_ok=True)


def mongo_cache_gb(memory_bytes: int) -> str:
    """Return the size of the document store's cache on a machine with so much memory, as mongod takes it."""
    return f"{max(LEAST_MONGO_CACHE_GB, MONGO_CACHE_SHARE * memory_bytes / 1024**3):.2f}"


async def _accepts_connections(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


async def _run_command(url: str, command: dict[str, object]) -> None:
    timeout_ms = int(PROBE_TIMEOUT_S * 1000)
    client: pymongo.AsyncMongoClient[dict[str, object]] = pymongo.AsyncMongoClient(
        url, serverSelectionTimeoutMS=timeout_ms, connectTimeoutMS=timeout_ms, socketTimeoutMS=timeout_ms
    )
    try:
        await client.admin.command(command)
    finally:
        await client.close()
