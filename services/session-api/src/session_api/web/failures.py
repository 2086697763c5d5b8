"""What can be wrong with a request, beyond the kinds every service knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from datalab.errors import NotFoundError, TransientError, UsageError


class AuthenticationError(UsageError):
    """The caller did not say who they are, or said it wrongly."""


class ForbiddenError(UsageError):
    """The caller is known, and may not do this."""

    def __init__(self) -> None:
        super().__init__("You do not have permission to perform this action.")


class RefusedError(UsageError):
    """Nobody may do this, and the text says why."""


class TooLargeError(UsageError):
    """More was sent than is taken."""


class TooManyError(TransientError):
    """Too much was asked for in too short a time; in `retry_after_s` seconds there is room again."""

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class LateError(UsageError):
    """What was being sent did not come."""


class ConflictError(UsageError):
    """What was asked for does not fit the present state of the thing."""


class PreconditionError(UsageError):
    """The thing is not in the state the request was meant for (RFC 9110, section 13.1)."""


class FieldError(UsageError):
    """One or more fields of a request are wrong; `fields` holds the texts for each."""

    def __init__(self, fields: Mapping[str, Sequence[str]]) -> None:
        super().__init__("; ".join(f"{name}: {' '.join(texts)}" for name, texts in fields.items()))
        self.fields = {name: list(texts) for name, texts in fields.items()}


class InputRefusedError(FieldError):
    """The inputs of an operation cannot work; the text is shown to the user as it is.

    `input_key` is the one input it is about, as the operation's description calls it; None if it is about several, or
    about what is no input.
    """

    def __init__(self, text: str, *, input_key: str | None = None) -> None:
        super().__init__({"input_data": [text]})
        self.text = text
        self.input_key = input_key


class SessionNotFoundError(NotFoundError):
    """No such session, or not the caller's: the answer is the same."""

    def __init__(self) -> None:
        super().__init__("No DataSession matches the given query.")


class GroupNotFoundError(NotFoundError):
    """No such group, or the caller is no member: the answer is the same."""

    def __init__(self) -> None:
        super().__init__("No Group matches the given query.")


class OperationNotFoundError(NotFoundError):
    """No such operation, or not the caller's: the answer is the same."""

    def __init__(self) -> None:
        super().__init__("No DataOperation matches the given query.")


class UserNotFoundError(NotFoundError):
    """No such user."""

    def __init__(self) -> None:
        super().__init__("No User matches the given query.")


class UploadNotFoundError(NotFoundError):
    """No such upload, or not the caller's: the answer is the same."""

    def __init__(self) -> None:
        super().__init__("No Upload matches the given query.")


class RoomNotFoundError(NotFoundError):
    """The site has no control room."""

    def __init__(self, site: str) -> None:
        super().__init__(f"no control room found for site {site}")


class FrameNotFoundError(NotFoundError):
    """No such frame, or not the caller's to see: the answer is the same."""

    def __init__(self) -> None:
        super().__init__("No Frame matches the given query.")
