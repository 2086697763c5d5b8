"""One log for everything in a process: structlog for our code, the same formatter for uvicorn, nats and the others.

A record is a named event with its ids and parameters. Secrets do not belong in a record; should one get there all the
same, it is masked before it is written.
"""

from __future__ import annotations

import logging
import math
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Final, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from datalab.platform.settings import LogSettings

MASK: Final = "***"

_HANDLER_NAME = "datalab"

#: Loggers that come with handlers of their own, which would write a second line in another format.
_ADOPTED_LOGGERS = ("faststream", "uvicorn", "uvicorn.access", "uvicorn.asgi", "uvicorn.error")

#: At DEBUG these print documents, commands and signed links.
_QUIET_LOGGERS = ("asyncio", "httpcore", "httpx", "pymongo", "urllib3")

_SECRET_NAME = re.compile(
    r"token|passw|secret|authorization|cookie|credential|signature|(api|access|private)[-_]?key", re.IGNORECASE
)
#: With each, what is in every text that has one: most texts have none, and a sign is found sooner than a pattern.
_SECRETS_IN_TEXT = (
    # a query parameter, as in a signed link or a websocket address
    (
        "=",
        re.compile(r"(?P<kept>[?&](?:[\w-]*(?:token|signature|credential|password|secret))=)[^&\s\"']+", re.IGNORECASE),
    ),
    # the password in scheme://user:password@host
    ("://", re.compile(r"(?P<kept>\b[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s/@]+(?=@)", re.IGNORECASE)),
    # a header; 8 characters or more, so that prose about a token stays readable
    (" ", re.compile(r"(?P<kept>\b(?:Bearer|Basic|Token) )[\w.~+/=-]{8,}")),
)


def configure_logging(settings: LogSettings, *, service: str, stream: TextIO | None = None) -> None:
    """Send every record of this process to `stream` (standard output by default), each with the name of the service.

    Called once by `main`, after its imports; a second call replaces the first. Start uvicorn with `log_config=None`
    and give brokers a `logger=`, or they add handlers of their own later.
    """
    target = sys.stdout if stream is None else stream
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(target)
    handler.set_name(_HANDLER_NAME)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            # What depends on the settings is here, as a logger keeps for ever the chain it was first used with.
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _service_name(service),
                structlog.processors.format_exc_info,
                mask_secrets,
                _renderer(settings, target),
            ],
            foreign_pre_chain=[*_SHARED, structlog.stdlib.ExtraAdder(), _drop_uvicorn_colours],
        )
    )
    root = logging.getLogger()
    root.handlers = [other for other in root.handlers if other.get_name() != _HANDLER_NAME]
    root.addHandler(handler)
    root.setLevel(settings.log_level)
    for name in _ADOPTED_LOGGERS:
        adopted = logging.getLogger(name)
        adopted.handlers.clear()
        adopted.propagate = True
        adopted.setLevel(logging.NOTSET)
    for name in _QUIET_LOGGERS:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of a module: `get_logger(__name__)`. It may be made before logging is configured."""
    return structlog.stdlib.get_logger(name)


@contextmanager
def bind_correlation(*, correlation_id: str, **ids: str | int) -> Iterator[None]:
    """Put the ids on every record written inside, by any library, in this task and the tasks it starts."""
    with structlog.contextvars.bound_contextvars(correlation_id=correlation_id, **ids):
        yield


def masked_text(text: str) -> str:
    """Return `text` without signatures, tokens in query strings, passwords in URLs and Authorization values."""
    for sign, secret in _SECRETS_IN_TEXT:
        if sign in text:
            text = secret.sub(rf"\g<kept>{MASK}", text)
    return text


def mask_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Mask values with a telling name and secrets inside texts, at any depth; make every value plain JSON."""
    return {name: _masked(name, value) for name, value in event.items()}


def _masked(name: str, value: object) -> object:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)  # NaN is not JSON
    if _is_secret(name):
        return MASK
    if isinstance(value, Mapping):
        return {str(inner): _masked(str(inner), item) for inner, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(name, item) for item in value]
    return masked_text(str(value))


@lru_cache(maxsize=1000)
def _is_secret(name: str) -> bool:
    """Tell whether values of this name are to be masked; the names of fields are few."""
    return _SECRET_NAME.search(name) is not None


def _service_name(service: str) -> Processor:
    def add(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    return add


def _drop_uvicorn_colours(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Uvicorn sends each text twice, the second time with terminal codes."""
    event.pop("color_message", None)
    return event


def _renderer(settings: LogSettings, target: TextIO) -> Processor:
    if settings.log_format == "json":
        return structlog.processors.JSONRenderer()
    return structlog.dev.ConsoleRenderer(colors=target.isatty(), exception_formatter=structlog.dev.plain_traceback)


_SHARED: Final[tuple[Processor, ...]] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
)
