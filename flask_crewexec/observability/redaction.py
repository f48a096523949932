"""Keep secrets out of rows, news and logs: tools, models and providers may repeat them."""

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
LEAST_LENGTH: t.Final = 8
"""What is shorter would be found in ordinary words, too."""


class Redactor:
    """Replaces secrets, also where they are written as in URLs or in JSON.

    :param secrets: those that are too short are ignored.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._spellings: frozenset[str] = frozenset()
        self._lock = threading.Lock()
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Replace these *secrets*, too, from now on."""
        long = {secret for secret in secrets if len(secret) >= LEAST_LENGTH}
        new = {each for secret in long for each in _spellings(secret)}
        if new and new <= self._spellings:
            return
        with self._lock:
            self._spellings |= new
            longest_first = sorted(self._spellings, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")

    def __call__(self, text: str) -> str:
        """Return *text* without secrets."""
        return self._pattern.sub(REDACTED, text)

    def value(self, value: t.Any) -> t.Any:
        """Return plain JSON without secrets in its texts."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, dict):
            return {self(key): self.value(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.value(item) for item in value]
        return value

    def partial_match_length(self, text: str) -> int:
        """Return how many characters at the end of *text* may be the beginning of a secret."""
        longest = max(map(len, self._spellings), default=0)
        for count in range(min(len(text), longest - 1), 0, -1):
            if any(secret.startswith(text[-count:]) for secret in self._spellings):
                return count
        return 0


def _spellings(secret: str) -> set[str]:
    """Return a secret as it is, as in JSON, and as in URLs."""
    return {secret, json.dumps(secret)[1:-1], quote(secret, safe=""), unquote(secret)}


_lock = threading.RLock()  # the garbage collector may log, too
_of_runs: weakref.WeakSet[Redactor] = weakref.WeakSet()


def redactor(app_state: AppState) -> Redactor:
    """Return what knows the host's keys of models and the passwords of servers."""
    return Redactor(_secrets(app_state))


def run_redactor(app_state: AppState) -> Redactor:
    """Return one that will learn the secrets of a run; worker logs heed it while it exists.

    It exists as long as anything of the run does, such as a tool that was given up.
    """
    redact = redactor(app_state)
    with _lock:
        _of_runs.add(redact)
    return redact


def redact_process_logs(text: str) -> str:
    """Return *text* without the secrets of the runs of this process."""
    with _lock:
        known = tuple(_of_runs)
    for redact in known:
        text = redact(text)
    return text


def _secrets(app_state: AppState) -> Iterator[str]:
    for spec in app_state.registry.models.values():
        key = spec.api_key
        of_host = key.default if isinstance(key, Secret) else key
        if of_host is not None:
            with contextlib.suppress(Exception):  # a model that nobody has set up has no key
                yield resolve(of_host) or ""
    conf = app_state.celery.conf
    for url in (conf.broker_url, conf.result_backend):
        yield urlsplit(str(url or "")).password or ""
    yield app_state.database.engine.url.password or ""
