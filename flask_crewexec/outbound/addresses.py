"""Checks of addresses: public ones, and those that the host allows."""

from __future__ import annotations

import ipaddress
import socket
import threading
import typing as t
from collections.abc import Callable
from collections.abc import Iterable

import httpcore
import httpx

from .errors import AddressRefused
from .time_left import time_left
from .time_left import too_slow

Resolver = Callable[[str], Iterable[str]]
"""Takes a host name; returns all its addresses, or raises OSError if there are none."""

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_UNICAST: t.Final = ipaddress.ip_network("2000::/3")
"""The unicast addresses of IPv6 that are assigned; excludes mapped and local addresses."""
_SPECIAL: t.Final = tuple(
    map(
        ipaddress.ip_network,
        (
            "168.63.129.16/32",  # Azure's platform services, reachable inside Azure
            "192.0.0.0/24",
            "192.88.99.0/24",  # 6to4 relays
            "2001::/23",  # Teredo and other special uses
            "2002::/16",  # 6to4, which embeds an IPv4 address as NAT64 does
            "3fff::/20",
        ),
    )
)
"""Networks that Python considers global, or did in an earlier version."""


def find_addresses(name: str) -> list[str]:
    """Return all addresses of *name*, as the system resolves it."""
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return [str(info[4][0]) for info in found]


def check_url(url: httpx.URL) -> None:
    """Check a URL before its host is resolved.

    :raises AddressRefused: unless it is an http or https URL without credentials.
    """
    if url.scheme not in ("http", "https"):
        raise AddressRefused(f"The scheme '{url.scheme}' is not supported. Use http or https.")
    if url.userinfo:
        raise AddressRefused("The URL contains a user or password. Leave it out.")
    if not url.host:
        raise AddressRefused("The URL has no host. Write 'https://' and a host name.")


class Guard:
    """Resolves names, and checks their addresses.

    :param allow: networks that may be reached although they are not public.
    """

    def __init__(self, allow: list[_Network], resolve: Resolver) -> None:
        self._allow = allow
        self._resolve = resolve

    def addresses(self, host: str, deadline: float) -> list[str]:
        """Return all addresses of *host* in order of preference.

        :raises AddressRefused: if one of them is neither public nor allowed.
        """
        found = [
            ipaddress.ip_address(each) for each in _resolve_in_time(self._resolve, host, deadline)
        ]
        if not found:
            raise httpcore.ConnectError(f"'{host}' has no address.")
        if not all(map(self._may_reach, found)):
            raise AddressRefused(f"'{host}' is not on the public internet. Use a public address.")
        return [str(each) for each in dict.fromkeys(found)]

    def _may_reach(self, address: _Address) -> bool:
        return is_public(address) or any(address in network for network in self._allow)


def is_public(address: _Address) -> bool:
    """Return whether *address* is a unicast address of the public internet."""
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    if any(address in network for network in _SPECIAL):
        return False
    return address.version == 4 or address in _UNICAST


def _resolve_in_time(resolve: Resolver, host: str, deadline: float) -> list[str]:
    """Resolve a name in a thread of its own, because no system call for it takes a timeout."""
    found: list[str] = []
    failed: list[Exception] = []

    def work() -> None:
        try:
            found.extend(resolve(host))
        except Exception as error:  # noqa: BLE001  # raised in the calling thread
            failed.append(error)

    thread = threading.Thread(target=work, name="crewexec-resolve", daemon=True)
    thread.start()
    thread.join(time_left(deadline))
    if thread.is_alive():
        raise too_slow()
    if failed and isinstance(failed[0], OSError | UnicodeError):
        raise httpcore.ConnectError(f"'{host}' has no address.") from failed[0]
    if failed:
        raise failed[0]
    return found
