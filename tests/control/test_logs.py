"""Logging: text and JSON lines, and what Twisted says."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from dns_node.logs import begin_logging, set_level


@pytest.fixture(autouse=True)
def root() -> Iterator[None]:
    """Put the root logger back as it was."""
    logger = logging.getLogger()
    handlers, level = list(logger.handlers), logger.level
    yield
    logger.handlers[:] = handlers
    logger.setLevel(level)
    logging.captureWarnings(False)


def test_text_lines_hold_one_record_each_whatever_is_in_it() -> None:
    out = io.StringIO()
    begin_logging("info", "text", "node", out)
    logging.getLogger("dns_node.x").info("a\nforged line")
    logging.getLogger("dns_node.x").debug("not shown")
    [line] = out.getvalue().splitlines()
    assert line.endswith("info dns_node.x: a\\nforged line")


def test_json_lines_name_the_process_and_hold_the_traceback() -> None:
    out = io.StringIO()
    begin_logging("debug", "json", "worker 1", out)
    try:
        raise ValueError("why")
    except ValueError:
        logging.getLogger("dns_node.x").exception("it failed")
    item = json.loads(out.getvalue())
    assert (item["process"], item["level"], item["log"]) == ("worker 1", "error", "dns_node.x")
    assert "ValueError: why" in item["error"]


def test_the_level_can_be_changed_and_a_closed_stream_is_no_fault() -> None:
    out = io.StringIO()
    begin_logging("error", "text", "node", out)
    logging.getLogger("a").info("no")
    set_level("info")
    logging.getLogger("a").info("yes")
    assert out.getvalue().count("\n") == 1
    out.close()
    logging.getLogger("a").error("nobody reads")


def test_what_twisted_says_is_led_to_logging() -> None:
    from twisted.logger import LogLevel

    from dns_node import logs

    out = io.StringIO()
    begin_logging("info", "text", "node", out)
    logs._observe({"log_format": "hello {who}", "who": "you", "log_level": LogLevel.warn,
                   "log_namespace": "somewhere"})  # fmt: skip
    assert "warning twisted.somewhere: hello you" in out.getvalue()
