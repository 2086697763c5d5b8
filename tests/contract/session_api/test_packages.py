"""Images and frames look as clients know them: their names, their order, their types."""

import asyncio
import json

import pytest

from datalab.platform.objects.links import Links
from datalab.platform.settings import S3Settings
from session_api.archive.images import ImageService
from session_api.archive.rows import notes_of, row_of
from session_api.archive.service import FoundFrame
from session_api.archive.views import FramePresenter
from session_api.web.user import User
from support.goldens import DATA, check_golden
from support.stored_documents import BEGINNING, bare_frame, full_frame

#: Signed at one moment, so that links are always the same.
LINKS = Links(S3Settings(), clock=BEGINNING.timestamp)
FRAMES = {"full": full_frame(), "bare": bare_frame()}


class OneFrame:
    def __init__(self, frame):
        self._frame = frame

    async def find_any(self, basename):
        return self._frame


def picture_of(frame):
    (picture,) = bare_frame().files.values()
    return frame.model_copy(update={"files": {**frame.files, "jpg_10": picture}})


@pytest.mark.parametrize("name", FRAMES)
def test_an_image_package(name, update_goldens):
    frame = picture_of(FRAMES[name])
    package = asyncio.run(ImageService(frames=OneFrame(frame), links=LINKS).image(User("", superuser=True), "x"))
    # As a list: clients see the order, too.
    check_golden(f"archive/image.{name}.json", [list(each) for each in package.items()], update=update_goldens)


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame(name, update_goldens):
    view = FramePresenter(links=LINKS).frame(FoundFrame(row_of(picture_of(FRAMES[name])), [3]), with_thumbnails=True)
    check_golden(f"archive/frame.{name}.json", json.loads(json.dumps(view)), update=update_goldens)


def test_frames_from_before_they_had_notes_show_their_problems_as_notes():
    row = json.loads((DATA / "documents/frame.with_problems.json").read_text(encoding="utf-8"))
    assert notes_of(row) == ["card 7 cannot be read"]
    assert notes_of({**row, "notes": []}) == []
    assert notes_of({}) == ()
