"""What configurations are held against: a JSON schema for each kind of site."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import islice
from pathlib import Path
from typing import Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from datalab.errors import UsageError
from session_api.web.bodies import JsonObject

#: More are not told of at once, and none is longer: they go out in a header.
_MOST_DOUBTS, _LONGEST_DOUBT = 5, 200
#: Who says nothing of what kind of site it is, is an observatory, as user interfaces have it.
_USUAL_KIND: Final = "obs"


class SiteSchemas:
    """Tells what is odd about a configuration."""

    def __init__(self, folder: Path | None) -> None:
        """Use the schemas of a folder, each `<instance_type>.json`, or our own."""
        self._folder: Traversable = folder or files(__package__) / "kinds"
        self._validators: dict[str, Draft202012Validator] = {}

    async def start(self) -> None:
        """Read them. Raises `UsageError` if one is none."""
        try:
            for each in self._folder.iterdir():
                if each.name.endswith(".json"):
                    schema = json.loads(each.read_text(encoding="utf-8"))
                    Draft202012Validator.check_schema(schema)
                    self._validators[each.name.removesuffix(".json")] = Draft202012Validator(schema)
        except (OSError, ValueError, SchemaError) as error:
            raise UsageError(f"The schemas of sites in {self._folder} cannot be read: {str(error)[:500]}") from error

    async def stop(self) -> None:
        """Nothing is held."""

    def doubts(self, configuration: JsonObject) -> Sequence[str]:
        """Return what does not fit the schema of this kind of site, in words; nothing if there is no such schema."""
        kind = configuration.get("instance_type", _USUAL_KIND)
        validator = self._validators.get(kind) if isinstance(kind, str) else None
        if validator is None:
            return ()
        found = islice(validator.iter_errors(configuration), _MOST_DOUBTS)
        return [f"{_place(error.absolute_path)}: {error.message}"[:_LONGEST_DOUBT] for error in found]


def _place(path: Sequence[str | int]) -> str:
    return ".".join(map(str, path)) or "the whole"
