"""Dead letters as operators see them."""

from __future__ import annotations

from typing import Final

from typing_extensions import TypedDict

from datalab.platform.bus.dead_letters import DeadLetter
from session_api.web.replies import shown_datetime

#: Of what a message says, as much as anybody reads; `datalab dead-letters show` has all of it.
MOST_SHOWN_BYTES: Final = 64 * 1024


class DeadLetterView(TypedDict):
    """A message: who should have handled it, where it was published, why it could not be, and what can be done."""

    number: int
    consumer: str
    served_by: str
    subject: str
    reason: str
    advice: str
    resendable: bool
    size_bytes: int
    buried_at: str


class OpenedLetterView(DeadLetterView):
    """A message with what it says; `cut` tells that this is only its beginning."""

    content: str
    cut: bool


def letter_view(letter: DeadLetter) -> DeadLetterView:
    """Return what is listed of a letter. What it says is left out: it may be private."""
    return DeadLetterView(
        number=letter.number,
        consumer=letter.consumer,
        served_by=letter.served_by,
        subject=letter.subject,
        reason=letter.reason,
        advice=letter.advice,
        resendable=letter.resendable,
        size_bytes=len(letter.body),
        buried_at=shown_datetime(letter.buried_at),
    )


def opened_view(letter: DeadLetter) -> OpenedLetterView:
    """Return all there is to read of a letter."""
    return OpenedLetterView(
        **letter_view(letter),
        content=letter.body[:MOST_SHOWN_BYTES].decode(errors="replace"),
        cut=len(letter.body) > MOST_SHOWN_BYTES,
    )
