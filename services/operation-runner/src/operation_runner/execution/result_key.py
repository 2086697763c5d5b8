"""The identity of a result: the same key always stands for the same bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from datalab.events.operations import InputFile

#: To be raised when files are read differently by all operations: which image of a file is used, what its pixels and
#: its header say.
READING = 2


def result_key(
    *, operation: str, version: int, parameters: Mapping[str, JsonValue], inputs: Sequence[InputFile]
) -> str:
    """Return the SHA-256 (hexadecimal) over everything that decides a result, and nothing else.

    File names count because they are written into the result's provenance; where a file is stored, who asks, and when,
    does not. `parameters` come normalised, that is, dumped from the operation's own model.
    """
    identity = {
        "operation": operation,
        "version": version,
        "reading": READING,
        "parameters": parameters,
        "inputs": sorted([file.source, file.basename, file.sha256] for file in inputs),
    }
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
