"""Secrets of webhooks, and signatures with them as Standard Webhooks defines.

A secret is derived from the host's ``SECRET_KEY``, the webhook's id and the version of the secret.
None is stored, so none can be read from a database or its backups.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import importlib.util
import typing as t
import uuid
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping

from flask import current_app

from ..errors import ConfigError

PREFIX: t.Final = "whsec_"
_PURPOSE: t.Final = b"flask-crewexec webhook"
"""Tells these secrets from others that are derived from the same key."""

Headers = dict[str, str]


def check_signing(config: Mapping[str, t.Any]) -> None:
    """Check that webhooks can be signed.

    :raises ConfigError: if the host has no ``SECRET_KEY``, or a package is missing.
    """
    if not config.get("SECRET_KEY"):
        raise ConfigError(
            "'CREWEXEC_WEBHOOKS' needs 'SECRET_KEY', from which the secrets of webhooks are"
            " derived. Set it before 'init_app', to the same long random value in all processes."
        )
    if importlib.util.find_spec("standardwebhooks") is None:
        raise ConfigError(
            "'CREWEXEC_WEBHOOKS' needs the package standardwebhooks. Install the extra 'webhooks':"
            " pip install 'Flask-CrewExec[webhooks]'."
        )


def secret_of(webhook_id: uuid.UUID, version: int) -> str:
    """Return a secret of a webhook, with which its owner verifies signatures."""
    return _derive(next(_keys()), webhook_id, version)


def sign(
    webhook_id: uuid.UUID, versions: Iterable[int], message_id: str, moment: dt.datetime, body: str
) -> Headers:
    """Return the headers of a message, with a signature for each secret that is valid.

    Those derived from the keys in ``SECRET_KEY_FALLBACKS`` sign, too.

    :param versions: versions of the webhook's secret.
    :param moment: when it is sent; receivers refuse old messages.
    """
    from standardwebhooks import Webhook  # it is an extra

    secrets = (_derive(key, webhook_id, version) for version in versions for key in _keys())
    signatures = (Webhook(secret).sign(message_id, moment, body) for secret in secrets)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _keys() -> Iterator[bytes]:
    """Yield the host's keys, the current one first."""
    for key in (current_app.secret_key, *(current_app.config["SECRET_KEY_FALLBACKS"] or ())):
        yield key.encode() if isinstance(key, str) else key or b""


def _derive(key: bytes, webhook_id: uuid.UUID, version: int) -> str:
    """Return a secret of 256 bits, as HKDF derives it (RFC 5869)."""
    extracted = hmac.digest(_PURPOSE, key, hashlib.sha256)
    about = webhook_id.bytes + version.to_bytes(4, "big") + b"\x01"
    return PREFIX + base64.b64encode(hmac.digest(extracted, about, hashlib.sha256)).decode()
