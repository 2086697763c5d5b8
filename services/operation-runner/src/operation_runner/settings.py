"""What can be set for an operation runner."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from pydantic import Field

from datalab.platform.settings import ServiceSettings

_CORES = os.cpu_count() or 1
_GIBIBYTE = 1024**3


class OperationRunnerSettings(ServiceSettings):
    """Read from the environment as `DATALAB_<FIELD>`."""

    operation_packages: list[str] = Field(
        ["operation_runner.operations"],
        min_length=1,
        description="packages of operations to offer, one file each; or single files",
    )
    analysis_packages: list[str] = Field(
        ["operation_runner.analysis"],
        min_length=1,
        description="packages of analysis actions to offer, one file each; or single files",
    )
    http_port: int = Field(8001, ge=0, le=65_535, description="port of health and metrics")
    fast_slots: int = Field(2, gt=0, description="operations of the fast lane computed at once")
    slow_slots: int = Field(_CORES, gt=0, description="operations of the slow lane computed at once")
    processes_per_operation: int = Field(_CORES, gt=0, description="processes one operation may spread over")
    operation_time_limit_s: float = Field(3600.0, gt=0, description="longest computation, in seconds")
    operation_memory_bytes: int = Field(4 * _GIBIBYTE, gt=0, description="memory one operation may use, all processes")
    analysis_processes: int = Field(2, gt=0, description="analyses done at once; more wait")
    analysis_memory_bytes: int = Field(_GIBIBYTE, gt=0, description="memory one analysis may use")
    preview_slots: int = Field(2, gt=0, description="thumbnails of JPEG files made at once; one image besides")
    preview_time_limit_s: float = Field(60.0, gt=0, description="longest work on the previews of one file, in seconds")
    preview_memory_bytes: int = Field(_GIBIBYTE, gt=0, description="memory the previews of one file may need")
    preview_longest_side_px: int = Field(
        900, gt=0, le=10_000, description="longest side of a JPEG made of a FITS file, in pixels"
    )
    thumbnail_height_px: int = Field(128, gt=0, le=2000, description="height of thumbnails, in pixels")
    decoded_bytes: int = Field(
        4 * _GIBIBYTE, gt=0, description="decoded images kept for analysis, in the scratch folder"
    )
    scratch_dir: Path = Field(
        Path(tempfile.gettempdir()) / "datalab-scratch", description="local folder for input files and work in progress"
    )
    scratch_bytes: int = Field(20 * _GIBIBYTE, gt=0, description="input files kept for reuse, least recently used go")
    gaia_tap_url: str = Field(
        "https://gea.esac.esa.int/tap-server/tap", description="table access (IVOA TAP) of a Gaia DR3 archive"
    )
    gaia_timeout_s: float = Field(300.0, gt=0, description="longest wait for the stars of one field, in seconds")
    gaia_cache_days: float = Field(30.0, ge=0, description="how long fetched stars are kept for reuse, in days")
    sky_index_dir: Path | None = Field(
        None, description="folder of star indexes for solving images blindly; one in the scratch folder if not given"
    )
    shutdown_grace_s: float = Field(20.0, ge=0, description="time for work in hand to finish when told to stop")
