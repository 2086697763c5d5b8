"""What the routes are said to take and to answer changes only on purpose."""

from session_api.main import create_app
from session_api.settings import SessionApiSettings
from support.goldens import check_golden


def test_the_document_is_as_promised(update_goldens):
    check_golden("openapi.json", create_app(SessionApiSettings()).openapi(), update=update_goldens)
