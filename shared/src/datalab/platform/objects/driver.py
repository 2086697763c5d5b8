"""The driver of the object store."""

from __future__ import annotations

from urllib.parse import urlsplit

from minio import Minio
from urllib3 import PoolManager

from datalab.platform.settings import S3Settings


def s3_client(settings: S3Settings, url: str, pool: PoolManager | None = None) -> Minio:
    """Return a client for the server at `url`."""
    parts = urlsplit(url)
    return Minio(
        parts.netloc,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key.get_secret_value(),
        secure=parts.scheme == "https",
        region=settings.s3_region,  # given, so that the driver never asks the server, neither to sign nor to call
        http_client=pool,
    )
