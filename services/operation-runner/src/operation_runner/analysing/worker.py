"""The child's side of the analysis pool: one process, one job after the other, one answer each."""

from __future__ import annotations

import signal
import traceback
import warnings
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import orjson
from astropy.utils.exceptions import AstropyWarning

from datalab.errors import UsageError
from datalab.processes.limits import limit_memory
from operation_runner.analysing.decoded_image import DecodedImage, decode
from operation_runner.analysing.messages import Answered, AnswerKind, Question
from operation_runner.offers.loaded import analyses_of
from operation_runner.sdk.analysis import Analysis, Rendering

#: Images kept open; each costs its header and catalogue, the pixels stay on disk.
_MOST_OPEN = 8


def work(questions: Connection, packages: Sequence[str], *, memory_bytes: int) -> None:
    """Answer questions until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the runner says when it is over
    warnings.simplefilter("ignore", AstropyWarning)  # whatever matters becomes an error
    actions = analyses_of(tuple(packages))
    limit_memory(memory_bytes)
    opened: OrderedDict[Path, DecodedImage] = OrderedDict()
    while True:
        try:
            question: Question = questions.recv()
        except EOFError:
            return
        questions.send(_answered(question, actions, opened))


def _answered(question: Question, actions: Mapping[str, Analysis], opened: OrderedDict[Path, DecodedImage]) -> Answered:
    try:
        return Answered(AnswerKind.DONE, _answer(question, actions[question.job.action], opened))
    except UsageError as error:
        return Answered(AnswerKind.USAGE, error.message.encode())
    except MemoryError:
        return Answered(AnswerKind.MEMORY)
    except OSError as error:  # the disk is full, the limit of open files is reached: not the user's fault
        return Answered(AnswerKind.TRANSIENT, f"{type(error).__name__}: {error.strerror}".encode())
    except Exception:  # noqa: BLE001 - whatever was not foreseen is a bug of the action, told to the runner
        return Answered(AnswerKind.BUG, traceback.format_exc().encode())


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
