"""Names of settings: those there are, and those somebody may have mistyped.

Every service looks at the whole environment, also where one file of variables serves all: so the names of all of them
are here. The list is made from the code.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Final

_PREFIX: Final = "DATALAB_"
#: Of the command line and the tests, and what our own processes hand to their children.
_NO_SETTINGS: Final = (
    "DATALAB_ACCESS_DIR",
    "DATALAB_API_URL",
    "DATALAB_DATA_DIR",
    "DATALAB_LOCAL_FOLDER",
    "DATALAB_NATS_PUBLIC_URL",
    "DATALAB_NATS_STORE_PASSWORD",
    "DATALAB_NATS_STORE_USER",
    "DATALAB_PACKAGES_TO_LOAD",
    "DATALAB_REAL_DATA",
    "DATALAB_TOKEN",
)
# settings: written by `make goldens`
_SETTINGS: Final = (
    "DATALAB_ADMIN_TOKEN",
    "DATALAB_ANALYSIS_CONCURRENCY",
    "DATALAB_ANALYSIS_MAX_ANSWER_BYTES",
    "DATALAB_ANALYSIS_MEMORY_BYTES",
    "DATALAB_ANALYSIS_PACKAGES",
    "DATALAB_ANALYSIS_PROCESSES",
    "DATALAB_ANALYSIS_TIME_LIMIT_S",
    "DATALAB_ANSWER_BYTES_IN_HAND",
    "DATALAB_DECODED_BYTES",
    "DATALAB_FAST_SLOTS",
    "DATALAB_FEED_AUTHENTICATION_TIMEOUT_S",
    "DATALAB_FEED_MAX_CLIENTS",
    "DATALAB_FEED_MAX_SESSIONS",
    "DATALAB_FEED_MAX_SITES",
    "DATALAB_FEED_MAX_WAITING",
    "DATALAB_FEED_MAX_WAITING_PER_ADDRESS",
    "DATALAB_FEED_PING_INTERVAL_S",
    "DATALAB_FEED_QUEUE_BYTES",
    "DATALAB_FEED_QUEUE_EVENTS",
    "DATALAB_FEED_REPLAYS",
    "DATALAB_FEED_SEND_TIMEOUT_S",
    "DATALAB_FEED_TOKEN_CHECK_S",
    "DATALAB_FEED_WATCH_INTERVAL_S",
    "DATALAB_GAIA_CACHE_DAYS",
    "DATALAB_GAIA_TAP_URL",
    "DATALAB_GAIA_TIMEOUT_S",
    "DATALAB_HTTP_HOST",
    "DATALAB_HTTP_PORT",
    "DATALAB_INGEST_CONCURRENCY",
    "DATALAB_INSPECTION_MEMORY_BYTES",
    "DATALAB_INSPECTION_PROCESSES",
    "DATALAB_INSPECTION_TIME_LIMIT_S",
    "DATALAB_KEEP_UNFINISHED_UPLOADS_S",
    "DATALAB_LOG_FORMAT",
    "DATALAB_LOG_LEVEL",
    "DATALAB_MAX_ANSWER_BYTES",
    "DATALAB_MAX_EXPANDED_BYTES",
    "DATALAB_MAX_FILE_BYTES",
    "DATALAB_MAX_PAGE_SIZE",
    "DATALAB_MAX_REQUEST_BYTES",
    "DATALAB_MAX_UPLOAD_BYTES",
    "DATALAB_MONGO_DATABASE",
    "DATALAB_MONGO_TIMEOUT_S",
    "DATALAB_MONGO_URL",
    "DATALAB_NATS_INBOX_PREFIX",
    "DATALAB_NATS_PASSWORD",
    "DATALAB_NATS_URL",
    "DATALAB_NATS_USER",
    "DATALAB_OBSERVED_FROM",
    "DATALAB_OPEN_SITES",
    "DATALAB_OPEN_UPLOAD_SITES",
    "DATALAB_OPERATION_MEMORY_BYTES",
    "DATALAB_OPERATION_PACKAGES",
    "DATALAB_OPERATION_TIME_LIMIT_S",
    "DATALAB_PAGE_SIZE",
    "DATALAB_PROCESSES_PER_OPERATION",
    "DATALAB_PROJECTOR_CONCURRENCY",
    "DATALAB_PURGE_AFTER_S",
    "DATALAB_RECONCILE_CONCURRENCY",
    "DATALAB_RECONCILE_FIRST_DELAY_S",
    "DATALAB_RECONCILE_INTERVAL_S",
    "DATALAB_RECONCILE_MIN_AGE_S",
    "DATALAB_RELEASE_INTERVAL_S",
    "DATALAB_REQUEST_BODY_TIMEOUT_S",
    "DATALAB_REQUEST_BYTES_IN_HAND",
    "DATALAB_RESULT_CACHE_BYTES",
    "DATALAB_RESULT_KEEP_DAYS",
    "DATALAB_S3_ACCESS_KEY",
    "DATALAB_S3_BUCKET",
    "DATALAB_S3_LINK_TTL_S",
    "DATALAB_S3_PUBLIC_URL",
    "DATALAB_S3_REGION",
    "DATALAB_S3_SECRET_KEY",
    "DATALAB_S3_THREADS",
    "DATALAB_S3_URL",
    "DATALAB_SCRATCH_BYTES",
    "DATALAB_SCRATCH_DIR",
    "DATALAB_SCRATCH_RESERVE_BYTES",
    "DATALAB_SHUTDOWN_GRACE_S",
    "DATALAB_SITE_ANNOUNCEMENTS_PER_S",
    "DATALAB_SITE_REFUSALS_PER_S",
    "DATALAB_SLOW_SLOTS",
    "DATALAB_STALE_OPERATION_S",
    "DATALAB_STORE_TIMEOUT_S",
    "DATALAB_UPLOADS_AT_ONCE",
    "DATALAB_UPLOAD_FORMS_TO",
    "DATALAB_UPLOAD_FORM_LIFE_S",
    "DATALAB_UPLOAD_IDLE_S",
    "DATALAB_UPLOAD_LOG_KEEP_S",
    "DATALAB_UPLOAD_PART_BYTES",
    "DATALAB_UPLOAD_QUOTA_BYTES",
    "DATALAB_UPLOAD_QUOTA_FILES",
)
# end
KNOWN: Final = frozenset({*_SETTINGS, *_NO_SETTINGS})


def mistyped_settings(environ: Mapping[str, str]) -> list[str]:
    """Return a line for each variable that looks like a setting and is none, with the one that was probably meant."""
    unknown = sorted(name for name in environ if name.upper().startswith(_PREFIX) and name.upper() not in KNOWN)
    return [_line(name) for name in unknown]


def _line(name: str) -> str:
    nearest = get_close_matches(name.upper(), KNOWN, n=1)
    meant = f"; did you mean {nearest[0]}?" if nearest else ""
    return f"{name} is no setting and has no effect{meant}"
