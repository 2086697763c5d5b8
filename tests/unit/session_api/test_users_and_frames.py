import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from datalab.errors import TransientError
from session_api.accounts.authentication import Authenticator, token_hash
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
        (STRANGER, None, "P1", False),
        (MEMBER, None, "P1", True),
        (STRANGER, NOW, "P1", True),
        (STRANGER, LATER, "P1", False),
        (MEMBER, LATER, "P1", True),
        (SUPERUSER, LATER, "P1", True),
        (MEMBER, LATER, None, False),
        (SUPERUSER, LATER, None, True),
        (MEMBER, None, "~ada", True),  # her own upload
        (STRANGER, None, "~ada", False),
        (SUPERUSER, None, "~ada", True),
    ],
)
def test_a_frame_is_public_from_its_date_on_and_its_proposals_without_one(user, public_date, proposal_id, allowed):
    assert user.may_read(public_date=public_date, proposal_id=proposal_id, now=NOW) is allowed


def test_the_token_is_taken_out_of_the_header():
    assert token_in_header("Token abc") == token_in_header("token   abc") == "abc"


async def test_the_operators_token_is_a_superuser_and_no_account():
    class NoAccounts:
        async def find_any_by_token_hash(self, _token_hash, *, now):
            return None

    authenticator = Authenticator(users=NoAccounts(), admin_token="x" * 20, timeout_s=5)
    assert await authenticator.authenticate("x" * 20) == User("admin", superuser=True)
    with pytest.raises(AuthenticationError, match="Invalid token"):
        await authenticator.authenticate("x" * 21)
    with pytest.raises(AuthenticationError, match="Invalid token"):
        await Authenticator(users=NoAccounts(), admin_token=None, timeout_s=5).authenticate("")


async def test_a_document_store_that_hangs_is_not_waited_for_wherever_the_token_came_from():
    class Hanging:
        async def find_any_by_token_hash(self, _token_hash, *, now):
            await asyncio.Event().wait()

    authenticator = Authenticator(users=Hanging(), admin_token=None, timeout_s=0.01)
    with pytest.raises(TransientError, match="does not answer"):
        await authenticator.authenticate("x" * 20)


def test_any_text_has_a_hash():
    assert token_hash("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert len(token_hash("\udcff")) == 64
