"""An HTTP client for URLs given by users or models, which cannot reach the host's own networks.

::

    from flask_crewexec.outbound import outbound_client

    with outbound_client() as client:
        text = client.get(url).text

A host name is resolved once for each request, all its addresses are checked, and the connection is
made to one of these, so that a changed DNS answer (DNS rebinding) has no effect. Each redirect is
checked in the same way. The name is still sent in ``Host`` and verified by TLS.
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
