"""Data of large results: read once, checked, kept as long as there is room."""

import asyncio
import hashlib

import pytest

from datalab.errors import TransientError
from datalab.events.operations import LinkedFile, OperationResult, StoredFile
from datalab.platform.objects.errors import ObjectNotFoundError, ObjectTooLargeError
from session_api.operations.result_data import StoredResultData
from session_api.operations.views import OperationPresenter
from session_api.web.replies import JsonReply
from support.session_api import stored_file
from support.stored_documents import completed


class Objects:
    """An object store in memory that counts what it is asked for."""

    def __init__(self, *texts):
        self.bodies = {text: text.encode() for text in texts}
        self.asked = []
        self.most_at_once = 0
        self._at_once = 0

    async def get_bytes(self, key, *, max_bytes):
        self.asked.append(key)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        await asyncio.sleep(0)
        self._at_once -= 1
        if key not in self.bodies:
            raise ObjectNotFoundError(f"no object {key!r}")
        if len(self.bodies[key]) > max_bytes:
            raise ObjectTooLargeError("too large")
        return self.bodies[key]


def file_of(text):
    """Return the file whose key and content are the text."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    return StoredFile(key=text, sha256=digest, size_bytes=len(text), media_type="application/json")


async def test_data_are_read_once_however_many_ask():
    objects = Objects("[1]")
    data = StoredResultData(objects=objects, capacity_bytes=100)
    assert await asyncio.gather(*(data.read(file_of("[1]")) for _ in range(5))) == [b"[1]"] * 5
    assert await data.read(file_of("[1]")) == b"[1]"
    assert objects.asked == ["[1]"]


async def test_what_was_used_longest_ago_goes_first():
    objects = Objects("[1]", "[2]", "[3]", "[10000000]")
    data = StoredResultData(objects=objects, capacity_bytes=6)
    for text in ("[1]", "[2]", "[1]", "[3]"):
        await data.read(file_of(text))
    assert objects.asked == ["[1]", "[2]", "[3]"]
    await data.read(file_of("[1]"))
    await data.read(file_of("[2]"))
    assert objects.asked == ["[1]", "[2]", "[3]", "[2]"]
    assert await data.read(file_of("[10000000]")) == b"[10000000]", "what does not fit is read every time"


async def test_a_long_list_does_not_storm_the_store():
    texts = [f"[{number}]" for number in range(50)]
    objects = Objects(*texts)
    data = StoredResultData(objects=objects, capacity_bytes=1000)
    assert await asyncio.gather(*(data.read(file_of(text)) for text in texts)) == [text.encode() for text in texts]
    assert objects.most_at_once <= 4


@pytest.mark.parametrize("stored", [None, "[2]", "[1,2]", "["])
async def test_what_is_gone_or_damaged_is_not_there_and_looked_for_again(stored):
    objects = Objects()
    if stored is not None:
        objects.bodies["[1]"] = stored.encode()
    data = StoredResultData(objects=objects, capacity_bytes=100)
    assert await data.read(file_of("[1]")) is None
    objects.bodies["[1]"] = b"[1]"
    assert await data.read(file_of("[1]")) == b"[1]"


async def test_a_store_that_is_away_is_told():
    class Away:
        async def get_bytes(self, _key, *, max_bytes):
            raise TransientError(f"no {max_bytes} bytes")

    data = StoredResultData(objects=Away(), capacity_bytes=100)
    for _ in range(2):
        with pytest.raises(TransientError):
            await data.read(file_of("[1]"))


class Links:
    def sign_get(self, key, *, content_type=None, filename=None):
        return f"https://{key}?{content_type}&{filename}"


async def output_of(**fields):
    """Return the output of an operation as it is written."""
    presenter = OperationPresenter(links=Links(), data=StoredResultData(objects=Objects(*STORED), capacity_bytes=0))
    result = OperationResult(result_key="a" * 64, **fields)
    shown = await presenter.operation(completed().model_copy(update={"result": result}))
    return JsonReply(shown["output"]).body.decode()


PICTURE = stored_file("p.jpg", media_type="image/jpeg")
LINKED = [
    LinkedFile(item=1, field="diagnostic_images", name="f1", file=PICTURE),
    LinkedFile(item=1, field="diagnostic_images", name="f2", file=PICTURE),
    LinkedFile(item=0, field="more", name="f1", file=PICTURE),
]
STORED = ('[{"period":1.50}]', '[{"more":{"kept":1}},{"period":null}]')
LINK = '"https://p.jpg?image/jpeg&None"'
WITH_LINKS = f'[{{"more":{{"kept":1,"f1":{LINK}}}}},{{"period":null,"diagnostic_images":{{"f1":{LINK},"f2":{LINK}}}}}]'


async def test_links_stand_in_the_data_they_belong_to():
    data = ({"more": {"kept": 1}}, {"period": float("nan")})
    text = await output_of(output_data=data, linked_files=LINKED)
    assert text == f'{{"output_files":[],"output_data":{WITH_LINKS}}}'
    assert data[0] == {"more": {"kept": 1}}, "signed when read, never stored"


async def test_data_stored_apart_look_the_same():
    text = await output_of(output_data_file=file_of(STORED[1]), linked_files=LINKED)
    assert text == f'{{"output_files":[],"output_data":{WITH_LINKS}}}'


async def test_data_without_links_are_passed_on_as_they_were_stored():
    text = await output_of(output_data_file=file_of(STORED[0]))
    assert text == '{"output_files":[],"output_data":[{"period":1.50}]}'


async def test_a_link_without_a_place_is_left_out():
    lost = [LinkedFile(item=item, field="x", name="f1", file=PICTURE) for item in (0, 7)]
    text = await output_of(output_data=(1.5,), linked_files=lost)
    assert text == '{"output_files":[],"output_data":[1.5]}'


async def test_data_that_are_gone_leave_an_empty_list():
    assert await output_of(output_data_file=file_of("[0]")) == '{"output_files":[],"output_data":[]}'
