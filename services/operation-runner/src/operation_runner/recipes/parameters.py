"""Fields that many operations have among their parameters."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from operation_runner.sdk import FitsFile, Refusals, SkyPosition, WizardKeys

InputFiles = Annotated[
    list[FitsFile],
    Field(title="Input Files", description="The input files to operate on", min_length=1, max_length=999),
]
#: Of one filter, as magnitudes of several cannot be compared.
SingleFilterFiles = Annotated[
    InputFiles, WizardKeys({"single_filter": True, "filter_options": ["rp", "ip", "gp", "zs"]})
]
#: User interfaces that know no optional inputs want to be told the least number.
OptionalFile = Annotated[list[FitsFile], Field(min_length=0, max_length=1, default_factory=list)]
SourceStar = Annotated[
    SkyPosition, Field(title="Source Star", description="The star to measure"), WizardKeys({"name_lookup": True})
]


def source_required(operation: str) -> Refusals:
    """Return what users read who give an operation no source."""
    return Refusals(dict.fromkeys(("required", "type"), f"Operation {operation} requires a source."))
