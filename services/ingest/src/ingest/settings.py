"""What can be set for ingest."""

from __future__ import annotations

import tempfile
from pathlib import Path

from pydantic import Field, NonNegativeFloat

from datalab.platform.settings import DocumentServiceSettings

_GIBIBYTE = 1024**3
_DAY_S = 86_400.0


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
    ingest_concurrency: int = Field(12, gt=0, description="announced files ingested at once")
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
    preview_patience_s: float = Field(
        30.0, ge=0, description="how long after a FITS file its JPEG may come before one is made, in seconds"
    )
    preview_interval_s: float = Field(
        10.0, gt=0, description="pause between looks for frames whose pictures are to be made, in seconds"
    )
    upload_log_keep_s: float = Field(48 * 3600.0, gt=0, description="life of an upload log entry, in seconds")
    expire_after_s: dict[str, NonNegativeFloat] = Field(
        {"EP": 7 * _DAY_S, "EF": _DAY_S},
        description="life of frames by the type in their file names, in seconds, as JSON; other types stay for ever",
    )
    expire_after_s_at_sites: dict[str, NonNegativeFloat] = Field(
        {"tst": 300.0}, description="life of frames of all these types at a site, where it is another one, likewise"
    )
    expiry_interval_s: float = Field(30.0, gt=0, description="pause between looks for expired frames, in seconds")
    info_image_keep_s: float = Field(2 * _DAY_S, gt=0, description="time an info image is shown and kept, in seconds")
    allsky_keep_s: float = Field(7 * _DAY_S, gt=0, description="time an all-sky image is kept, in seconds")
    trial_keep_s: float = Field(2 * _DAY_S, gt=0, description="time an upload into `test/` is kept, in seconds")
    download_keep_s: float = Field(
        7 * _DAY_S, gt=0, description="time a file made for a download is kept, in seconds; links to it live as long"
    )
    tif_keep_s: float = Field(2 * _DAY_S, gt=0, description="the same for TIFF files")
    download_max_bytes: int = Field(
        50 * _GIBIBYTE, gt=0, description="bytes of files made for downloads; beyond them the oldest go first"
    )
    gaia_keep_s: float = Field(30 * _DAY_S, gt=0, description="time a copy of what the Gaia archive said is kept, s")
    gaia_max_bytes: int = Field(
        5 * _GIBIBYTE, gt=0, description="bytes of these copies; beyond them the oldest go first"
    )
    retention_interval_s: float = Field(
        600.0, gt=0, description="pause between looks for objects that are kept for some time only, in seconds"
    )
