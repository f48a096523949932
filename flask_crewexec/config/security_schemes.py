"""How users sign in, in the words of OpenAPI's security schemes."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Mapping

from ..errors import ConfigError

SecuritySchemes = Mapping[str, Mapping[str, t.Any]]
"""By name: ``{"type": "http", "scheme": "bearer"}``, or another Security Scheme Object."""

_NEEDED: t.Final[Mapping[str, frozenset[str]]] = {
    "http": frozenset({"scheme"}),
    "apiKey": frozenset({"in", "name"}),
    "oauth2": frozenset({"flows"}),
    "openIdConnect": frozenset({"openIdConnectUrl"}),
    "mutualTLS": frozenset(),
}
"""The fields that each type needs."""
_TOKEN: t.Final = r"[A-Za-z0-9._-]+"


def check_security_schemes(key: str, schemes: object) -> None:
    """Check the security schemes of the setting *key*.

    :raises ConfigError: if they have another form.
    """
    if not isinstance(schemes, Mapping) or not all(map(_is_scheme, schemes.items())):
        raise ConfigError(
            f"'{key}' must map names to security schemes of OpenAPI, such as"
            " {'bearer': {'type': 'http', 'scheme': 'bearer'}}; it is " + f"{schemes!r}."
        )


def _is_scheme(item: tuple[object, object]) -> bool:
    name, scheme = item
    if not isinstance(name, str) or not re.fullmatch(_TOKEN, name):
        return False
    if not isinstance(scheme, Mapping) or str(scheme.get("type")) not in _NEEDED:
        return False
    is_http = scheme["type"] == "http"
    if is_http and not re.fullmatch(_TOKEN, str(scheme.get("scheme", ""))):
        return False
    return _NEEDED[str(scheme["type"])] <= scheme.keys()


def challenges(schemes: SecuritySchemes) -> list[str]:
    """Return the challenges of ``WWW-Authenticate``: those of the type ``http`` (RFC 9110)."""
    names = (scheme["scheme"] for scheme in schemes.values() if scheme["type"] == "http")
    return [f'{name[:1].upper()}{name[1:]} realm="crewexec"' for name in names]
