"""Operations to stop."""

from __future__ import annotations

from pydantic import ValidationError

from datalab.events.operations import OperationCancelRequested
from datalab.events.topology import CANCELLATIONS
from datalab.platform.bus.streams import StoredMessage, StreamFollower
from datalab.platform.logging import get_logger
from operation_runner.context import Context

_log = get_logger(__name__)


async def follow_cancellations(context: Context) -> StreamFollower:
    """Learn every cancellation kept, then follow new ones; to be done before the first request is taken."""

    async def learn(message: StoredMessage) -> None:
        try:
            context.cancellations.cancel(OperationCancelRequested.decode(message.body))
        except ValidationError:
            _log.exception("cancellation.unreadable", sequence=message.sequence)

    position = await context.bus.stream_position(CANCELLATIONS)
    async for message in context.bus.replay(CANCELLATIONS, after=0, filter_subjects=CANCELLATIONS.subjects):
        await learn(message)
    follower = context.bus.follow(CANCELLATIONS, after=position.last, on_message=learn)
    await follower.start()
    return follower
