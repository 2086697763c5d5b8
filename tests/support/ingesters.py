"""What an OCS ingester does, without the ingester: stores through the S3 door, signs as S3 clients do, tells of it."""

import hashlib
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

import httpx
from minio.credentials import Credentials
from minio.signer import sign_v4_s3

from support.session_api import body_of
from support.waiting import PATIENCE_S


def md5_of(content):
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


async def store_keys(client):
    """Return the S3 keys of the client's token."""
    reply = await client.get("/api/ocs-store/")
    assert reply.status_code == 200, reply.text
    return body_of(reply)


async def put(keys, path, content, *, body=None, payload=None, at=None, **changes):
    """Store `content` at a path of the bucket; return the reply. `changes` replace headers after they were signed."""
    url = urlsplit(f"{keys['S3_ENDPOINT_URL']}/{keys['BUCKET']}/{quote(path)}")
    digest = payload or hashlib.sha256(content).hexdigest()
    at = at or datetime.now(UTC)
    headers = sign_v4_s3(
        method="PUT",
        url=url,
        region="us-east-1",
        headers={"Host": url.netloc, "X-Amz-Content-Sha256": digest, "X-Amz-Date": f"{at:%Y%m%dT%H%M%SZ}"},
        credentials=Credentials(keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"]),
        content_sha256=digest,
        date=at,
    )
    headers.update({name.replace("_", "-"): value for name, value in changes.items()})
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_S) as client:
        return await client.put(url.geturl(), content=content if body is None else body, headers=headers)


async def stored(keys, path, content):
    """Store a file; return what the ingester would tell of it."""
    reply = await put(keys, path, content)
    assert reply.status_code == 200, reply.text
    assert reply.headers["ETag"] == f'"{md5_of(content)}"'
    name = path.rpartition("/")[2]
    extension = name[name.index(".") :]
    return {"key": reply.headers["x-amz-version-id"], "md5": md5_of(content), "extension": extension}


def record(name, version, **changes):
    """Return a frame as the ingester posts it."""
    return {
        "basename": name,
        "version_set": [version],
        "headers": {"OBJECT": "M 31", "RLEVEL": 91, "EXPTIME": 12.5, "SECONDGU": None, "HASFLAT": True},
        "area": {"type": "Polygon", "coordinates": [[[10, 41], [10, 42], [11, 42], [11, 41], [10, 41]]]},
        "site_id": "tst",
        "telescope_id": "1m0a",
        "instrument_id": "ab12",
        "observation_date": "2026-05-04T22:00:00.417",
        "observation_day": "20260504",
        "proposal_id": "P1",
        "target_name": "M 31",
        "exposure_time": 12.5,
        "primary_optical_element": "rp",
        "public_date": "2027-05-04T22:00:00.417",
        "configuration_type": "EXPOSE",
        "observation_id": 77,
        "request_id": 88,
        "reduction_level": 91,
        "related_frame_filenames": [],
        "frame_basename": None,
        "size": "",
        **changes,
    }


def picture(frame_basename, version, *, size="small", **changes):
    """Return a thumbnail as the ingester posts it."""
    return {
        "basename": f"{frame_basename}-{size}",
        "frame_basename": frame_basename,
        "size": size,
        "version_set": [version],
        "headers": {},
        "area": None,
        "site_id": "tst",
        **changes,
    }
