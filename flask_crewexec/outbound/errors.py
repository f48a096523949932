"""Errors of outbound requests."""

from __future__ import annotations

from ..errors import CrewExecError


class OutboundError(CrewExecError):
    """An outbound request was refused or stopped."""

    code = "outbound-refused"
    status = 502
    title = "The outbound request was refused"


class AddressRefused(OutboundError):
    """The URL is invalid, or its host is not on the public internet."""

    code = "address-refused"
    status = 422


class EncodingRefused(OutboundError):
    """The response uses a compression whose size cannot be limited."""

    code = "encoding-refused"


class ResponseTooLarge(OutboundError):
    """The response is larger than allowed, before or after decompression."""

    code = "response-too-large"


class ResponseTooSlow(OutboundError):
    """The response did not arrive in time."""

    code = "response-too-slow"
    status = 504
