"""Logging of node and workers: one stream on standard error, as text or as JSON lines.

Everything of ours logs by the standard library's `logging`; what Twisted says is led there.
"""

import json
import logging
import sys
import time
from typing import Any, TextIO

LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


class TextFormatter(logging.Formatter):
    """``2026-11-21 03:40:15.123 warning dns_node.kv: …``, UTC; a traceback follows indented."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, or lines, of one record."""
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(record.created))
        head = f"{at}.{int(record.msecs):03d} {record.levelname.lower()} {record.name}: "
        text = head + one_line(record.getMessage())
        if record.exc_info:
            trace = self.formatException(record.exc_info)
            text += "".join("\n    " + line for line in trace.splitlines())
        return text


class JsonFormatter(logging.Formatter):
    """One JSON object per record: time (Unix, s), level, log, message, process, error."""

    def __init__(self, process: str):
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of one record."""
        item: dict[str, Any] = {
            "time": round(record.created, 3),
            "level": record.levelname.lower(),
            "process": self._process,
            "log": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            item["error"] = self.formatException(record.exc_info)
        return json.dumps(item)


class _LossyHandler(logging.StreamHandler[TextIO]):
    """A full or closed standard error must not end the process, nor fill it with tracebacks."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        return


def one_line(text: str) -> str:
    """Return *text* with line ends escaped: nobody's record may forge a log line."""
    return text.replace("\r", "\\r").replace("\n", "\\n")


def begin_logging(level: str, log_format: str, process: str, stream: TextIO | None = None) -> None:
    """Send all logging of this process to *stream* (standard error).

    *level* is one of LEVELS, *log_format* ``text`` or ``json``, *process* such as ``node`` or
    ``worker 1``.  May be called again.
    """
    handler = _LossyHandler(stream or sys.stderr)
    if log_format == "json":
        handler.setFormatter(JsonFormatter(process))
    else:
        handler.setFormatter(TextFormatter())
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    set_level(level)
    logging.captureWarnings(True)


def set_level(level: str) -> None:
    """Change what is logged."""
    logging.getLogger().setLevel(LEVELS[level])
    # The core's chatter about each connection is for those who look for its faults.
    # And Twisted's about each port.
    for library in ("pysyncobj", "twisted"):
        logging.getLogger(library).setLevel(max(LEVELS[level], logging.WARNING))


_has_twisted = False


def lead_twisted() -> None:
    """Lead what Twisted logs to `logging`, under the name ``twisted``, from info up.

    Unhandled errors in Deferreds come as errors with their traceback.  Imports Twisted.
    """
    global _has_twisted
    if _has_twisted:
        return
    _has_twisted = True
    from twisted.logger import globalLogBeginner

    # redirectStandardIO would turn every print into a log record; the console prints.
    observers: Any = [_observe]
    globalLogBeginner.beginLoggingTo(observers, discardBuffer=True, redirectStandardIO=False)


def _observe(event: dict[str, Any]) -> None:
    from twisted.logger import formatEvent

    # Twisted's names: debug, info, warn, error, critical.
    name = getattr(event.get("log_level"), "name", "info")
    level = LEVELS.get({"warn": "warning"}.get(name, name), logging.ERROR)
    namespace = str(event.get("log_namespace") or "twisted")
    is_known = namespace.startswith(("twisted", "dns_node"))
    name = namespace if is_known else f"twisted.{namespace}"
    logger = logging.getLogger(name)
    if not logger.isEnabledFor(level):
        return
    failure = event.get("log_failure")
    error = None
    if failure is not None:
        error = (failure.type, failure.value, failure.getTracebackObject())
    logger.log(level, "%s", formatEvent(event), exc_info=error)
