"""Bodies of the routes of analyses."""

from __future__ import annotations

from pydantic import BaseModel

from session_api.web.bodies import JsonObject


class AnalysisActionView(BaseModel):
    """An action, and the JSON schema of its parameters besides `basename` and `source`."""

    description: str
    parameters_schema: JsonObject


class AnalysisFailure(BaseModel):
    """Why there is no answer, for the user."""

    error: str
