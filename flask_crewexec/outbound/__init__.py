"""Requests to addresses that users or models have given, kept out of the host's own networks.

::

    from flask_crewexec.outbound import outbound_client

    with outbound_client() as client:
        text = client.get(url).text

A name is resolved once for each request, every address that it has is checked, and the connection
goes to one of those: a DNS server that answers something else a moment later changes nothing. Each
redirect is a request of its own. The name stays in ``Host`` and is what TLS verifies.
"""

from __future__ import annotations

from .addresses import is_public as is_public
from .client import GuardedTransport as GuardedTransport
from .client import outbound_client as outbound_client
from .errors import AddressRefused as AddressRefused
from .errors import AnswerTooLarge as AnswerTooLarge
from .errors import AnswerTooSlow as AnswerTooSlow
from .errors import EncodingRefused as EncodingRefused
from .errors import OutboundError as OutboundError
