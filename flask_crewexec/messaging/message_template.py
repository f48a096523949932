"""The message that wakes a worker: made by Celery once, and filled in for every attempt.

To let Celery make each one takes longer than all else that is done to send it. Where somebody
wants to see or change every message, Celery makes and sends it nevertheless.
"""

from __future__ import annotations

import base64
import json
import types
import typing as t
import uuid

from celery import Celery
from celery import signals
from celery import Task
from kombu.connection import Connection
from kombu.messaging import Producer

from ..per_app import AppLocal

Event = dict[str, t.Any]

_TASK_ID: t.Final = "crewexec-draft-task"
_PARENT_ID: t.Final = "crewexec-draft-parent"
_EXECUTION_ID: t.Final = "crewexec-draft-execution"
_ATTEMPT: t.Final = 9_009_009_009
_SIGNALS: t.Final = (signals.before_task_publish, signals.after_task_publish, signals.task_sent)
_MAKERS: t.Final = (
    (Celery, "send_task", "celery.app.base"),
    (Task, "apply_async", "celery.app.task"),
    (Producer, "publish", "kombu.messaging"),
)
"""What is called for a message, and the module of the original."""


class MessageTemplate(t.NamedTuple):
    """A message with marks for all that differs."""

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
        envelope = envelope.replace(self.delivery_tag, str(uuid.uuid4()))
        return f'{{"body": "{base64.b64encode(body.encode()).decode()}", {envelope[1:]}'


class MessageTemplates:
    """The drafts of one application in this process, by priority."""

    def __init__(self) -> None:
        self._known: dict[int, MessageTemplate | None] = {}

    def get(self, task: Task, priority: int) -> MessageTemplate | None:
        """Return the draft for Celery's *priority*; None if Celery is to make each message."""
        if _is_instrumented(task):
            return None
        if priority not in self._known:
            self._known[priority] = _draft(task, priority)
        return self._known[priority]


message_templates: t.Final[AppLocal[MessageTemplates]] = AppLocal(lambda app: MessageTemplates())


def _is_instrumented(task: Task) -> bool:
    """Return whether somebody sees or changes messages."""
    celery = task.app
    return bool(
        any(signal.receivers for signal in _SIGNALS)
        or celery.conf.task_always_eager
        or celery.conf.task_send_sent_event
        or type(celery).send_task is not Celery.send_task
        or type(task).apply_async is not Task.apply_async
        or not all(_is_original(*maker) for maker in _MAKERS)
    )


def _is_original(kind: type, name: str, module: str) -> bool:
    """Return whether nobody, such as a monitoring agent, has put something else in its place."""
    found = vars(kind)[name]
    plain = isinstance(found, types.FunctionType) and not hasattr(found, "__wrapped__")
    return plain and found.__module__ == module


def _draft(task: Task, priority: int) -> MessageTemplate | None:
    """Let Celery make a message; None if it is none that texts can be put into."""
    # Only those who send something pay for kombu's transports.
    from .capturing_transport import CapturingTransport

    event = {"execution_id": _EXECUTION_ID, "attempt": _ATTEMPT}
    with Connection(transport=CapturingTransport) as connection:
        task.apply_async(
            (event,),
            task_id=_TASK_ID,
            root_id=_TASK_ID,
            parent_id=_PARENT_ID,
            add_to_parent=False,
            priority=priority,
            producer=connection.Producer(),
            retry=False,
            ignore_result=True,
        )
        message = connection.default_channel.last_message
    headers = message["headers"]
    if message["content-type"] != "application/json" or "compression" in headers:
        return None
    headers["parent_id"] = None  # whoever runs meanwhile has nothing to do with it
    if headers.get("expires") or headers.get("eta"):  # each message has a time of its own
        return None
    body = base64.b64decode(message.pop("body")).decode()
    return MessageTemplate(json.dumps(message), body, message["properties"]["delivery_tag"])
