"""Keep secrets out of rows, news and logs: tools, models and providers may repeat them."""

from __future__ import annotations

import contextlib
import re
import typing as t
from collections.abc import Callable
from collections.abc import Iterator
from urllib.parse import urlsplit

from .binding import Binding
from .registry import value_of

REDACTED: t.Final = "[secret]"
LEAST_LENGTH: t.Final = 8
"""What is shorter would be found in ordinary words, too."""

Redact = Callable[[str], str]


def redactor(binding: Binding) -> Redact:
    """Return a function that replaces the keys of models and the passwords of servers."""
    secrets = {secret for secret in _secrets(binding) if len(secret) >= LEAST_LENGTH}
    if not secrets:
        return lambda text: text
    longest_first = sorted(secrets, key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, longest_first)))
    return lambda text: pattern.sub(REDACTED, text)


def _secrets(binding: Binding) -> Iterator[str]:
    for spec in binding.registry.models.values():
        if spec.api_key is not None:
            with contextlib.suppress(Exception):  # a model that nobody has set up has no key
                yield value_of(spec.api_key) or ""
    conf = binding.celery.conf
    for url in (conf.broker_url, conf.result_backend):
        yield urlsplit(str(url or "")).password or ""
    yield binding.engine.url.password or ""
