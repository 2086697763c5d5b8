"""What runners say of pictures."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, TypeAdapter

from datalab.events.previews import PreviewFailed, PreviewMade
from datalab.events.topology import PREVIEW_NOTES
from datalab.platform.bus.consuming import Subscription
from ingest.previews.service import Previews

_adapter: TypeAdapter[PreviewMade | PreviewFailed] = TypeAdapter(
    Annotated[PreviewMade | PreviewFailed, Field(discriminator="type")]
)


def preview_notes(previews: Previews, *, concurrency: int) -> Subscription[PreviewMade | PreviewFailed]:
    """Return what to do with the messages of `PREVIEW_NOTES`."""

    async def note(said: PreviewMade | PreviewFailed) -> None:
        await (previews.add(said) if isinstance(said, PreviewMade) else previews.note(said))

    return Subscription(
        consumer=PREVIEW_NOTES,
        decode=lambda _, body: _adapter.validate_json(body),
        handle=note,
        concurrency=concurrency,
    )
