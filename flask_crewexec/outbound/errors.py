"""Errors of requests that are sent through the outbound guard."""

from __future__ import annotations

from ..errors import CrewExecError


class OutboundError(CrewExecError):
    """The outbound guard stopped a request."""

    code = "outbound-refused"
    status = 502
    title = "Outbound request stopped"
    remedy = "Read 'detail'."


class AddressRefused(OutboundError):
    """The URL leads to an address that is not public."""

    code = "address-refused"
    status = 422
    title = "Address not allowed"
    remedy = "Use a public address; operators can allow others where the client is made."


class EncodingRefused(OutboundError):
    """The answer is compressed in a way whose size cannot be bounded."""

    code = "encoding-refused"
    title = "Encoding not supported"
    remedy = "Ask the server for gzip, deflate or no compression."


class AnswerTooLarge(OutboundError):
    """The answer is larger than allowed, possibly only after decompression."""

    code = "answer-too-large"
    title = "Answer too large"
    remedy = "Ask for less, or raise the limit where the client is made."


class AnswerTooSlow(OutboundError):
    """The answer did not arrive in time."""

    code = "answer-too-slow"
    status = 504
    title = "Answer too slow"
    remedy = "Try again later, or raise the time limit where the client is made."
