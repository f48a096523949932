"""What model calls cost, where the host has set prices.

Amounts are whole billionths of the host's currency: sums of many small ones stay exact.
"""

from __future__ import annotations

import math
import typing as t
from collections.abc import Mapping

from ..errors import ConfigError

Prices = Mapping[str, Mapping[str, float]]
"""By model: what a million tokens cost, as ``{"input": …, "output": …}``."""

_KINDS: t.Final = frozenset({"input", "output"})
_NANOS_PER_TOKEN: t.Final = 1_000
"""Billionths for each token where a million tokens cost 1."""


def check_prices(key: str, prices: object) -> None:
    """Check the price table that the setting *key* holds.

    :raises ConfigError: if it has another form.
    """
    if not isinstance(prices, Mapping) or not all(map(_is_price, prices.values())):
        raise ConfigError(
            f"'{key}' must say for each model what a million tokens cost, such as"
            " {'gpt-4o-mini': {'input': 0.15, 'output': 0.6}}; it is " + f"{prices!r}."
        )


def _is_price(price: object) -> bool:
    if not isinstance(price, Mapping) or price.keys() != _KINDS:
        return False
    return all(type(each) in (int, float) and 0 <= each < math.inf for each in price.values())


def cost_nanos(prices: Prices, model: str, prompt_tokens: int, completion_tokens: int) -> int:
    """Return what a call costs; nothing, if the table does not name the *model*."""
    price = prices.get(model)
    if price is None:
        return 0
    cost = prompt_tokens * price["input"] + completion_tokens * price["output"]
    return round(cost * _NANOS_PER_TOKEN)
