"""Networks in settings, such as ``10.20.0.0/16``."""

from __future__ import annotations

import ipaddress
import typing as t

from ..errors import ConfigError


def check_networks(key: str, value: t.Any) -> None:
    """Check a sequence of networks.

    :raises ConfigError: if it is none.
    """
    if not isinstance(value, list | tuple):
        raise ConfigError(f"'{key}' must be a list of networks; it is {value!r}.")
    for network in value:
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            raise ConfigError(f"'{key}' must be a list of networks: {error}.") from error
