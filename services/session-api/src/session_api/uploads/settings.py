"""What may be uploaded."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from session_api.uploads.open_sites import OpenSite


class UploadSettings(BaseSettings):
    """Uploads."""

    model_config = SettingsConfigDict(env_prefix="DATALAB_", extra="ignore")

    upload_forms_to: Literal["auto", "store", "api"] = Field(
        "auto",
        description="where observatories send their files: the object `store` by presigned POST, or this `api`; "
        "`auto` is the store if it takes such forms",
    )
    upload_form_life_s: int = Field(300, gt=0, le=3600, description="time to begin with an upload, in seconds")
    max_upload_bytes: int = Field(4 * 1024**3, gt=0, description="largest file that may be uploaded, in bytes")
    open_upload_sites: list[OpenSite] = Field(
        [],
        description='sites whose software needs no token, as a JSON list: `[]` is safe, `["*"]` is what the first '
        "service let everybody do; `tst:files` opens a site for its files only, likewise `:configuration`, `:status`, "
        "`:logs`, `:jobs`, `:queues` and `:rooms`",
    )
    # Several times what observatories send: 30 files on their way at once, each taking a second, are 1800 a minute.
    upload_site_forms_per_minute: int = Field(
        12_000, gt=0, description="files of one site that forms are handed out for in a minute, by one process"
    )
    upload_site_bytes_per_minute: int = Field(
        32 * 1024**3, gt=0, description="bytes of one site's files taken in before it has to wait for another minute"
    )
    upload_address_forms_per_minute: int = Field(
        6_000, gt=0, description="files from one address that forms are handed out for in a minute, by one process"
    )
    upload_address_bytes_per_minute: int = Field(
        16 * 1024**3, gt=0, description="bytes from one address taken in before it has to wait for another minute"
    )
    uploads_at_once: int = Field(6, gt=0, description="files taken in at once by one process; each needs up to 48 MiB")
    upload_idle_s: float = Field(30.0, gt=0, description="longest silence of somebody who uploads, in seconds")
    upload_part_bytes: int = Field(
        8 * 1024**2, gt=0, le=64 * 1024**2, description="size of the parts people send files in, in bytes"
    )
    upload_quota_bytes: int = Field(50 * 1024**3, gt=0, description="bytes of files of their own a user may keep")
    upload_quota_files: int = Field(10_000, gt=0, description="files of their own a user may keep")
    keep_unfinished_uploads_s: float = Field(
        7 * 86_400.0, gt=0, description="time an upload waits for its next part, in seconds"
    )
