from datetime import UTC, datetime, timedelta

import pytest

from datalab.documents.frame import SCIENCE_ROLES, may_read_frame
from support.stored_documents import bare_frame

NOW = datetime(2026, 11, 20, tzinfo=UTC)
LATER = NOW + timedelta(milliseconds=1)


@pytest.mark.parametrize("best", range(len(SCIENCE_ROLES)))
def test_operations_use_the_best_file_a_frame_has(best):
    frame = bare_frame()
    (picture,) = frame.files.values()
    roles = ["jpg_10", *reversed(SCIENCE_ROLES[best:])]
    files = {role: picture.model_copy(update={"key": role}) for role in roles}
    assert frame.model_copy(update={"files": files}).science_file.key == SCIENCE_ROLES[best]


def test_pictures_and_texts_are_nothing_to_compute_with():
    assert bare_frame().science_file is None


@pytest.mark.parametrize(
    ("proposals", "public_date", "proposal_id", "allowed"),
    [
        (frozenset(), None, "P1", False),
        (frozenset(), None, None, False),
        ({"P1"}, None, "P1", True),
        ({"P1"}, None, None, False),
        (None, None, None, True),
        (frozenset(), NOW, "P1", True),
        (frozenset(), LATER, "P1", False),
        (frozenset(), LATER, None, False),
        ({"P2"}, LATER, "P1", False),
        ({"P1", "P2"}, LATER, "P1", True),
        (None, LATER, "P1", True),
        (None, LATER, None, True),
    ],
)
def test_a_frame_is_public_from_its_date_on_and_its_proposals_without_one(proposals, public_date, proposal_id, allowed):
    assert may_read_frame(proposals, public_date=public_date, proposal_id=proposal_id, now=NOW) is allowed
