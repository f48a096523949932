"""Add the execution, attempt, user and request to log records.

The log of a worker is configured by ``CREWEXEC_LOG_FORMAT``. Add :class:`ContextFilter` to the
handlers that you configure yourself, in workers and in web servers::

    from flask_crewexec.observability import ContextFilter, JsonFormatter

    handler.addFilter(ContextFilter())
    handler.setFormatter(JsonFormatter())  # or your own, with %(execution_id)s and so on
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import re
import typing as t
from collections.abc import Mapping
from collections.abc import Sequence

from celery import current_app
from celery import signals
from celery.utils.log import ColorFormatter
from celery.utils.log import get_multiprocessing_logger
from flask import Flask

from ..app_state import current_app_state
from ..execution_context import execution_var
from .redaction import redact_process_logs
from .redaction import Redactor
from .redaction import redactor
from .request_id import current_request_id

FIELDS: t.Final = ("execution_id", "attempt", "user_id", "request_id")
"""What :class:`ContextFilter` adds to each record; None if it is unknown."""

_PLAIN: t.Final = re.compile(r"[\w.@:+/-]+", re.ASCII)
_STANDARD: t.Final = frozenset(
    {*vars(logging.makeLogRecord({})), "message", "asctime", "data", "crewexec"}
)


class ContextFilter(logging.Filter):
    """Adds the execution, attempt, user and request to every record; rejects none.

    The attributes are those of :data:`.FIELDS` and ``crewexec``, which combines those that are
    known in one string with a leading blank, or is empty.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        context = _log_context()
        for name in FIELDS:
            # Attributes that a caller passed as 'extra' are kept.
            record.__dict__.setdefault(name, context.get(name))
        record.crewexec = _as_text(vars(record))
        return True


class JsonFormatter(logging.Formatter):
    """Writes one JSON object per line: time, level, logger, message, context and ``extra``."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, t.Any] = {
            "time": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
        }
        for name, value in vars(record).items():
            if name not in _STANDARD and value is not None:
                line.setdefault(name, value)
        if text := self._traceback(record):
            line["exception"] = text
        return json.dumps(line, default=str)

    def _traceback(self, record: logging.LogRecord) -> str:
        raised = self.formatException(record.exc_info) if record.exc_info else record.exc_text
        stack = self.formatStack(record.stack_info) if record.stack_info else None
        return "\n".join(part for part in (raised, stack) if part)


class RedactingFormatter(logging.Formatter):
    """Removes the secrets of the host and of the current runs from the output of a formatter.

    :param formatter: the other formatter.
    :param redact: removes the secrets of the host.
    """

    def __init__(self, formatter: logging.Formatter, redact: Redactor) -> None:
        super().__init__()
        self._formatter = formatter
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        return redact_process_logs(self._redact(self._formatter.format(record)))


def log_json_early(app: Flask) -> None:
    """Write JSON, if ``CREWEXEC_LOG_FORMAT`` says so, until Celery configures the log.

    Workers log some lines before that, and the parent of several workers runs without Celery's log.
    What the host has configured is kept.
    """
    root = logging.getLogger()
    with app.app_context():
        app_state = current_app_state()
        redact = redactor(app_state)
    if app_state.settings.log_format != "json" or root.handlers:
        return
    handler = logging.StreamHandler()
    handler.addFilter(ContextFilter())
    handler.setFormatter(RedactingFormatter(JsonFormatter(), redact))
    root.addHandler(handler)
    logging.captureWarnings(True)


def install_log_handlers() -> None:
    """Let workers add the execution to each line of their log."""
    for signal in (signals.after_setup_logger, signals.after_setup_task_logger):
        signal.connect(_set_up, weak=False, dispatch_uid="crewexec")
    signals.celeryd_init.connect(_log_warnings_early, weak=False, dispatch_uid="crewexec")


def _log_warnings_early(instance: t.Any, **options: object) -> None:
    """Let the warnings that Celery gives before it configures the log be JSON, too."""
    app = getattr(instance.app, "flask_app", None)
    if app is not None and "crewexec" in app.extensions:
        log_json_early(app)


def _set_up(logger: logging.Logger, format: str, colorize: bool, **options: object) -> None:
    """Configure the handlers that Celery has created; leave those of the host alone."""
    app = getattr(current_app, "flask_app", None)
    if app is None or "crewexec" not in app.extensions:
        return
    with app.app_context():
        app_state = current_app_state()
        redact = redactor(app_state)
    for handler in (*logger.handlers, *_handlers_of_pool()):
        original = handler.formatter
        if isinstance(original, ColorFormatter):
            handler.addFilter(ContextFilter())
            selected = _select_formatter(app_state.settings.log_format, original, format, colorize)
            handler.setFormatter(RedactingFormatter(selected, redact))


def _handlers_of_pool() -> Sequence[logging.Handler]:
    """Return the handlers of billiard, whose records do not reach the root logger."""
    pool_logger: logging.Logger | None = get_multiprocessing_logger()
    return pool_logger.handlers if pool_logger else []


def _select_formatter(
    log_format: str, original: ColorFormatter, format: str, colorize: bool
) -> logging.Formatter:
    """Return the formatter that ``CREWEXEC_LOG_FORMAT`` selects, based on Celery's *original*."""
    if log_format == "plain":
        return t.cast(logging.Formatter, original)
    if log_format == "json":
        return JsonFormatter()
    extended = t.cast(
        logging.Formatter, type(original)(f"{format}%(crewexec)s", use_color=colorize)
    )
    extended.datefmt = original.datefmt  # Celery 5.6 has no argument for it
    return extended


def _log_context() -> dict[str, t.Any]:
    execution = execution_var.get(None)
    if execution is None:
        return {"request_id": current_request_id()}
    return {
        "execution_id": str(execution.id),
        "attempt": execution.attempt,
        "user_id": execution.user_id,
        "request_id": execution.request_id,
    }


def _as_text(context: Mapping[str, t.Any]) -> str:
    parts = (f"{name}={_quoted(str(context[name]))}" for name in FIELDS if context.get(name))
    text = " ".join(parts)
    return f" [{text}]" if text else ""


def _quoted(value: str) -> str:
    """Return *value*, in quotes if it could be read as several fields."""
    return value if _PLAIN.fullmatch(value) else json.dumps(value)
