"""What tallies tell of the frames that fit is what looking at each frame tells, but for the days they leave out."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datalab.documents.frame import CLOSED, COMPLETE
from datalab.documents.frame_tally import EVERY_DAY, TALLIED_BY, TallyCell, TallyDocument, packed_counts
from session_api.archive.model import FrameFilter
from session_api.archive.tallies import MonthTally, Tallied

FEBRUARY = datetime(2024, 2, 1, tzinfo=UTC)
DAY = timedelta(days=1)
ANY = dict.fromkeys(TALLIED_BY)


def kind(release, proposal_id="P1", filter_name="V", site_id="tst"):
    named = {"release": release, "proposal_id": proposal_id, "filter_name": filter_name, "site_id": site_id}
    return tuple({**ANY, **named}.values())


KINDS = st.builds(
    kind,
    st.sampled_from([COMPLETE, CLOSED]),
    st.sampled_from(["P1", "P2", None]),
    st.sampled_from(["V", "R"]),
    st.sampled_from(["tst", "aro"]),
)
DAYS = st.dictionaries(st.integers(0, 28), st.integers(1, 5), max_size=4)
MOMENTS = st.none() | st.integers(-60, 32 * 24).map(lambda hours: FEBRUARY + timedelta(hours=hours))
NAMES = st.lists(st.sampled_from(["V", "R", "B"]), max_size=2)


def document(frames, marked=()):
    cells = tuple(TallyCell(values=each, counts=packed_counts(days)) for each, days in frames.items())
    return TallyDocument(month="2024-02", revision=1, cells=cells, marked=dict.fromkeys(marked, FEBRUARY))


def told(month, proposals, **chosen):
    tallied = Tallied()
    MonthTally(month).tell(tallied, proposals, FrameFilter(with_science=True, **chosen))
    return tallied


def readable(proposals, values):
    said = dict(zip(TALLIED_BY, values, strict=True))
    return said["release"] == COMPLETE or proposals is None or said["proposal_id"] in proposals


@given(
    frames=st.dictionaries(KINDS, DAYS, max_size=8),
    marked=st.sets(st.integers(0, 28), max_size=3),
    proposals=st.sampled_from([None, (), ("P1",), ("P1", "P2"), ("None",)]),
    since=MOMENTS,
    until=MOMENTS,
    filters=st.none() | NAMES,
    excluded=NAMES,
    closed=st.booleans(),
)
def test_it_is_what_a_look_at_each_frame_tells(frames, marked, proposals, since, until, filters, excluded, closed):
    tallied = told(
        document(frames, [f"{day + 1:02}" for day in marked]),
        proposals,
        captured=(since, until),
        equal={} if filters is None else {"filter_name": filters},
        unequal={"filter_name": excluded} if excluded else {},
        closed=closed,
    )
    expected, values = 0, {field: set() for field in TALLIED_BY}
    for each, days in frames.items():
        said = dict(zip(TALLIED_BY, each, strict=True))
        if filters is not None and said["filter_name"] not in filters:
            continue
        if said["filter_name"] in excluded or not readable(proposals, each) or (closed and said["release"] != CLOSED):
            continue
        for day, count in days.items():
            begins = FEBRUARY + day * DAY
            ends = begins + DAY - timedelta(milliseconds=1)
            if day not in marked and (since is None or since <= begins) and (until is None or until >= ends):
                expected += count
                for field, value in said.items():
                    values[field].add(value)
    assert (tallied.frames, tallied.values) == (expected, values)
    # What is not told of is named: together with what is, it is what was asked for.
    asked = max(since or FEBRUARY, FEBRUARY), min((until or datetime.max.replace(tzinfo=UTC)), FEBRUARY + 29 * DAY)
    spans = sorted([*tallied.untold, *tallied.parts])
    assert all(FEBRUARY <= begin < end <= FEBRUARY + 29 * DAY for begin, end in spans)
    if asked[0] < asked[1]:
        for day in marked:
            begins = FEBRUARY + day * DAY
            if begins + DAY > asked[0] and begins < asked[1]:
                assert any(begin <= max(begins, asked[0]) < end for begin, end in tallied.untold)


def test_parts_of_days_are_named_and_about_how_many_frames_are_in_them():
    month = document({kind(COMPLETE): {0: 100, 1: 100, 2: 100}})
    since, until = FEBRUARY + DAY / 4, FEBRUARY + 2 * DAY + DAY / 2
    tallied = told(month, (), captured=(since, until - timedelta(milliseconds=1)))
    assert tallied.frames == 100
    assert tallied.parts == [(since, FEBRUARY + DAY), (FEBRUARY + 2 * DAY, until)]
    assert tallied.likely == pytest.approx(75 + 50)


@pytest.mark.parametrize("marked", [[EVERY_DAY], [EVERY_DAY, "03"]])
def test_a_month_that_was_never_tallied_is_named_as_a_whole(marked):
    month = document({}, marked)
    assert told(month, ()).untold == [(FEBRUARY, FEBRUARY + 29 * DAY)]
    assert told(month, (), captured=(FEBRUARY + DAY, None)).untold == [(FEBRUARY + DAY, FEBRUARY + 29 * DAY)]
    assert told(month, (), captured=(FEBRUARY + 30 * DAY, None)).untold == []


def test_the_last_month_there_can_be():
    seen = TallyCell(values=kind(COMPLETE), counts=packed_counts({30: 2}))
    month = TallyDocument(month="9999-12", cells=(seen,))
    assert told(month, ()).frames == 2
    assert told(month, (), captured=(datetime(9999, 12, 31, tzinfo=UTC), None)).frames == 2
