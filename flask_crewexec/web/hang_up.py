"""Whether the client of a request has hung up, which WSGI does not say.

Otherwise a stream without events would keep its thread until the second heartbeat fails.
"""

from __future__ import annotations

import _socket
import socket
import typing as t
from collections.abc import Callable

from flask import request

_SOCKETS: t.Final = ("gunicorn.socket", "werkzeug.socket")
"""Names under which web servers pass on the connection of a request."""


def hang_up_check() -> Callable[[], bool]:
    """Return a function that returns whether the client of the current request has hung up.

    With other web servers than gunicorn and Werkzeug's it always returns False.
    """
    found = (request.environ.get(name) for name in _SOCKETS)
    connection = next((each for each in found if each is not None), None)
    return lambda: connection is not None and _is_closed(connection)


def _is_closed(connection: socket.socket) -> bool:
    if (descriptor := connection.fileno()) < 0:
        return True
    raw = _socket.socket(fileno=descriptor)  # that of gevent would wait
    try:
        return raw.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        raw.detach()
