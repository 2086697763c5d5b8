"""Our S3 door: an OCS ingester stores a file as if we were a bucket with versions.

The ingester needs a store that names the version it has stored, which most do not, and would need the keys of the whole
bucket. Here it has keys of its own, which let it add files and nothing else; each is stored under a key of ours.
"""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Final, Protocol
from uuid import uuid4

from datalab.errors import UsageError
from datalab.events.envelope import utc_now
from datalab.events.object_keys import recorded_key
from datalab.platform.logging import get_logger
from datalab.platform.objects.incoming import Received
from datalab.platform.objects.keys import valid_key
from datalab.platform.objects.store import ObjectStore
from session_api.accounts.authentication import token_hash
from session_api.archive.repository import FrameReader
from session_api.uploads.ingesters.chunks import content_of
from session_api.uploads.ingesters.model import IngesterFile
from session_api.uploads.ingesters.recorded import is_of_a_frame
from session_api.uploads.ingesters.repository import IngesterFileRepository
from session_api.uploads.ingesters.signatures import (
    UNSIGNED,
    UNSIGNED_IN_CHUNKS,
    SignatureRefusedError,
    SignedRequest,
    access_key_of,
    check_signature,
    secret_key,
)
from session_api.uploads.intake import Intake
from session_api.web.failures import AuthenticationError
from session_api.web.user import User

_log = get_logger(__name__)

#: What the bucket is called. With `_` it is no part of a host name, so that clients put it into the path.
BUCKET: Final = "datalab_frames"
_BINARY: Final = "application/octet-stream"
#: A file that was stored is told of at once, or never.
_KEEP_UNTOLD: Final = timedelta(days=2)
_SWEPT_AT_ONCE: Final = 100


class TokenOwners(Protocol):
    """Accounts."""

    async def user_of_hash(self, digest: str) -> User:
        """Return the user whose token has this hash. Raises `AuthenticationError`, `TransientError`."""
        ...


class IngesterStore:
    """Takes in files of OCS ingesters."""

    def __init__(
        self,
        *,
        objects: ObjectStore,
        files: IngesterFileRepository,
        frames: FrameReader,
        owners: TokenOwners,
        intake: Intake,
        max_bytes: int,
        our_secret: str,
    ) -> None:
        self._objects = objects
        self._files = files
        self._frames = frames
        self._owners = owners
        self._intake = intake
        self._max_bytes = max_bytes
        self._our_secret = our_secret

    def access_key_for(self, token: str) -> str:
        """Return the access key of a token."""
        return token_hash(token)

    def secret_for(self, access_key: str) -> str:
        """Return the secret key that belongs to the access key of somebody's token."""
        return secret_key(access_key, our_secret=self._our_secret)

    async def put(self, request: SignedRequest, *, bucket: str, path: str, body: AsyncIterator[bytes]) -> IngesterFile:
        """Store a file, and return what we call it.

        Raises `SignatureRefusedError` for what nobody signed who may, `UsageError`, `TransientError`.
        """
        caller = await self._caller(request)
        if bucket != BUCKET:
            raise SignatureRefusedError("NoSuchBucket", f"The bucket is called {BUCKET}.")
        version = uuid4().hex
        file_name = path.rpartition("/")[2]
        file = IngesterFile(
            version=version,
            owner=caller.username,
            file_name=file_name,
            key=valid_key(recorded_key(version, file_name)),
            created=utc_now(),
        )
        received: Received | None = None

        async def check(whole: Received) -> None:
            nonlocal received
            if request.payload not in {UNSIGNED, UNSIGNED_IN_CHUNKS} and not hmac.compare_digest(
                request.payload, whole.sha256
            ):
                raise SignatureRefusedError("XAmzContentSHA256Mismatch", "The body is another one than was signed.")
            received = whole

        content = content_of(body) if request.payload == UNSIGNED_IN_CHUNKS else body
        async with self._intake.place():
            await self._files.insert(file)
            await self._objects.put_stream(
                file.key,
                self._intake.limited(content, max_bytes=self._max_bytes),
                content_type=_BINARY,
                before_it_counts=check,
            )
        if received is None:
            raise UsageError("The body did not come to its end.")
        await self._files.note_stored(file, size_bytes=received.size_bytes, sha256=received.sha256, md5=received.md5)
        _log.info("ingesters.stored", key=file.key, owner=caller.username, size_bytes=received.size_bytes)
        return file.model_copy(update={"md5": received.md5})

    async def forget_untold(self) -> int:
        """Remove files that nobody told of; return how many. Raises `TransientError`."""
        removed = 0
        for file in await self._files.find_any_older(than=utc_now() - _KEEP_UNTOLD, limit=_SWEPT_AT_ONCE):
            if not await is_of_a_frame(file, self._frames):
                await self._objects.delete(file.key)
                removed += 1
            await self._files.delete(file)
        return removed

    async def _caller(self, request: SignedRequest) -> User:
        access_key = access_key_of(request)
        # The signature first: who does not know the secret is not told whether there is such a token.
        check_signature(request, secret=self.secret_for(access_key), now=utc_now())
        try:
            caller = await self._owners.user_of_hash(access_key)
        except AuthenticationError as error:
            raise SignatureRefusedError("InvalidAccessKeyId", error.message) from error
        if not caller.ingests:
            raise SignatureRefusedError("AccessDenied", "You may not add files of any site.")
        return caller
