"""What can be set for ingest."""

from __future__ import annotations

import tempfile
from pathlib import Path

from pydantic import Field

from datalab.platform.settings import DocumentServiceSettings

_GIBIBYTE = 1024**3


class IngestSettings(DocumentServiceSettings):
    """Read from the environment as `DATALAB_<FIELD>`."""

    http_port: int = Field(8002, ge=0, le=65_535, description="port of health and metrics")
    scratch_dir: Path = Field(
        Path(tempfile.gettempdir()) / "datalab-ingest",
        description="local folder for files being inspected; own it alone",
    )
    scratch_reserve_bytes: int = Field(_GIBIBYTE // 4, ge=0, description="disk space left free, in bytes")
    max_file_bytes: int = Field(4 * _GIBIBYTE, gt=0, description="largest file ingested, in bytes")
    max_expanded_bytes: int = Field(16 * _GIBIBYTE, gt=0, description="largest decompressed file, in bytes")
    open_sites: list[str] = Field(
        [],
        description="sites whose frames are public when no header says from when on, as a JSON list; `*` is every site",
    )
    ingest_concurrency: int = Field(4, gt=0, description="announced files ingested at once")
    site_announcements_per_s: float = Field(
        20.0, gt=0, description="announcements one ingest takes from one site, on average; a minute's worth at once"
    )
    site_refusals_per_s: float = Field(
        1.0, gt=0, description="refused announcements of one site told on the feed, likewise"
    )
    inspection_processes: int = Field(
        2,
        gt=0,
        description="processes that look inside files, at most one of them into one packed as a whole (.gz, .bz2)",
    )
    inspection_time_limit_s: float = Field(120.0, gt=0, description="longest look inside one file, in seconds")
    inspection_memory_bytes: int = Field(2 * _GIBIBYTE, gt=0, description="memory of one inspecting process, in bytes")
    reconcile_interval_s: float = Field(60.0, gt=0, description="pause between looks for unannounced files, in seconds")
    reconcile_first_delay_s: float = Field(5.0, ge=0, description="from the start to the first look, in seconds")
    reconcile_min_age_s: float = Field(
        30.0, ge=0, description="younger objects are left to their announcement, seconds"
    )
    reconcile_concurrency: int = Field(2, gt=0, description="unannounced files ingested at once")
    release_interval_s: float = Field(
        30.0, gt=0, description="pause between looks for frames that have become public by their date, in seconds"
    )
    upload_log_keep_s: float = Field(48 * 3600.0, gt=0, description="life of an upload log entry, in seconds")
