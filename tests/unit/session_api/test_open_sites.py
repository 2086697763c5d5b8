"""What observatories may do without a token, and who may do it with one."""

import pytest
from pydantic import ValidationError

from session_api.uploads.open_sites import OpenSites, SiteWork
from session_api.uploads.settings import UploadSettings
from session_api.web.user import NOBODY, User

OBSERVATORY = User("obs", observatories=frozenset({"tst"}))
INGESTER = User("ing", ingested_sites=frozenset({"tst"}))


@pytest.mark.parametrize("caller", [None, NOBODY, User("ada", operator=True)])
@pytest.mark.parametrize(
    ("sites", "files", "configuration", "queues", "unnamed"),
    [
        ([], False, False, False, False),
        (["*"], True, True, True, True),
        (["tst"], True, True, True, True),
        (["mrc", "mrc:files"], False, False, False, False),
        (["tst:files"], True, False, False, False),
        (["*:configuration", "tst:queues"], False, True, True, False),
    ],
)
def test_a_site_is_open_for_what_is_named(caller, sites, files, configuration, queues, unnamed):
    opened = OpenSites(sites)
    assert opened.let_send(caller, "tst") == files
    assert opened.let(caller, "tst", SiteWork.CONFIGURATION) == configuration
    assert opened.let(caller, "tst", SiteWork.QUEUES) == queues
    assert opened.let(caller, "tst") == unnamed


def test_with_a_token_its_roles_decide():
    closed = OpenSites([])
    for caller, sends, speaks in (
        (OBSERVATORY, False, True),
        (INGESTER, True, False),
        (User("root", superuser=True), True, True),
    ):
        assert (closed.let_send(caller, "tst"), closed.let(caller, "tst")) == (sends, speaks)
        assert closed.let(caller, "mrc", SiteWork.STATUS) == caller.superuser


@pytest.mark.parametrize("entry", ["", "tst:", "tst:everything", "t.t", "*:*", ":files", "tst:files:logs", "**"])
def test_a_mistaken_entry_opens_nothing(entry):
    with pytest.raises(ValidationError, match="This has to be a site or"):
        UploadSettings(open_upload_sites=[entry])
