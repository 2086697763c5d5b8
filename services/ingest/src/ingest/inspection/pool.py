"""Processes that look inside files, so that no file can block, crash or exhaust the service."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from datalab.errors import UsageError
from datalab.platform.logging import get_logger
from ingest.frames.model import Inspection
from ingest.frames.names import FileName
from ingest.inspection.messages import InspectionReply, InspectionRequest

_log = get_logger(__name__)

#: A reply holds one header: 4 MiB at most (`fits_structure`), some of it escaped.
_LONGEST_REPLY_BYTES = 32 * 1024**2
#: One thread per process: the processes are the parallelism.
_WORKER_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


class InspectionFailedError(RuntimeError):
    """The inspection raised what nobody foresaw: a bug of ours."""


class _WorkerLostError(Exception):
    """The process ended or took too long."""


class InspectionPool:
    """Inspects files, `processes` at a time."""

    def __init__(
        self,
        *,
        processes: int,
        time_limit_s: float,
        memory_limit_bytes: int,
        max_expanded_bytes: int,
        command: Sequence[str] = (sys.executable, "-m", "ingest.inspection.worker"),
    ) -> None:
        limits = (str(memory_limit_bytes), str(time_limit_s), str(max_expanded_bytes))
        self._time_limit_s = time_limit_s
        self._workers = [_Worker((*command, *limits)) for _ in range(processes)]
        self._idle: asyncio.LifoQueue[_Worker] = asyncio.LifoQueue()

    async def start(self) -> None:
        """Start the processes."""
        for worker in self._workers:
            await worker.start()
            self._idle.put_nowait(worker)

    async def stop(self) -> None:
        """End the processes."""
        for worker in self._workers:
            await worker.stop()

    async def inspect(self, path: Path, name: FileName) -> Inspection:
        """Return what a file says. A file that ends two processes in a row is to blame itself.

        Raises:
            UsageError: the file is not what its name says, is damaged, or cannot be read within the limits.
            InspectionFailedError: our code failed on it.
        """
        request = InspectionRequest(path=path, content=name.content, compression=name.compression)
        try:
            reply = await self._ask(request)
        except _WorkerLostError as error:
            _log.warning("inspection.repeated", basename=name.basename, role=name.role, reason=str(error))
            try:
                reply = await self._ask(request)
            except _WorkerLostError as repeated:
                raise UsageError(f"the file cannot be read: {repeated}") from repeated
        if reply.fault is not None:
            raise UsageError(reply.fault)
        if reply.inspection is None:
            raise InspectionFailedError(reply.bug)
        return reply.inspection

    async def _ask(self, request: InspectionRequest) -> InspectionReply:
        worker = await self._idle.get()
        try:
            async with asyncio.timeout(self._time_limit_s):
                return await worker.ask(request)
        except TimeoutError:
            raise _WorkerLostError(f"it takes more than {self._time_limit_s:g} s") from None
        finally:
            self._idle.put_nowait(worker)


class _Worker:
    """One process. Whatever interrupts a question ends it, so that no answer is taken for that to a later question."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._process: Process | None = None

    async def start(self) -> Process:
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=PIPE,
            stdout=PIPE,
            limit=_LONGEST_REPLY_BYTES,
            env={**os.environ, **_WORKER_ENVIRONMENT},
        )
        return self._process

    async def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()

    async def ask(self, request: InspectionRequest) -> InspectionReply:
        answered = False
        try:
            process = self._process or await self.start()
            if process.stdin is None or process.stdout is None:
                raise _WorkerLostError("the process has no pipes")
            process.stdin.write(request.model_dump_json().encode() + b"\n")
            await process.stdin.drain()
            line = await process.stdout.readline()
            if not line:
                raise _WorkerLostError(f"the reading process ended with {await process.wait()}")
            reply = InspectionReply.model_validate_json(line)
            answered = True
        except (ConnectionError, ValidationError, ValueError) as error:
            raise _WorkerLostError(f"the reading process failed: {type(error).__name__}") from error
        else:
            return reply
        finally:
            if not answered:
                await self.stop()
