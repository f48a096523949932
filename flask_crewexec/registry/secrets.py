"""References to secrets, which the host's provider resolves for the user of each run.

Only the reference is stored. Each value that is resolved is passed to the run's redactor.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Callable
from collections.abc import Iterable
from contextvars import ContextVar

from flask import current_app

from ..errors import SecretMissing
from ..errors import SecretProviderUnavailable
from ..errors import UserMissing

SecretProvider = Callable[[str, str], str | None]
"""Takes the name of a secret and the id of a user; returns the value or None."""

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Secret:
    """A reference to a secret, which the host's provider resolves in each run."""

    name: str
    default: str | Callable[[], str] | None = dataclasses.field(default=None, repr=False)
    """Value for users who have none; a function is called in an application context."""
    template: str = "{}"
    """Format of the value, such as ``"Bearer {}"``."""


class SecretResolver:
    """Resolves the secrets of one run.

    :param providers: the host's provider, or none.
    :param on_revealed: called with each secret before it is used.
    """

    def __init__(
        self,
        providers: Iterable[SecretProvider],
        user_id: str,
        on_revealed: Callable[[Iterable[str]], None],
    ) -> None:
        self._providers = tuple(providers)
        self._user_id = user_id
        self._on_revealed = on_revealed
        self._known: dict[str, str | None] = {}

    def resolve(self, key: str | Callable[[], str] | Secret, *, secret: bool = False) -> str:
        """Return the value of *key*. What a function returns is treated as a secret.

        :param secret: treat plain text as a secret, too.
        :raises SecretMissing: if neither the user nor the host has the secret.
        :raises SecretProviderUnavailable: if the provider fails.
        """
        if isinstance(key, Secret):
            return key.template.replace("{}", self._reveal(key))
        value = key() if callable(key) else key
        if secret or callable(key):
            self._on_revealed((value or "").split()[-1:])  # without a scheme such as "Bearer"
        return value

    def _reveal(self, secret: Secret) -> str:
        value = self._value_of(secret.name) or _default_of(secret)
        if not value:
            raise SecretMissing(f"There is no secret '{secret.name}' for this user.")
        self._on_revealed([value])
        return value

    def _value_of(self, name: str) -> str | None:
        if name not in self._known:
            self._known[name] = self._ask_provider(name)
        return self._known[name]

    def _ask_provider(self, name: str) -> str | None:
        app = current_app._get_current_object()  # type: ignore[attr-defined]
        try:
            for provider in self._providers:
                with app.app_context():  # leaving it returns the database connection
                    return provider(name, self._user_id)
        except UserMissing:
            raise
        except Exception as error:
            raise SecretProviderUnavailable(
                f"The provider could not resolve the secret '{name}'."
            ) from error
        return None


def _default_of(secret: Secret) -> str | None:
    if not callable(secret.default):
        return secret.default
    with contextlib.suppress(LookupError):  # such as an environment variable that is not set
        return secret.default()
    return None


current_secrets: ContextVar[SecretResolver] = ContextVar("crewexec_secrets")
