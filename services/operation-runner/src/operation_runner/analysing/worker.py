"""What a process of the analysis pool does: it looks at one image after the other, and keeps some of them open."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
from astropy.utils.exceptions import AstropyWarning

from datalab.fits.configuration import remember_settings
from datalab.processes.limits import limit_memory
from datalab.processes.worker import Parent
from operation_runner.analysing.decoded_image import DecodedImage, decode
from operation_runner.analysing.model import Question
from operation_runner.offers.loaded import analyses_of
from operation_runner.sdk.analysis import Analysis, Rendering

#: Images kept open; each costs its header and catalogue and what was shown of it last (16 MB at most); the pixels stay
#: on disk.
_MOST_OPEN = 8


def analysing(_: Parent, packages: tuple[str, ...], memory_bytes: int) -> Callable[[Question], bytes]:
    """Return the function that answers a question as JSON."""
    warnings.simplefilter("ignore", AstropyWarning)  # whatever matters becomes an error
    remember_settings()
    actions = analyses_of(packages)
    limit_memory(memory_bytes)
    opened: OrderedDict[Path, DecodedImage] = OrderedDict()
    return lambda question: _answer(question, actions[question.job.action], opened)


def _answer(question: Question, action: Analysis, opened: OrderedDict[Path, DecodedImage]) -> bytes:
    job = question.job
    image = _opened(question, opened)
    if isinstance(action, Rendering):
        assert job.target is not None
        action.render(image, job.target)
        return b"{}"
    answer = action.analyse(image, action.Parameters.model_validate(job.parameters))
    return orjson.dumps(answer, default=_plain, option=orjson.OPT_SERIALIZE_NUMPY)


def _opened(question: Question, opened: OrderedDict[Path, DecodedImage]) -> DecodedImage:
    folder, file = question.folder, question.job.file
    for gone in [folder for folder in opened if not folder.exists()]:
        del opened[gone]  # an open file would keep its place on the disk
    image = opened.pop(folder, None)
    if image is None or (image.basename, image.source) != (file.basename, file.source):
        if not folder.exists():
            decode(file, question.job.path, folder, limit_bytes=question.limit_bytes)
        image = DecodedImage(file, folder)
    opened[folder] = image
    if len(opened) > _MOST_OPEN:
        opened.popitem(last=False)
    return image


def _plain(value: Any) -> Any:
    """Return what orjson does not know as something it does: a single value in an array without axes."""
    if hasattr(value, "ndim") and value.ndim == 0:
        return value.item()
    raise TypeError(f"{type(value).__name__} is not JSON")
