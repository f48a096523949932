"""Keys by reference: what the host names is asked for when a run needs it, for the run's user.

Nothing but the reference is kept; whoever asks for a value tells it to the run's redactor.
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

SecretProvider = Callable[[str, str], str | None]
"""Takes the name of a secret and the id of a user; returns the value or None."""

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Secret:
    """A reference to a secret, which the host's provider is asked for in each run."""

    name: str
    default: str | Callable[[], str] | None = dataclasses.field(default=None, repr=False)
    """The host's own, for users who have none; a function is called in an application context."""
    template: str = "{}"
    """What becomes of the value, such as ``"Bearer {}"``."""


class SecretResolver:
    """The secrets of one run.

    :param providers: the host's, at most one.
    :param learn: is told every secret before it is used.
    """

    def __init__(
        self,
        providers: Iterable[SecretProvider],
        user_id: str,
        learn: Callable[[Iterable[str]], None],
    ) -> None:
        self._providers = tuple(providers)
        self._user_id = user_id
        self._learn = learn
        self._known: dict[str, str | None] = {}

    def resolve(self, key: str | Callable[[], str] | Secret, *, secret: bool = False) -> str:
        """Return what *key* stands for; a function is taken for one that returns a secret.

        :param secret: whether plain text is one, too.
        :raises MissingKey: if neither the user nor the host has the secret.
        :raises KeysUnavailable: if the provider fails.
        """
        if isinstance(key, Secret):
            return key.template.replace("{}", self._find(key))
        value = key() if callable(key) else key
        if secret or callable(key):
            self._learn((value or "").split()[-1:])  # behind a word such as "Bearer"
        return value

    def _find(self, secret: Secret) -> str:
        value = self._ask(secret.name) or _of_host(secret)
        if not value:
            raise SecretMissing(f"There is no key '{secret.name}' for this user.")
        self._learn([value])
        return value

    def _ask(self, name: str) -> str | None:
        if name not in self._known:
            self._known[name] = self._provide(name)
        return self._known[name]

    def _provide(self, name: str) -> str | None:
        app = current_app._get_current_object()  # type: ignore[attr-defined]
        try:
            for provider in self._providers:
                with app.app_context():  # its end gives a database connection back
                    return provider(name, self._user_id)
        except Exception as error:
            raise SecretProviderUnavailable(f"The key '{name}' could not be asked for.") from error
        return None


def _of_host(secret: Secret) -> str | None:
    if not callable(secret.default):
        return secret.default
    with contextlib.suppress(LookupError):  # such as a variable that is not set
        return secret.default()
    return None


current_secrets: ContextVar[SecretResolver] = ContextVar("crewexec_key_ring")
