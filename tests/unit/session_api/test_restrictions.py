"""What is made from frames is for those who may read every one of them; few restrictions say it as well as many."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from session_api.operations.restrictions import Restriction, inherited, may_see, restriction, united
from session_api.operations.vouching import Vouching
from session_api.web.failures import AuthenticationError
from session_api.web.user import NOBODY, User

NOW = datetime(2026, 11, 20, tzinfo=UTC)
proposals = st.sampled_from([None, "", "P1", "P2"])
dates = st.sampled_from([None, NOW - timedelta(1), NOW, NOW + timedelta(1), NOW + timedelta(2)])
frames = st.lists(st.tuples(proposals, dates), max_size=6)
users = st.builds(
    User,
    username=st.just("ada"),
    superuser=st.booleans(),
    proposals=st.frozensets(st.sampled_from(["P1", "P2", "P3"])),
)


@given(users, frames, st.sampled_from([-1, 0, 1, 2]))
def test_united_restrictions_say_what_the_frames_say(user, frames, days):
    then = NOW + timedelta(days)
    limits = united(
        each
        for proposal_id, public_date in frames
        for each in restriction(proposal_id=proposal_id, public_date=public_date, now=NOW - timedelta(2))
    )
    assert len({each.proposal_id for each in limits}) == len(limits)
    readable = [user.may_read(public_date=date, proposal_id=proposal, now=then) for proposal, date in frames]
    assert may_see(user, limits, now=then) is all(readable)


def test_public_frames_restrict_nobody():
    assert restriction(proposal_id="P1", public_date=NOW, now=NOW) == ()
    assert restriction(proposal_id="P1", public_date=None, now=NOW) == (
        Restriction(proposal_id="P1", public_date=None),
    )


ADA, BOB, EVE = User("ada", proposals=frozenset({"P1"})), User("bob"), User("eve", proposals=frozenset({"P2"}))
P1, P2 = (Restriction(proposal_id=proposal, public_date=None) for proposal in ("P1", "P2"))
_OF_EVE = inherited((P2,), shown_by="eve")


class Accounts:
    """Implements `Owners`."""

    def __init__(self, *users):
        self.users = {user.username: user for user in users}
        self.asked = []

    async def user_named(self, username):
        self.asked.append(username)
        if username not in self.users:
            raise AuthenticationError("User inactive or deleted.")
        return self.users[username]


@pytest.mark.parametrize(
    ("caller", "owner", "restrictions", "there", "seen"),
    [
        (BOB, "ada", (P1,), (ADA,), True),  # she shows what she made of hers
        (BOB, "ada", (P1,), (), False),  # she is no more
        (BOB, "ada", (P1,), (User("ada"),), False),  # she may no longer read it
        (BOB, "ada", (P2,), (ADA, EVE), False),
        (BOB, "ada", (P1, *_OF_EVE), (ADA, EVE), True),  # made by ada, also on an output of eve's
        (BOB, "ada", (P1, *_OF_EVE), (ADA,), False),
        (BOB, "ada", (P1, *_OF_EVE), (EVE,), False),
        (EVE, "ada", (P1, *_OF_EVE), (ADA,), True),
        (NOBODY, "ada", (P1,), (ADA,), True),  # with a link
        (ADA, "ada", (P2,), (ADA,), False),  # nobody vouches for himself
        (User("root", superuser=True), "ada", (P1, P2), (), True),
        (BOB, "ada", inherited((P1,), shown_by=""), (User(""),), False),
    ],
)
async def test_for_whom_a_result_is_shown(caller, owner, restrictions, there, seen):
    accounts = Accounts(*there)
    vouchers = await Vouching(owners=accounts).vouchers(caller, [(owner, restrictions)], now=NOW)
    assert vouchers.may_see(caller, restrictions, owner=owner, now=NOW) is seen
    assert "" not in accounts.asked


async def test_nobody_is_asked_about_what_is_seen_anyhow():
    accounts = Accounts(ADA)
    await Vouching(owners=accounts).vouchers(ADA, [("eve", (P1,)), ("bob", ())], now=NOW)
    assert accounts.asked == []


def test_who_showed_it_first_showed_it():
    assert inherited(inherited((P1,), shown_by="ada"), shown_by="bob") == inherited((P1,), shown_by="ada")
    assert united([P1, *inherited((P1,), shown_by="ada")]) == (P1, *inherited((P1,), shown_by="ada"))
