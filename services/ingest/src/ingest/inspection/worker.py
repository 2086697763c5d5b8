"""The process that looks inside files: a line of JSON in, a line of JSON out, until the input ends.

`python -m ingest.inspection.worker <memory limit in bytes> <time limit in s> <most bytes of an expanded file>`
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from contextlib import suppress

from datalab.errors import UsageError
from ingest.inspection.file import inspect_file
from ingest.inspection.messages import InspectionReply, InspectionRequest


def answer(request: InspectionRequest, *, max_expanded_bytes: int) -> InspectionReply:
    """Inspect one file; never raises."""
    try:
        inspection = inspect_file(
            request.path, request.content, request.compression, max_expanded_bytes=max_expanded_bytes
        )
    except UsageError as error:
        return InspectionReply(fault=error.message)
    except MemoryError:
        return InspectionReply(fault="reading the file takes more memory than a file may need")
    except Exception as error:  # noqa: BLE001 - reported to the parent, which raises it as the bug it is
        return InspectionReply(bug=f"{type(error).__name__}: {error}")
    return InspectionReply(inspection=inspection)


def main() -> None:
    memory_bytes, time_limit_s, max_expanded_bytes = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever a library prints must not be taken for a reply
    # Whatever stops the service, it ends this process itself, when no file is in hand; or the input ends with it.
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, signal.SIG_IGN)
    with suppress(BrokenPipeError):  # the service was killed while this process worked for it
        for line in sys.stdin:
            # The service keeps the time; this ends a process that outlives it with a file it cannot finish.
            signal.setitimer(signal.ITIMER_REAL, 2 * time_limit_s)
            reply = answer(InspectionRequest.model_validate_json(line), max_expanded_bytes=max_expanded_bytes)
            replies.write(reply.model_dump_json() + "\n")
            replies.flush()
            signal.setitimer(signal.ITIMER_REAL, 0)


if __name__ == "__main__":
    main()
