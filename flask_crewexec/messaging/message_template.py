"""The message of an attempt, made by Celery once as a template and rendered for every attempt.

Letting Celery make each message takes longer than the rest of publishing it. Where signals or
instrumentation need to see every message, Celery makes and sends each one nevertheless.
"""

from __future__ import annotations

import base64
import json
import types
import typing as t

from celery import Celery
from celery import signals
from celery import Task
from kombu.connection import Connection
from kombu.messaging import Producer

from ..ids import unique_id
from ..per_app import AppLocal
from .queues import celery_priority
from .queues import execution_queue
from .queues import list_name

Event = dict[str, t.Any]

_TASK_ID: t.Final = "crewexec-template-task"
_PARENT_ID: t.Final = "crewexec-template-parent"
_EXECUTION_ID: t.Final = "crewexec-template-execution"
_ATTEMPT: t.Final = 9_009_009_009
_SIGNALS: t.Final = (signals.before_task_publish, signals.after_task_publish, signals.task_sent)
_ORIGINALS: t.Final = (
    (Celery, "send_task", "celery.app.base"),
    (Task, "apply_async", "celery.app.task"),
    (Producer, "publish", "kombu.messaging"),
)
"""The methods that make and send a message, and the module that defines each."""


class MessageTemplate(t.NamedTuple):
    """A message with placeholders for everything that differs between attempts."""

    list_name: str
    """The Redis list for messages of its queue and priority."""
    envelope: str
    body: str
    delivery_tag: str

    def render(self, task_id: str, event: Event) -> str:
        """Return the message for an attempt, as the transport stores it."""
        values = (event["execution_id"], str(event["attempt"]))
        envelope, body = (
            text.replace(_EXECUTION_ID, values[0]).replace(str(_ATTEMPT), values[1])
            for text in (self.envelope, self.body)
        )
        envelope = envelope.replace(_TASK_ID, task_id)
        envelope = envelope.replace(self.delivery_tag, str(unique_id()))
        return f'{{"body": "{base64.b64encode(body.encode()).decode()}", {envelope[1:]}'


class MessageTemplates:
    """The templates of one application in this process, by priority."""

    def __init__(self) -> None:
        self._known: dict[int, MessageTemplate | None] = {}

    def get(self, task: Task, priority: int) -> MessageTemplate | None:
        """Return the template for a *priority*; None if Celery is to make each message."""
        if _is_instrumented(task):
            return None
        if priority not in self._known:
            self._known[priority] = _make_template(task, priority)
        return self._known[priority]


message_templates: t.Final[AppLocal[MessageTemplates]] = AppLocal(lambda app: MessageTemplates())


def _is_instrumented(task: Task) -> bool:
    """Return whether something observes or changes each message."""
    celery = task.app
    return bool(
        any(signal.receivers for signal in _SIGNALS)
        or type(celery).send_task is not Celery.send_task
        or type(task).apply_async is not Task.apply_async
        or not all(_is_original(*original) for original in _ORIGINALS)
    )


def _is_original(kind: type, name: str, module: str) -> bool:
    """Return whether a method has not been replaced, for instance by a monitoring agent."""
    method = vars(kind)[name]
    plain = isinstance(method, types.FunctionType) and not hasattr(method, "__wrapped__")
    return plain and method.__module__ == module


def _make_template(task: Task, priority: int) -> MessageTemplate | None:
    """Let Celery make a message; return None if values cannot be filled in as text."""
    # Importing kombu's virtual transport is left to processes that publish.
    from .capturing_transport import CapturingTransport

    event = {"execution_id": _EXECUTION_ID, "attempt": _ATTEMPT}
    with Connection(transport=CapturingTransport) as connection:
        task.apply_async(
            (event,),
            task_id=_TASK_ID,
            root_id=_TASK_ID,
            parent_id=_PARENT_ID,
            add_to_parent=False,
            priority=celery_priority(priority),
            producer=connection.Producer(),
            retry=False,
            ignore_result=True,
        )
        message = connection.default_channel.last_message
    headers, settings = message["headers"], task.app.conf
    if message["content-type"] != "application/json" or "compression" in headers:
        return None
    if settings.task_send_sent_event:
        return None
    headers["parent_id"] = None  # the task that runs at the moment is unrelated
    if headers.get("expires") or headers.get("eta"):  # these times differ between messages
        return None
    body = base64.b64decode(message.pop("body")).decode()
    if _TASK_ID in body:  # Celery's first protocol keeps everything there
        return None
    name = list_name(task.app, execution_queue(task.app), priority)
    return MessageTemplate(name, json.dumps(message), body, message["properties"]["delivery_tag"])
