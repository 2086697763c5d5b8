"""What a process of the analysis pool does: it looks at one image after the other, and keeps some of them open."""

from __future__ import annotations

import warnings
from base64 import b64encode
from collections import OrderedDict
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
from astropy.utils.exceptions import AstropyWarning

from datalab.fits.configuration import remember_settings
from datalab.fits.parts import PartialImage
from datalab.fits.stored import NotInPartsError
from datalab.processes.limits import limit_memory
from datalab.processes.worker import Parent
from operation_runner.analysing.decoded_image import DecodedImage, decode
from operation_runner.analysing.model import AnalysisJob, BytesWanted, GlimpseJob, PartJob, Question
from operation_runner.analysing.stored_rows import StoredRows
from operation_runner.offers.loaded import analyses_of
from operation_runner.sdk.analysis import Analysis, Cutting, Glimpsing, Part, Rendering, Showing
from operation_runner.sdk.parameters import ColourPlane

#: Images kept open; each costs its header and catalogue and what was shown of it last (16 MB at most); the pixels stay
#: on disk.
_MOST_OPEN = 8


#: Headers kept of files that are read in parts, each a megabyte at most.
_MOST_KNOWN = 64


def analysing(
    parent: Parent, packages: tuple[str, ...], memory_bytes: int
) -> Callable[[Question | PartJob | GlimpseJob], Any]:
    """Return the function that answers a question: as JSON, or as a `Part` of an image.

    Of files that are elsewhere it asks for `BytesWanted`, and answers None for those it needs as a whole, as it does
    for those that are here but cannot be read by rows.
    """
    warnings.simplefilter("ignore", AstropyWarning)  # whatever matters becomes an error
    remember_settings()
    actions = analyses_of(packages)
    limit_memory(memory_bytes)
    opened: OrderedDict[Path, DecodedImage] = OrderedDict()
    known: OrderedDict[str, PartialImage] = OrderedDict()

    def answer(question: Question | PartJob | GlimpseJob) -> Any:
        if isinstance(question, PartJob):
            return _part(question, actions[question.action], known, parent)
        if isinstance(question, GlimpseJob):
            return _glimpse(question.job, actions[question.job.action])
        return _answer(question, actions[question.job.action], opened)

    return answer


def _answer(question: Question, action: Analysis, opened: OrderedDict[Path, DecodedImage]) -> bytes | Part:
    job = question.job
    parameters = action.Parameters.model_validate(job.parameters)
    image = _opened(question, opened, parameters.plane)
    if isinstance(action, Rendering):
        assert job.target is not None
        action.render(image, parameters, job.target)
        return b"{}"
    if isinstance(action, Cutting):
        return action.cut(image, parameters)
    if isinstance(action, Showing):
        return action.show(image, parameters)
    if isinstance(action, Glimpsing):
        return _packed(action.glimpse(image, parameters))
    return _packed(action.analyse(image, parameters))


def _packed(answer: Any) -> bytes | Part:
    if isinstance(answer, Part):
        return answer
    return orjson.dumps(answer, default=_plain, option=orjson.OPT_SERIALIZE_NUMPY)


def _glimpse(job: AnalysisJob, action: Analysis) -> bytes | Part | None:
    assert isinstance(action, Glimpsing)
    parameters = action.Parameters.model_validate(job.parameters)
    if parameters.plane is not None:
        return None
    try:
        with closing(StoredRows(job.file.basename, job.path)) as image:
            return _packed(action.glimpse(image, parameters))
    except NotInPartsError:
        return None


def _part(job: PartJob, action: Analysis, known: OrderedDict[str, PartialImage], parent: Parent) -> Part | None:
    assert isinstance(action, Cutting)
    parameters = action.Parameters.model_validate(job.parameters)
    if parameters.plane is not None:
        return None
    file = job.file
    source = _Elsewhere(parent, file.size_bytes)
    image = known.pop(file.sha256, None)
    try:
        if image is None or image.basename != file.basename:
            image = PartialImage(basename=file.basename, sha256=file.sha256, source=source)
        else:
            image.reading_from(source)
        part = action.cut(image, parameters)
    except NotInPartsError:
        return None
    known[file.sha256] = image  # not if anything was wrong: then all of it is read anew
    if len(known) > _MOST_KNOWN:
        known.popitem(last=False)
    return part


class _Elsewhere:
    """A file whose bytes the parent has."""

    def __init__(self, parent: Parent, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self._parent = parent

    def read(self, offset: int, length: int) -> bytes:
        if not length:
            return b""
        if offset < 0 or length < 0 or offset + length > self.size_bytes:
            raise ValueError(f"the file has {self.size_bytes} bytes; {length} from {offset} on are none of them")
        data: bytes = self._parent.ask(BytesWanted(offset, length))
        return data


def _opened(question: Question, opened: OrderedDict[Path, DecodedImage], plane: ColourPlane | None) -> DecodedImage:
    folder, file = question.folder, question.job.file
    for gone in [folder for folder in opened if not folder.exists()]:
        del opened[gone]  # an open file would keep its place on the disk
    image = opened.pop(folder, None)
    if image is None or (image.basename, image.source) != (file.basename, file.source):
        if not folder.exists():
            decode(file, question.job.path, folder, limit_bytes=question.limit_bytes, plane=plane)
        image = DecodedImage(file, folder, path=question.job.path)
    opened[folder] = image
    if len(opened) > _MOST_OPEN:
        opened.popitem(last=False)
    return image


def _plain(value: Any) -> Any:
    """Return what orjson does not know as something it does: a single value in an array without axes, or bytes."""
    if isinstance(value, bytes):  # as a text of Python, orjson would ask for eight times its size
        return orjson.Fragment(b"".join((b'"', b64encode(value), b'"')))
    if hasattr(value, "ndim") and value.ndim == 0:
        return value.item()
    raise TypeError(f"{type(value).__name__} is not JSON")
