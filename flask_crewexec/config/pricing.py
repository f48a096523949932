"""The price table, and what model calls cost.

Amounts are integers, in billionths of the host's currency, so that sums of small amounts are exact.
"""

from __future__ import annotations

import math
import typing as t
from collections.abc import Mapping

from ..errors import ConfigError

Prices = Mapping[str, Mapping[str, float]]
"""The price of a million tokens by model, as ``{"input": …, "output": …}``."""

_KINDS: t.Final = frozenset({"input", "output"})
_NANOS_PER_TOKEN: t.Final = 1_000
"""Billionths per token, if a million tokens cost 1."""


def check_prices(key: str, prices: object) -> None:
    """Check the price table of the setting *key*.

    :raises ConfigError: if it has another form.
    """
    if not isinstance(prices, Mapping) or not all(map(_is_price, prices.values())):
        raise ConfigError(
            f"'{key}' must give the price of a million tokens for each model, such as"
            " {'gpt-4o-mini': {'input': 0.15, 'output': 0.6}}; it is " + f"{prices!r}."
        )


def _is_price(price: object) -> bool:
    if not isinstance(price, Mapping) or price.keys() != _KINDS:
        return False
    return all(type(each) in (int, float) and 0 <= each < math.inf for each in price.values())


def cost_nanos(prices: Prices, model: str, prompt_tokens: int, completion_tokens: int) -> int:
    """Return the cost of a model call; 0 if the table has no price for the *model*."""
    price = prices.get(model)
    if price is None:
        return 0
    cost = prompt_tokens * price["input"] + completion_tokens * price["output"]
    return round(cost * _NANOS_PER_TOKEN)


def money(amount: float, currency: str) -> str:
    """Return an amount with two decimals; small ones with two digits, never with an exponent."""
    digits = 2 if amount >= 0.1 or not amount else 1 - math.floor(math.log10(amount))
    return f"{amount:,.{digits}f} {currency}".rstrip()
