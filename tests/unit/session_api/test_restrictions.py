"""What is made from frames is for those who may read every one of them; few restrictions say it as well as many."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from session_api.operations.restrictions import Restriction, may_see, restriction, united
from session_api.web.user import User

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
