"""Sessions and operations as clients see them. Links to objects are signed here, at the moment of reading."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, Literal

from pydantic import JsonValue

from datalab.events.operations import OperationResult, OutputFile
from session_api.domain.operations import Operation, OperationStatus
from session_api.domain.ports import Links
from session_api.domain.sessions import Session
from session_api.domain.users import Account

JsonObject = dict[str, JsonValue]

#: Rendering of an output, its key for clients, what its file is called when it is saved.
_RENDERINGS: Final[tuple[tuple[Literal["fits", "large", "small", "tif"], str, str | None], ...]] = (
    ("large", "large_url", None),
    ("small", "small_url", None),
    ("fits", "fits_url", ".fits"),
    ("tif", "tif_url", ".tif"),
)


class Presenter:
    """Turns the domain into JSON."""

    def __init__(self, *, links: Links) -> None:
        self._links = links

    def session(self, session: Session, operations: Sequence[Operation]) -> JsonObject:
        """Return a session with its operations."""
        return {
            "id": session.id,
            "operations": [self.operation(operation) for operation in operations],
            "user": session.owner,
            "name": session.name,
            "input_data": list(session.input_data),
            "created": shown_datetime(session.created),
            "accessed": shown_datetime(session.accessed),
            "modified": shown_datetime(session.modified),
        }

    def operation(self, operation: Operation) -> JsonObject:
        """Return an operation with its output."""
        completed = operation.status is OperationStatus.COMPLETED
        return {
            "id": operation.id,
            "name": operation.name,
            "status": operation.status.value,
            "message": operation.message,
            "operation_progress": operation.progress,
            "output": self._output(operation.result) if completed and operation.result is not None else None,
            "input_data": operation.input_data,
            "created": shown_datetime(operation.created),
        }

    def account(self, account: Account) -> JsonObject:
        """Return what an administrator sees of a user."""
        return {
            "username": account.username,
            "active": account.active,
            "superuser": account.superuser,
            "proposals": list(account.proposals),
            "created": shown_datetime(account.created),
        }

    def _output(self, result: OperationResult) -> JsonObject:
        output: JsonObject = {"output_files": [self._output_file(file) for file in result.output_files]}
        if result.output_data:
            output["output_data"] = list(result.output_data)
        return output

    def _output_file(self, output: OutputFile) -> JsonValue:
        shown: JsonObject = {"basename": output.basename, "source": "datalab", "type": output.type}
        for rendering, key, extension in _RENDERINGS:
            stored = output.files.get(rendering)
            if stored is not None:
                shown[key] = self._links.sign_get(
                    stored.key,
                    content_type=stored.media_type,
                    filename=None if extension is None else f"{output.basename}{extension}",
                )
        # Clients take these for texts: what is not known is left out.
        described = {
            "filter": output.filter_name,
            "observation_date": None if output.observation_date is None else shown_datetime(output.observation_date),
            "target_name": output.target_name,
        }
        return {**shown, **{key: text for key, text in described.items() if text is not None}}


def shown_datetime(moment: datetime) -> str:
    """Return an instant as ISO 8601 in UTC with microseconds and `Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
