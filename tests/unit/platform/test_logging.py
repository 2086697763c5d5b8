import asyncio
import io
import json
import logging
from datetime import datetime, timedelta
from uuid import UUID

import pytest
import structlog
from pydantic import SecretStr

from datalab.platform.logging import bind_correlation, configure_logging, get_logger, masked_text
from datalab.platform.settings import LogSettings

SIGNED_LINK = (
    "http://127.0.0.1:9000/datalab/a.fits?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=datalab%2F20260101"
    "&X-Amz-Expires=60&X-Amz-Signature=0123456789abcdef"
)


class Log(io.StringIO):
    def configure(self, *, log_level="INFO", log_format="json"):
        configure_logging(LogSettings(log_level=log_level, log_format=log_format), service="ingest", stream=self)

    @property
    def records(self):
        return [json.loads(line) for line in self.getvalue().splitlines()]

    @property
    def record(self):
        (record,) = self.records
        return record


@pytest.fixture
def log():
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    log = Log()
    log.configure()
    yield log
    root.handlers, root.level = handlers, level
    root.setLevel(level)
    structlog.reset_defaults()


def test_a_record_names_service_logger_level_time_and_ids(log):
    with bind_correlation(correlation_id="c-1", operation_id=7):
        get_logger("ingest.files").warning("frame.ingested", basefile="a", size_bytes=3)
    record = log.record
    assert datetime.fromisoformat(record.pop("timestamp")).utcoffset() == timedelta(0)
    assert record == {
        "service": "ingest",
        "logger": "ingest.files",
        "level": "warning",
        "event": "frame.ingested",
        "correlation_id": "c-1",
        "operation_id": 7,
        "basefile": "a",
        "size_bytes": 3,
    }


def test_ids_end_with_their_block_and_nest(log):
    logger = get_logger("a")
    with bind_correlation(correlation_id="outer"):
        with bind_correlation(correlation_id="inner"):
            logger.info("one")
        logger.info("two")
    logger.info("three")
    assert [record.get("correlation_id") for record in log.records] == ["inner", "outer", None]


async def test_tasks_side_by_side_keep_their_own_ids(log):
    both_bound = asyncio.Barrier(2)

    async def work(name):
        with bind_correlation(correlation_id=name):
            await both_bound.wait()
            get_logger("a").info(name)

    await asyncio.gather(work("x"), work("y"))
    assert {(record["event"], record["correlation_id"]) for record in log.records} == {("x", "x"), ("y", "y")}


def test_libraries_log_through_the_same_formatter(log):
    with bind_correlation(correlation_id="c-2"):
        logging.getLogger("nats.aio.client").error("lost %s", "connection", extra={"attempt": 2})
    record = log.record
    assert record["event"] == "lost connection"
    assert (record["service"], record["level"], record["logger"]) == ("ingest", "error", "nats.aio.client")
    assert (record["correlation_id"], record["attempt"]) == ("c-2", 2)


@pytest.mark.parametrize("name", ["uvicorn", "uvicorn.error", "uvicorn.access", "faststream"])
def test_a_library_that_brought_its_own_handler_writes_one_line(log, name):
    own = io.StringIO()
    library = logging.getLogger(name)
    library.addHandler(logging.StreamHandler(own))
    library.propagate = False
    log.configure()
    library.info("hello", extra={"color_message": "\x1b[1mhello"})
    assert log.record["event"] == "hello"
    assert "color_message" not in log.record
    assert own.getvalue() == ""


def test_configuring_again_replaces_and_leaves_foreign_handlers(log):
    foreign = logging.NullHandler()
    logging.getLogger().addHandler(foreign)
    log.configure()
    log.configure()
    get_logger("a").info("once")
    assert len(log.records) == 1
    assert foreign in logging.getLogger().handlers


def test_a_logger_used_before_obeys_the_new_settings(log):
    logger = get_logger("a")
    logger.debug("unseen")
    log.configure(log_level="DEBUG")
    logger.debug("seen")
    assert [record["event"] for record in log.records] == ["seen"]


def test_noisy_libraries_stay_quiet_at_debug(log):
    log.configure(log_level="DEBUG")
    logging.getLogger("urllib3.connectionpool").debug("GET %s", SIGNED_LINK)
    logging.getLogger("pymongo.command").debug("document")
    assert log.getvalue() == ""


def _fail():
    link = SIGNED_LINK
    raise ValueError(f"no reply from {link}")


@pytest.mark.parametrize("logger", [get_logger("ours"), logging.getLogger("theirs")])
def test_an_exception_is_one_field_of_one_line(log, logger):
    try:
        _fail()
    except ValueError:
        logger.exception("fetch.failed")
    record = log.record
    assert record["event"] == "fetch.failed"
    assert record["exception"].startswith("Traceback (most recent call last)")
    assert "in _fail" in record["exception"]
    assert "ValueError: no reply from http://127.0.0.1:9000" in record["exception"]
    assert "0123456789abcdef" not in record["exception"]


def test_secrets_are_masked_by_name_at_any_depth(log):
    get_logger("a").info(
        "request",
        token="s1",
        Authorization="s2",
        s3_secret_key="s3",
        headers={"cookie": "s4", "accept": "text/html", "deeper": [{"password": "s5"}]},
        passwords=["s6"],
        api_key=b"s7",
        wrapped=SecretStr("s8"),
    )
    written = log.getvalue()
    assert not [secret for number in range(1, 9) if (secret := f"s{number}") in written.replace("s3_secret_key", "")]
    assert log.record["headers"] == {"cookie": "***", "accept": "text/html", "deeper": [{"password": "***"}]}


@pytest.mark.parametrize("logger", [get_logger("ours"), logging.getLogger("theirs")])
def test_secrets_are_masked_in_the_event_itself(log, logger):
    logger.info("GET %s", SIGNED_LINK)
    assert "0123456789abcdef" not in log.getvalue()
    assert "X-Amz-Expires=60&X-Amz-Signature=***" in log.record["event"]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("nats://lab:hunter22@nats:4222 is away", "nats://lab:***@nats:4222 is away"),
        ("GET /ws?token=abc&last=3", "GET /ws?token=***&last=3"),
        ("authorization: Bearer abcdef.0123-45", "authorization: Bearer ***"),
        ("Token 0123456789abcdef0123 refused", "Token *** refused"),
        ("the token of user 7 expired", "the token of user 7 expired"),
        ("http://127.0.0.1:9000/a/b@c.fits", "http://127.0.0.1:9000/a/b@c.fits"),
    ],
)
def test_only_the_secret_part_of_a_text_is_masked(text, written):
    assert masked_text(text) == written


def test_every_value_becomes_plain_json(log):
    get_logger("a").info(
        "values", number=float("nan"), flag=True, nothing=None, some={3}, id=UUID(int=1), keys={1: (2.5, "x")}
    )
    record = log.record
    assert (record["number"], record["flag"], record["nothing"], record["some"]) == ("nan", True, None, [3])
    assert (record["id"], record["keys"]) == (str(UUID(int=1)), {"1": [2.5, "x"]})


def test_the_console_format_is_for_people_and_masked_as_well(log):
    log.configure(log_format="console")
    get_logger("a").warning("object.refused", key="data/a", token="hunter22")
    written = log.getvalue()
    assert "object.refused" in written
    assert "key=data/a" in written
    assert "hunter22" not in written
    assert "\x1b[" not in written  # not a terminal
