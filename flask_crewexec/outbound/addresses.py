"""Which addresses may be reached: those of the public internet, and what the host allows."""

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
"""From a name to all its addresses; raises OSError if it has none."""

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_UNICAST: t.Final = ipaddress.ip_network("2000::/3")
"""All of IPv6 that is handed out; mapped and local addresses are outside of it."""
_NEVER: t.Final = tuple(
    map(
        ipaddress.ip_network,
        (
            "168.63.129.16/32",  # Azure's own services, seen from inside of it
            "192.0.0.0/24",
            "192.88.99.0/24",  # 6to4 relays
            "2001::/23",  # Teredo and the like
            "2002::/16",  # 6to4: with an IPv4 address inside, as NAT64 has
            "3fff::/20",
        ),
    )
)
"""What Python takes for global, or did in an earlier version."""


def find_addresses(name: str) -> list[str]:
    """Return all addresses of *name*, as the system knows them."""
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return [str(info[4][0]) for info in found]


def check_url(url: httpx.URL) -> None:
    """Check what can be seen from a URL itself.

    :raises AddressRefused: if it is no plain one of http or https.
    """
    if url.scheme not in ("http", "https"):
        raise AddressRefused(f"'{url.scheme}' is no scheme to fetch from. Use http or https.")
    if url.userinfo:
        raise AddressRefused("The URL holds a user or a password. Leave them out.")
    if not url.host:
        raise AddressRefused("The URL names no host. Write 'https://' and a name.")


class Guard:
    """Says to which addresses a name may lead.

    :param allow: networks that are not public.
    """

    def __init__(self, allow: list[_Network], resolve: Resolver) -> None:
        self._allow = allow
        self._resolve = resolve

    def addresses(self, host: str, ends: float) -> list[str]:
        """Return all addresses of *host* in the order of preference.

        :raises AddressRefused: if one of them is not public, and not allowed.
        """
        found = [ipaddress.ip_address(each) for each in _in_time(self._resolve, host, ends)]
        if not found:
            raise httpcore.ConnectError(f"'{host}' has no address.")
        if not all(map(self._may_reach, found)):
            raise AddressRefused(f"'{host}' is not on the public internet. Use a public address.")
        return [str(each) for each in dict.fromkeys(found)]

    def _may_reach(self, address: _Address) -> bool:
        return is_public(address) or any(address in network for network in self._allow)


def is_public(address: _Address) -> bool:
    """Return whether *address* belongs to one machine of the public internet."""
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    if any(address in network for network in _NEVER):
        return False
    return address.version == 4 or address in _UNICAST


def _in_time(resolve: Resolver, host: str, ends: float) -> list[str]:
    """Resolve a name in a thread of its own, since no system call takes a time-out for it."""
    found: list[str] = []
    failed: list[Exception] = []

    def work() -> None:
        try:
            found.extend(resolve(host))
        except Exception as error:  # noqa: BLE001  # raised below
            failed.append(error)

    thread = threading.Thread(target=work, name="crewexec-resolve", daemon=True)
    thread.start()
    thread.join(time_left(ends))
    if thread.is_alive():
        raise too_slow()
    if failed and isinstance(failed[0], OSError | UnicodeError):
        raise httpcore.ConnectError(f"'{host}' has no address.") from failed[0]
    if failed:
        raise failed[0]
    return found
