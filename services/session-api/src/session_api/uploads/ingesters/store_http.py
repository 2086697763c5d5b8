"""`PUT /ocs-store/{bucket}/{path}`: the one S3 request that OCS ingesters make, with the answers S3 gives."""

from __future__ import annotations

from typing import Annotated
from xml.sax.saxutils import escape

from fastapi import APIRouter, Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from datalab.errors import TransientError, UsageError
from session_api.uploads.ingesters.signatures import SignatureRefusedError, SignedRequest
from session_api.uploads.ingesters.store import IngesterStore
from session_api.web.access import Access, access
from session_api.web.bodies import ANY_ROUTE
from session_api.web.dependencies import provided
from session_api.web.replies import usage_status

#: As much as S3 takes in one request; what a file may have is in the settings.
_LARGEST_BYTES = 5 * 1024**3
_XML = {"content": {"application/xml": {"schema": {"type": "string"}}}}

Store = Annotated[IngesterStore, provided(IngesterStore)]

router = APIRouter(prefix="/ocs-store", tags=["ingesters"], responses=ANY_ROUTE)


@router.put(
    "/{bucket}/{path:path}",
    response_class=Response,
    responses={403: {"description": "Not signed by somebody who may", **_XML}},
    summary="Store a file, signed with the S3 keys of a token",
)
@access(
    Access.OWN_CHECK,
    max_body_bytes=_LARGEST_BYTES,
    streams_body=True,
    provided="signed with the keys of `/api/ocs-store`",
    limits=("max_upload_bytes",),
    audited=False,
)
async def put_file(request: Request, bucket: str, path: str, store: Store) -> Response:
    signed = SignedRequest(
        method=request.method,
        path=request.scope["raw_path"].decode("ascii", "replace"),
        query=request.scope["query_string"].decode("ascii", "replace"),
        headers={name.lower(): value for name, value in request.headers.items()},
    )
    try:
        file = await store.put(signed, bucket=bucket, path=path, body=request.stream())
    except ClientDisconnect:
        return Response(status_code=400)  # nobody reads it
    except SignatureRefusedError as error:
        return _error(403, error.code, error.message)
    except UsageError as error:
        return _error(usage_status(error), "InvalidRequest", error.message)
    except TransientError as error:
        return _error(503, "SlowDown", error.message)
    return Response(headers={"ETag": f'"{file.md5}"', "x-amz-version-id": file.version})


def _error(status: int, code: str, message: str) -> Response:
    text = f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
    return Response(f'<?xml version="1.0" encoding="UTF-8"?>\n{text}', status, media_type="application/xml")
