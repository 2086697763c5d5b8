from datetime import UTC, datetime, timedelta

import pytest

from session_api.accounts.authentication import Authenticator, token_hash
from session_api.accounts.model import may_read_frame
from session_api.archive.model import SCIENCE_ROLES, Frame, FrameFile
from session_api.web.authentication import token_in_header
from session_api.web.failures import AuthenticationError
from session_api.web.user import User

NOW = datetime(2026, 11, 20, tzinfo=UTC)
LATER = NOW + timedelta(seconds=1)

MEMBER = User("ada", proposals=frozenset({"P1"}))
STRANGER = User("bob", proposals=frozenset({"P2"}))
SUPERUSER = User("root", superuser=True)


@pytest.mark.parametrize(
    ("user", "public_date", "proposal_id", "allowed"),
    [
        (None, None, "P1", True),
        (None, NOW, "P1", True),
        (None, LATER, "P1", False),
        (STRANGER, LATER, "P1", False),
        (MEMBER, LATER, "P1", True),
        (SUPERUSER, LATER, "P1", True),
        (MEMBER, LATER, None, False),
        (SUPERUSER, LATER, None, True),
    ],
)
def test_a_frame_is_public_from_its_date_on_and_its_proposals_before(user, public_date, proposal_id, allowed):
    assert may_read_frame(user, public_date=public_date, proposal_id=proposal_id, now=NOW) is allowed


def frame(*roles):
    files = {role: FrameFile(key=role, sha256="0" * 64, size_bytes=1) for role in roles}
    return Frame(basename="f", files=files, filter_name=None, public_date=None, proposal_id=None)


def test_operations_use_the_best_file_a_frame_has():
    for position, role in enumerate(SCIENCE_ROLES):
        assert frame("jpg_10", *reversed(SCIENCE_ROLES[position:])).science_file().key == role
    assert frame("jpg_10", "txt_00").science_file() is None


def test_the_token_is_taken_out_of_the_header():
    assert token_in_header("Token abc") == token_in_header("token   abc") == "abc"


async def test_the_operators_token_is_a_superuser_and_no_account():
    class NoAccounts:
        async def find_any_by_token_hash(self, _token_hash):
            return None

    authenticator = Authenticator(users=NoAccounts(), admin_token="x" * 20)
    assert await authenticator.authenticate("x" * 20) == User("admin", superuser=True)
    with pytest.raises(AuthenticationError, match="Invalid token"):
        await authenticator.authenticate("x" * 21)
    with pytest.raises(AuthenticationError, match="Invalid token"):
        await Authenticator(users=NoAccounts(), admin_token=None).authenticate("")


def test_any_text_has_a_hash():
    assert token_hash("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert len(token_hash("\udcff")) == 64
