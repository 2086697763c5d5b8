"""What the routes are said to take and to answer changes only on purpose, and says what can be wrong."""

import pytest

from session_api.main import create_app
from session_api.settings import SessionApiSettings
from support.goldens import check_golden

DOCUMENT = create_app(SessionApiSettings()).openapi()
OPERATIONS = [
    (method.upper(), path, operation)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]


def test_the_document_is_as_promised(update_goldens):
    check_golden("openapi.json", DOCUMENT, update=update_goldens)


@pytest.mark.parametrize(
    ("method", "path", "operation"), OPERATIONS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_whoever_takes_parameters_or_a_body_says_how_their_mistakes_are_told(method, path, operation):
    given = [parameter for parameter in operation.get("parameters", []) if parameter["in"] in {"header", "query"}]
    if given or "requestBody" in operation:
        assert "400" in operation["responses"], "declare responses=BAD_FIELDS or TEXT_ERRORS"
