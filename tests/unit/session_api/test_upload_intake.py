"""Senders that fall silent."""

import asyncio

import pytest

from session_api.uploads.ingesters.chunks import content_of
from session_api.uploads.intake import Intake
from session_api.uploads.multipart import MultipartForm
from session_api.web.failures import LateError

TYPE = "multipart/form-data; boundary=x"
FIELD = b'--x\r\nContent-Disposition: form-data; name="key"\r\n\r\ndata/a'
FILE = b'\r\n--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc'


@pytest.fixture
def intake():
    return Intake(at_once=1, idle_s=0.05)


async def then_silent(*pieces):
    for piece in pieces:
        yield piece
    await asyncio.Event().wait()


async def read(content):
    return [piece async for piece in content]


@pytest.mark.parametrize("pieces", [(), (FIELD,), (FIELD, b"", b"b")])
async def test_fields_that_do_not_come_are_waited_for_no_longer(intake, pieces):
    form = MultipartForm(TYPE, then_silent(*pieces))
    with pytest.raises(LateError, match=r"fields of the form did not come within 0\.05 s"):
        await intake.fields(form.fields())


async def test_a_file_that_stops_in_the_middle_is_waited_for_no_longer(intake):
    form = MultipartForm(TYPE, then_silent(FIELD, FILE))
    assert await intake.fields(form.fields()) == {"key": "data/a"}
    with pytest.raises(LateError, match="Nothing came"):
        await read(intake.limited(form.content(), max_bytes=100))


@pytest.mark.parametrize("pieces", [(), (b"4\r\nSI",), (b"4\r\nSIMP\r\n",)])
async def test_pieces_of_an_ingester_that_stop_are_waited_for_no_longer(intake, pieces):
    with pytest.raises(LateError, match="Nothing came"):
        await read(intake.limited(content_of(then_silent(*pieces)), max_bytes=100))
