"""Instruments and their costs."""

from __future__ import annotations

from decimal import Decimal

import pytest

from scalper.errors import BadInput
from scalper.market import INSTRUMENTS, costs_of, instrument


@pytest.mark.parametrize(
    ("symbol", "tick", "tick_value", "point_value", "months"),
    [
        ("MES", "0.25", "1.25", "5", "HMUZ"),
        ("ES", "0.25", "12.50", "50", "HMUZ"),
        ("MNQ", "0.25", "0.50", "2", "HMUZ"),
        ("NQ", "0.25", "5.00", "20", "HMUZ"),
        ("MGC", "0.10", "1.00", "10", "GJMQVZ"),
        ("GC", "0.10", "10.00", "100", "GJMQVZ"),
    ],
)
def test_table(symbol: str, tick: str, tick_value: str, point_value: str, months: str) -> None:
    found = instrument(symbol)
    assert (found.tick, found.tick_value, found.point_value) == (
        Decimal(tick),
        Decimal(tick_value),
        Decimal(point_value),
    )
    assert found.months == months
    assert len(INSTRUMENTS) == 6


def test_costs_of_mes() -> None:
    costs = costs_of("MES")
    assert costs.per_side == Decimal("0.42")
    assert costs.round_trip == Decimal("0.84")


def test_product_without_costs_is_read_but_not_traded() -> None:
    assert instrument("ES").costs is None
    with pytest.raises(BadInput, match=r"ES has no cost table.*execution_symbol.*MES"):
        costs_of("ES")


def test_unknown_symbol_lists_the_known_ones() -> None:
    with pytest.raises(BadInput, match=r"unknown symbol 'CL'.*MES, ES, MNQ, NQ, MGC, GC"):
        instrument("CL")
