"""Signals of Blinker, one for each type of notification, for tests and other extensions."""

from __future__ import annotations

import typing as t

from blinker import Namespace

from ..schemas.notifications import NOTIFICATION_TYPES

signals: t.Final = Namespace()
"""``signals["execution.completed"]``, and so on.

They are sent on a worker, in an application context, with the application as the sender and the
:class:`~flask_crewexec.Notification` as ``notification``. A signal is sent again if a receiver
raises an exception. Nothing is stored for signals without receivers.
"""
for _type, _meaning in NOTIFICATION_TYPES.items():
    signals.signal(_type, _meaning)
