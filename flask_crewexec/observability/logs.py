"""Which execution a line of a log belongs to.

A worker's own log is taken care of (``CREWEXEC_LOG_FORMAT``). Add :class:`ContextFilter` to the
handlers that you configure yourself, in workers and web servers alike::

    handler.addFilter(ContextFilter())
    handler.setFormatter(JsonFormatter())  # or one of yours, with %(execution_id)s and so on
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import re
import typing as t

from celery import current_app
from celery import signals
from celery.utils.log import ColorFormatter

from ..app_state import current_app_state
from ..execution_context import execution_var
from .redaction import redact_process_logs
from .redaction import Redactor
from .redaction import redactor
from .request_id import current_request_id

FIELDS: t.Final = ("execution_id", "attempt", "user_id", "request_id")
"""What :class:`ContextFilter` adds to each record; None where nothing is known."""

_PLAIN: t.Final = re.compile(r"[\w.@:+/-]+", re.ASCII)
_STANDARD: t.Final = frozenset(
    {*vars(logging.makeLogRecord({})), "message", "asctime", "data", "crewexec"}
)


class ContextFilter(logging.Filter):
    """Lets every record pass and adds the execution, attempt, user and request it belongs to.

    The attributes are those of :data:`FIELDS`, and ``crewexec``: all that is known as one text
    that begins with a blank, or nothing.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        known = _log_context()
        for name in FIELDS:
            # What a caller passed as 'extra' stays.
            record.__dict__.setdefault(name, known.get(name))
        record.crewexec = _as_text(known)
        return True


class JsonFormatter(logging.Formatter):
    """One JSON object per line: time, level, logger, message, context, and every ``extra``."""

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
    """What another formatter writes, without the secrets of the host and of the current runs.

    :param formatter: the other one.
    :param redact: removes secrets from a text.
    """

    def __init__(self, formatter: logging.Formatter, redact: Redactor) -> None:
        super().__init__()
        self._formatter = formatter
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        return redact_process_logs(self._redact(self._formatter.format(record)))


def install_log_handlers() -> None:
    """Let workers write which execution each line of their log belongs to."""
    for signal in (signals.after_setup_logger, signals.after_setup_task_logger):
        signal.connect(_set_up, weak=False, dispatch_uid="crewexec")


def _set_up(logger: logging.Logger, format: str, colorize: bool, **options: object) -> None:
    """Complete the handlers that Celery has made; those of the host are the host's."""
    app = getattr(current_app, "flask_app", None)
    if app is None or "crewexec" not in app.extensions:
        return
    with app.app_context():
        app_state = current_app_state()
        redact = redactor(app_state)
    for handler in logger.handlers:
        made = handler.formatter
        if isinstance(made, ColorFormatter):
            handler.addFilter(ContextFilter())
            chosen = _select_formatter(app_state.settings.log_format, made, format, colorize)
            handler.setFormatter(RedactingFormatter(chosen, redact))


def _select_formatter(
    choice: str, made: ColorFormatter, format: str, colorize: bool
) -> logging.Formatter:
    """Return the formatter that the settings say, like the one that Celery *made*."""
    if choice == "plain":
        return t.cast(logging.Formatter, made)
    if choice == "json":
        return JsonFormatter()
    longer = t.cast(logging.Formatter, type(made)(f"{format}%(crewexec)s", use_color=colorize))
    longer.datefmt = made.datefmt  # Celery 5.6 has no argument for it
    return longer


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


def _as_text(known: dict[str, t.Any]) -> str:
    parts = (f"{name}={_quoted(str(known[name]))}" for name in FIELDS if known.get(name))
    text = " ".join(parts)
    return f" [{text}]" if text else ""


def _quoted(value: str) -> str:
    """Return *value* so that it cannot be taken for more than one."""
    return value if _PLAIN.fullmatch(value) else json.dumps(value)
