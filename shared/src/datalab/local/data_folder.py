"""One folder for everything the local servers and services keep, used by one `datalab up` at a time."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from datalab.errors import UsageError

#: Set in every child (and so in its children): how leftovers of a killed run are recognised.
MARK_VARIABLE = "DATALAB_LOCAL_FOLDER"

ORPHAN_GRACE_S = 5.0  # mongod needs about 1 s to stop cleanly
LOCK_PATIENCE_S = 15.0  # ending orphans: their grace, then time to be killed
LOCK_POLL_S = 0.05


class DataFolderError(UsageError):
    """The data folder cannot be used; the text says why."""


class DataFolderBusyError(DataFolderError):
    """Another run uses the data folder."""

    def __init__(self, root: Path, holder_pid: int | None) -> None:
        who = "a process that cannot be seen from here" if holder_pid is None else f"process {holder_pid}"
        super().__init__(f"the data folder {root} is in use by {who}; stop that one first, or choose another folder")
        self.holder_pid = holder_pid


@dataclass(frozen=True, slots=True)
class Credentials:
    """Made once per data folder, so that data made in one run can be reached in the next."""

    nats_user: str
    mongo_user: str
    s3_access_key: str
    nats_password: str = field(repr=False)
    mongo_password: str = field(repr=False)
    s3_secret_key: str = field(repr=False)

    @classmethod
    def generate(cls) -> Credentials:
        return cls(
            nats_user="datalab",
            mongo_user="datalab",
            s3_access_key="datalab",
            nats_password=secrets.token_urlsafe(24),
            mongo_password=secrets.token_urlsafe(24),
            s3_secret_key=secrets.token_urlsafe(24),
        )


@dataclass(frozen=True, slots=True)
class _Holder:
    """Who holds the lock. The start time tells a process from a later one with the same pid."""

    pid: int
    started: float

    @classmethod
    def this_process(cls) -> _Holder:
        return cls(pid=os.getpid(), started=psutil.Process().create_time())

    @property
    def alive(self) -> bool:
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < 1.0
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


class DataFolder:
    """The folder, locked for as long as this object is open. A context manager.

    The lock is an `flock` on a file that children inherit: it is free again only when the last process of a run is
    gone, so that two servers never write the same store.
    """

    def __init__(self, root: Path) -> None:
        """Make and lock `root`, end what a killed run left behind, and load the credentials.

        Raises:
            DataFolderBusyError: another run uses the folder.
            DataFolderError: the folder cannot be made, written or locked.
        """
        self.root = root.resolve()
        try:
            self._make_folders()
            self.lock_fd = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise DataFolderError(f"the data folder {self.root} cannot be used: {error}") from error
        try:
            self._lock()
            self._end(self._orphans())
            self._empty_run_folder()
            self.credentials = self._load_credentials()
        except BaseException:
            os.close(self.lock_fd)
            raise

    @property
    def nats(self) -> Path:
        return self.root / "nats"

    @property
    def mongo(self) -> Path:
        return self.root / "mongo"

    @property
    def s3(self) -> Path:
        return self.root / "s3"

    @property
    def access(self) -> Path:
        """Credentials of observatories, and what the servers read of them."""
        return self.root / "access"

    @property
    def scratch(self) -> Path:
        return self.root / "scratch"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def run(self) -> Path:
        """Files that mean something only while a run lasts."""
        return self.root / "run"

    def kept_port(self, name: str) -> int | None:
        """Return the port a server had in an earlier run, None if there is none to be had again."""
        port = self._ports().get(name)
        return port if isinstance(port, int) and 0 < port < 65_536 else None

    def keep_port(self, name: str, port: int) -> None:
        """Keep the port of a server for the next run."""
        if self.kept_port(name) != port:
            write_private(self._ports_file, json.dumps({**self._ports(), name: port}))

    @property
    def _ports_file(self) -> Path:
        return self.root / "ports.json"

    def _ports(self) -> dict[str, Any]:
        try:
            content = json.loads(self._ports_file.read_text())
        except (OSError, ValueError):
            return {}  # a first run, or a file that says nothing: another port is taken and kept
        return content if isinstance(content, dict) else {}

    @property
    def mark(self) -> Mapping[str, str]:
        """Environment variable every child must get."""
        return {MARK_VARIABLE: str(self.root)}

    def close(self) -> None:
        """Let the folder go; the children must be gone."""
        self._empty_run_folder()
        self.let_go()

    def let_go(self) -> None:
        """Unlock the folder, as it is."""
        os.close(self.lock_fd)

    def delete(self) -> None:
        """Delete the folder with all that is in it; it stays locked for whoever has it open."""
        shutil.rmtree(self.root)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _make_folders(self) -> None:
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (self.nats, self.mongo, self.s3, self.scratch, self.logs, self.run):
            folder.mkdir(mode=0o700, exist_ok=True)

    def _lock(self) -> None:
        deadline = time.monotonic() + LOCK_PATIENCE_S
        while not self._try_lock():
            holder = self._read_holder()
            if holder is not None and holder.alive:
                raise DataFolderBusyError(self.root, holder.pid)
            # The holder is dead, its children hold the inherited lock. Look again whether somebody new got it in
            # between: those children would not be orphans.
            orphans = self._orphans()
            if self._read_holder() == holder:
                self._end(orphans)
            if time.monotonic() > deadline:
                raise DataFolderBusyError(self.root, None)
            time.sleep(LOCK_POLL_S)
        os.ftruncate(self.lock_fd, 0)
        os.pwrite(self.lock_fd, json.dumps(asdict(_Holder.this_process())).encode(), 0)

    def _try_lock(self) -> bool:
        try:
            fcntl.flock(self.lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            raise DataFolderError(f"the file system of {self.root} cannot lock files: {error.strerror}") from error
        return True

    def _read_holder(self) -> _Holder | None:
        text = os.pread(self.lock_fd, 1000, 0)
        try:
            return _Holder(**json.loads(text))
        except (ValueError, TypeError):
            return None  # never locked before, or being written at this moment

    def _orphans(self) -> list[psutil.Process]:
        """Return the processes marked with this folder, except this one and those it runs in."""
        this = psutil.Process()
        own = {this.pid, *(parent.pid for parent in this.parents())}
        return [process for process in psutil.process_iter() if process.pid not in own and self._marked(process)]

    def _marked(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get(MARK_VARIABLE) == str(self.root)
        except (psutil.Error, OSError):
            return False  # gone meanwhile, or somebody else's

    def _end(self, orphans: list[psutil.Process]) -> None:
        for process in orphans:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()
        _, stubborn = psutil.wait_procs(orphans, timeout=ORPHAN_GRACE_S)
        for process in stubborn:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(stubborn, timeout=ORPHAN_GRACE_S)

    def _empty_run_folder(self) -> None:
        shutil.rmtree(self.run, ignore_errors=True)
        self.run.mkdir(mode=0o700, exist_ok=True)

    def _load_credentials(self) -> Credentials:
        path = self.root / "credentials.json"
        if not path.exists():
            write_private(path, json.dumps(asdict(Credentials.generate()), indent=2))
        try:
            return Credentials(**json.loads(path.read_text()))
        except (ValueError, TypeError) as error:
            raise DataFolderError(f"{path} is damaged; restore it, or start with a new data folder") from error


def write_private(path: Path, text: str) -> None:
    """Write `text` so that only the owner can read it and a crash leaves the old file or the new one."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
