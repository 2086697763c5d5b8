"""A form with a file, read piece by piece: its fields first, which are small, then the file, which is not held."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from datalab.errors import UsageError

_FILE: Final = "file"
#: S3 allows 20 KB of fields.
_MOST_FIELD_BYTES: Final = 64 * 1024
_MOST_HEADER_BYTES: Final = 16 * 1024
_MOST_FIELDS: Final = 64


class MultipartForm:
    """The body of one request. What follows the file is not looked at."""

    def __init__(self, content_type: str, body: AsyncIterator[bytes]) -> None:
        """Raises `UsageError` for a body of another type."""
        kind, options = parse_options_header(content_type)
        if kind != b"multipart/form-data" or not options.get(b"boundary"):
            raise UsageError("The body must be a form (multipart/form-data) with a file.")
        self._body = body
        self._parts = _Parts()
        self._parser = MultipartParser(options[b"boundary"], self._parts.callbacks())  # type: ignore[arg-type]

    async def fields(self) -> dict[str, str]:
        """Return the fields before the file. Raises `UsageError` if no file follows."""
        while not self._parts.file_begun:
            await self._read_on("The form has no part named 'file', or it is not the last one.")
        return self._parts.fields

    async def content(self) -> AsyncIterator[bytes]:
        """Yield the file, once. Raises `UsageError` if it does not come to its end."""
        while True:
            while self._parts.content:
                yield self._parts.content.popleft()
            if self._parts.file_ended:
                return
            await self._read_on("The form ends in the middle of its file.")

    async def _read_on(self, otherwise: str) -> None:
        async for piece in self._body:
            if not piece:
                continue
            try:
                self._parser.write(piece)
            except FormParserError:
                raise UsageError("The form cannot be read: it is not multipart/form-data.") from None
            return
        raise UsageError(otherwise)


class _Parts:
    """What the parser has found so far."""

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}
        self.content: deque[bytes] = deque()
        self.file_begun = self.file_ended = False
        self._header, self._value, self._field = bytearray(), bytearray(), bytearray()
        self._disposition = b""
        self._name: str | None = None
        self._field_bytes = 0

    def callbacks(self) -> dict[str, object]:
        names = "part_begin header_field header_value header_end headers_finished part_data part_end"
        return {f"on_{name}": getattr(self, f"_{name}") for name in names.split()}

    def _part_begin(self) -> None:
        self._disposition, self._name = b"", None
        self._field.clear()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._take(self._header, data[start:end], _MOST_HEADER_BYTES)

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._take(self._value, data[start:end], _MOST_HEADER_BYTES)

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._name = options.get(b"name", b"").decode(errors="replace")
        if self._name == _FILE and not self.file_begun:
            self.file_begun = True
        elif len(self.fields) >= _MOST_FIELDS:
            raise UsageError(f"The form has more than {_MOST_FIELDS} fields.")

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self.file_ended:
            return
        if self.file_begun:
            self.content.append(data[start:end])
        else:
            self._take(self._field, data[start:end], _MOST_FIELD_BYTES)

    def _part_end(self) -> None:
        if self.file_begun:
            self.file_ended = True
        elif self._name:
            self._field_bytes += len(self._field)
            if self._field_bytes > _MOST_FIELD_BYTES:
                raise UsageError(f"The fields of the form have more than {_MOST_FIELD_BYTES} bytes.")
            self.fields[self._name] = self._field.decode(errors="replace")

    def _take(self, buffer: bytearray, data: bytes, most: int) -> None:
        if len(buffer) + len(data) > most:
            raise UsageError(f"A field of the form has more than {most} bytes.")
        buffer += data
