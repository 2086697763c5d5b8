"""Runs in the clients' environment: has `ocs-ingester` ingest files, which are told on standard input as JSON.

Everything about us comes from the environment, as `GET /api/ocs-store/` says it. One JSON line for each file.
"""

import json
import sys
from pathlib import Path

from ocs_ingester.exceptions import DoNotRetryError, NonFatalDoNotRetryError
from ocs_ingester.ingester import frame_exists, upload_file_and_ingest_to_archive


def ingested(path, metadata, thumbnail_size):
    """Return what became of a file: what the ingester says, as whoever uses it as a library sees it."""
    with path.open("rb") as file:
        known = frame_exists(file)
    with path.open("rb") as file:
        try:
            record = upload_file_and_ingest_to_archive(
                file, file_metadata=dict(metadata), is_thumbnail=bool(thumbnail_size), thumbnail_size=thumbnail_size
            )
        except NonFatalDoNotRetryError:
            return {"known": known, "outcome": "exists"}
        except DoNotRetryError as error:
            return {"known": known, "outcome": "refused", "reason": str(error)}
    told = {key: record.get(key) for key in ("frameid", "filename", "url", "thumbnail_id")}
    return {"known": known, "outcome": "ingested", **told}


for path, metadata, thumbnail_size in json.load(sys.stdin):
    print(json.dumps({"path": path, **ingested(Path(path), metadata, thumbnail_size)}), flush=True)
