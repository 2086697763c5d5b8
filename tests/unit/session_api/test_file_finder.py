"""Files that are asked for are found with bounded work, however many ask."""

import asyncio

import pytest

from datalab.documents.frame import FrameDocument
from datalab.errors import UsageError
from datalab.events.envelope import utc_now
from datalab.platform.objects.bucket import StoredObject
from session_api.downloads.finder import FileFinder
from session_api.downloads.model import wanted_archive, wanted_download
from session_api.web.user import User
from support.session_api import frame_document, frame_file, stored_file
from support.waiting import until

NOBODY = User("")
NOW = utc_now()


class Objects:
    """Reads whole objects when it is let."""

    def __init__(self, size_bytes=7):
        self.size_bytes = size_bytes
        self.reading = 0
        self.most = 0
        self.read: list[str] = []
        self.goes_on = asyncio.Event()

    async def stat(self, key, sha256=None):
        return StoredObject(key=key, size_bytes=self.size_bytes, etag="e", sha256=sha256, modified_at=NOW)

    async def checksum(self, key):
        self.reading += 1
        self.most = max(self.most, self.reading)
        self.read.append(key)
        await self.goes_on.wait()
        self.reading -= 1
        return await self.stat(key, "ab" * 32)


def wanted(name, form="fits"):
    return wanted_download(name=name, folder="info-images", form=form, stretch=None)


async def test_a_file_wanted_as_it_is_is_not_read_for_its_checksum():
    objects = Objects()
    finder = FileFinder(frames=None, outputs=None, objects=objects)
    file = await finder.named(NOBODY, wanted("a.fits", "raw"))
    assert (file.key, file.size_bytes, objects.read) == ("info-images/a.fits", 7, [])


async def test_few_files_are_read_at_once_for_their_checksums_and_each_is_known_afterwards():
    objects = Objects()
    finder = FileFinder(frames=None, outputs=None, objects=objects)
    names = ["a.fits", "b.fits", *["a.fits"] * 10, *["b.fits"] * 10]
    asking = [asyncio.create_task(finder.named(NOBODY, wanted(name))) for name in names]
    await until(lambda: objects.reading == 2)
    objects.goes_on.set()
    files = await asyncio.gather(*asking)
    assert [file.key for file in files] == [f"info-images/{name}" for name in names]
    assert {file.sha256 for file in files} == {"ab" * 32}
    assert (objects.most, objects.read) == (2, ["info-images/a.fits", "info-images/b.fits"])


async def test_an_empty_file_is_told():
    objects = Objects(size_bytes=0)
    objects.goes_on.set()
    with pytest.raises(UsageError, match=r"^a\.fits is empty\.$"):
        await FileFinder(frames=None, outputs=None, objects=objects).named(NOBODY, wanted("a.fits"))


class Frames:
    """A site with images of one size, page after page without end; or so many."""

    def __init__(self, total=10**9):
        self.total = total
        self.told = 0

    async def page(self, proposals, chosen, order, *, limit, after, fields):
        numbers = range(self.told, min(self.told + limit, self.total))
        self.told += len(numbers)
        file = {"key": "data/a-EX10.fits", "sha256": "ab" * 32, "size_bytes": 1, "etag": "e"}
        return [
            {"_id": f"a-{number}", "frame_id": number, "capture_date": NOW, "files": {"fits_10": file}}
            for number in numbers
        ]


async def of_site(frames, size):
    finder = FileFinder(frames=frames, outputs=None, objects=None)
    wanted = wanted_archive(site="tst", start=1, end=2, size=size)
    return [file async for file in finder.of_site(NOBODY, wanted)]


async def test_images_without_a_file_of_the_size_wanted_are_not_looked_at_without_end():
    frames = Frames()
    with pytest.raises(UsageError, match=r"^tst has more than 50000 images in this time: ask for less at once\.$"):
        await of_site(frames, "large")
    assert frames.told <= 51_000
    assert await of_site(Frames(total=1500), "large") == []
    assert len(await of_site(Frames(total=1500), "small")) == 1500


class Outputs:
    """Each number from 5000 on is an output of whoever asks."""

    def __init__(self):
        self.looked_up: list[int] = []

    def has_number(self, number):
        return number >= 5000

    async def find(self, caller, number):
        self.looked_up.append(number)
        name = f"output-{number}"
        files = {"fits": frame_file(stored_file(f"results/{name}.fits"))}
        return FrameDocument.model_validate(frame_document(name, frame_id=number, files=files))


async def science_files(outputs, caller, numbers):
    finder = FileFinder(frames=Frames(total=0), outputs=outputs, objects=None)
    return [file.basename for file in await finder.science_files(caller, numbers)]


async def test_outputs_are_found_behind_any_number_of_frames():
    outputs = Outputs()
    assert await science_files(outputs, User("ada"), range(5002)) == ["output-5000", "output-5001"]
    assert outputs.looked_up == [5000, 5001]


async def test_nobody_has_outputs():
    outputs = Outputs()
    assert await science_files(outputs, NOBODY, range(5002)) == []
    assert outputs.looked_up == []


async def test_more_outputs_than_an_archive_has_are_refused_and_none_is_left_out():
    assert len(await science_files(Outputs(), User("ada"), range(5000, 6000))) == 1000
    with pytest.raises(
        UsageError, match=r"^An archive has at most 1000 outputs of operations: ask for less at once\.$"
    ):
        await science_files(Outputs(), User("ada"), range(5000, 6001))
