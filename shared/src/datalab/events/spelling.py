"""Texts that are spelled in a certain way, and what somebody is told who spelled one otherwise."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


@dataclass(frozen=True, slots=True)
class Spelled:
    """Metadata of a text field: the pattern that fits the whole of it, and in words what would be right.

    Use it as `Annotated[str, Spelled(r"[a-z]{1,8}", "1 to 8 small letters")]`.
    """

    pattern: str
    right: str

    def __get_pydantic_core_schema__(self, source: type[Any], handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return the schema of the text, with the pattern."""
        pattern = re.compile(self.pattern)

        def check(text: str) -> str:
            if pattern.fullmatch(text):
                return text
            raise PydanticCustomError("spelling", "This has to be {right}.", {"right": self.right})

        return core_schema.no_info_after_validator_function(check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return the schema others read, which has the pattern, too."""
        return {**handler(schema), "pattern": f"^{self.pattern}$"}
