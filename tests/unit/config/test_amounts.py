"""Amounts of money for people."""

from __future__ import annotations

import pytest

from flask_crewexec.config.pricing import money


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0.00 USD"),
        (8.295e-05, "0.000083 USD"),
        (0.0996, "0.100 USD"),
        (0.5, "0.50 USD"),
        (1234.5, "1,234.50 USD"),
    ],
)
def test_amounts_have_a_currency_and_no_exponent(amount: float, text: str) -> None:
    assert money(amount, "USD") == text
