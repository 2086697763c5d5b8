"""The process that looks inside files: a line of JSON in, a line of JSON out, until the input ends.

`python -m ingest.adapters.inspection_worker <memory limit in bytes> <most bytes of an expanded file>`
"""

from __future__ import annotations

import os
import resource
import sys
import warnings
from pathlib import Path

from pydantic import BaseModel

from datalab.platform.errors import UsageError
from ingest.adapters.file_inspection import inspect_file
from ingest.domain.frames import Inspection
from ingest.domain.names import Content


class InspectionRequest(BaseModel):
    """Look inside this file."""

    path: Path
    content: Content
    compression: str


class InspectionReply(BaseModel):
    """What was found: an inspection, what is wrong with the file, or the name of an error nobody foresaw."""

    inspection: Inspection | None = None
    fault: str | None = None
    bug: str | None = None


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
    memory_bytes, max_expanded_bytes = (int(argument) for argument in sys.argv[1:])
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    warnings.simplefilter("ignore")  # astropy's remarks about files; what matters is in the reply
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever a library prints must not be taken for a reply
    for line in sys.stdin:
        reply = answer(InspectionRequest.model_validate_json(line), max_expanded_bytes=max_expanded_bytes)
        replies.write(reply.model_dump_json() + "\n")
        replies.flush()


if __name__ == "__main__":
    main()
