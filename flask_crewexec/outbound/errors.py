"""Why a request to the outside was stopped."""

from __future__ import annotations

from ..errors import CrewExecError


class OutboundError(CrewExecError):
    """A request to the outside was stopped by its guard."""

    code = "outbound-refused"
    status = 502
    title = "The address cannot be used"


class AddressRefused(OutboundError):
    """The URL leads to where nobody from outside may send the host."""

    code = "address-refused"
    status = 422


class EncodingRefused(OutboundError):
    """The answer is compressed in a way whose size cannot be bounded."""

    code = "encoding-refused"


class AnswerTooLarge(OutboundError):
    """The answer is longer than allowed, perhaps only once it is decompressed."""

    code = "answer-too-large"


class AnswerTooSlow(OutboundError):
    """The answer did not arrive in time."""

    code = "answer-too-slow"
    status = 504
