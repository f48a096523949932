"""URLs that users store, to which the host's workers send requests later."""

from __future__ import annotations

import ipaddress
import time
import typing as t
from collections.abc import Sequence

import httpcore
import httpx

from .addresses import check_url
from .addresses import find_addresses
from .addresses import Guard
from .addresses import Resolver
from .errors import AddressRefused
from .errors import AnswerTooSlow

_RESOLVE_SECONDS: t.Final = 3.0
"""How long a request that stores a URL waits for the addresses of its host."""
_NEEDS_TLS: t.Final = "The URL must begin with 'https://'."


def check_stored_url(
    url: str, allow: Sequence[str] = (), *, resolve: Resolver = find_addresses
) -> None:
    """Check a URL before it is stored; requests to it are checked again.

    A name that cannot be resolved now is accepted.

    :param allow: networks that may be reached, also without TLS, although they are not public.
    :raises AddressRefused: with what is wrong with it.
    """
    parsed = _parse(url)
    check_url(parsed)
    if parsed.fragment:
        raise AddressRefused("The URL contains a fragment. Leave out '#' and what follows.")
    guard = Guard(
        [ipaddress.ip_network(each) for each in allow],
        resolver_for(parsed.scheme, allow, resolve),
    )
    try:
        guard.addresses(parsed.host, time.monotonic() + _RESOLVE_SECONDS)
    except (httpcore.ConnectError, AnswerTooSlow):
        return


def _parse(url: str) -> httpx.URL:
    try:
        return httpx.URL(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise AddressRefused(f"This is no URL: {error}.") from error


def resolver_for(scheme: str, allow: Sequence[str], resolve: Resolver = find_addresses) -> Resolver:
    """Return a resolver which accepts only addresses in *allow* for URLs without TLS."""
    if scheme == "https":
        return resolve
    networks = [ipaddress.ip_network(each) for each in allow]

    def is_allowed(address: str) -> bool:
        return any(ipaddress.ip_address(address) in network for network in networks)

    def resolve_inside(host: str) -> list[str]:
        found = list(resolve(host)) if networks else []
        if not found or not all(map(is_allowed, found)):
            raise AddressRefused(_NEEDS_TLS)
        return found

    return resolve_inside
