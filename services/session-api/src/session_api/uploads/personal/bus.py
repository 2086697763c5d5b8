"""What ingest says of files."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, TypeAdapter

from datalab.events.frames import Verdict
from datalab.events.topology import UPLOAD_VERDICTS
from datalab.platform.bus.consuming import Subscription
from session_api.uploads.personal.service import PersonalUploadService

_adapter: TypeAdapter[Verdict] = TypeAdapter(Annotated[Verdict, Field(discriminator="type")])


def verdicts(uploads: PersonalUploadService) -> Subscription[Verdict]:
    """Return what to do with the messages of `UPLOAD_VERDICTS`."""
    return Subscription(
        consumer=UPLOAD_VERDICTS,
        decode=lambda _subject, body: _adapter.validate_json(body),
        handle=uploads.settle,
    )
