"""Keep secrets that tools, models or providers repeat out of the database, events and logs."""

from __future__ import annotations

import contextlib
import json
import re
import threading
import typing as t
import weakref
from collections.abc import Iterable
from collections.abc import Iterator
from urllib.parse import quote
from urllib.parse import unquote
from urllib.parse import urlsplit

from ..app_state import AppState
from ..registry.secrets import Secret
from ..registry.specs import resolve

REDACTED: t.Final = "[secret]"
MIN_LENGTH: t.Final = 8
"""Shorter secrets would also match parts of ordinary words."""


class Redactor:
    """Replaces secrets, including their spellings in URLs and in JSON.

    :param secrets: those that are shorter than :data:`MIN_LENGTH` are ignored.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._spellings: frozenset[str] = frozenset()
        self._lock = threading.Lock()
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Also replace these *secrets* from now on."""
        long = {secret for secret in secrets if len(secret) >= MIN_LENGTH}
        new = {each for secret in long for each in _spellings(secret)}
        if new and new <= self._spellings:
            return
        with self._lock:
            self._spellings |= new
            longest_first = sorted(self._spellings, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")
            self._shortest = min(map(len, self._spellings), default=0)

    def __call__(self, text: str) -> str:
        """Return *text* without secrets."""
        return text if len(text) < self._shortest else self._pattern.sub(REDACTED, text)

    def value(self, value: t.Any) -> t.Any:
        """Return a JSON value without secrets in its strings."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, dict):
            return {self(key): self.value(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.value(item) for item in value]
        return value

    def partial_match_length(self, text: str) -> int:
        """Return how many characters at the end of *text* may be the start of a secret."""
        longest = max(map(len, self._spellings), default=0)
        for count in range(min(len(text), longest - 1), 0, -1):
            if any(secret.startswith(text[-count:]) for secret in self._spellings):
                return count
        return 0


def _spellings(secret: str) -> set[str]:
    """Return a secret as it is, as in JSON and as in URLs."""
    return {secret, json.dumps(secret)[1:-1], quote(secret, safe=""), unquote(secret)}


_lock = threading.RLock()  # re-entrant, since the garbage collector may log
_run_redactors: weakref.WeakSet[Redactor] = weakref.WeakSet()


def redactor(app_state: AppState) -> Redactor:
    """Return a redactor of the host's API keys and the passwords of its servers."""
    return Redactor(_secrets(app_state))


def run_redactor(app_state: AppState) -> Redactor:
    """Return a run's redactor.

    It is also applied to this process's logs for as long as it is referenced, for instance by a
    tool call that was given up.
    """
    redact = redactor(app_state)
    with _lock:
        _run_redactors.add(redact)
    return redact


def redact_process_logs(text: str) -> str:
    """Return *text* without the secrets of the runs of this process."""
    with _lock:
        redactors = tuple(_run_redactors)
    for redact in redactors:
        text = redact(text)
    return text


def _secrets(app_state: AppState) -> Iterator[str]:
    for spec in app_state.registry.llms.values():
        key = spec.api_key
        value = key.default if isinstance(key, Secret) else key
        if value is not None:
            with contextlib.suppress(Exception):  # the key of a model that is not configured
                yield resolve(value) or ""
    conf = app_state.celery.conf
    for url in (conf.broker_url, conf.result_backend):
        yield urlsplit(str(url or "")).password or ""
    yield app_state.database.engine.url.password or ""
