"""The instruments we know: tick, value, months, calendar, and what a trade in them costs."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from scalper.errors import BadInput

EQUITY = "CME Globex Equity"
METALS = "CMEGlobex_Metals"
"""Names of pandas-market-calendars' calendars."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What one contract pays a side, in dollars."""

    commission_per_side: Decimal
    exchange_fee_per_side: Decimal

    @property
    def per_side(self) -> Decimal:
        """Commission and fee of one contract, one way."""
        return self.commission_per_side + self.exchange_fee_per_side

    @property
    def round_trip(self) -> Decimal:
        """Commission and fee of one contract, in and out."""
        return 2 * self.per_side


@dataclass(frozen=True, slots=True)
class Instrument:
    """A futures product. `tick` is in points, values in dollars, `months` the letters that the roll rules hold."""

    symbol: str
    name: str
    tick: Decimal
    tick_value: Decimal
    point_value: Decimal
    months: str
    calendar: str
    costs: Costs | None = None


def _table(*rows: Instrument) -> dict[str, Instrument]:
    return {row.symbol: row for row in rows}


def _equity(symbol: str, name: str, point: str, costs: Costs | None = None) -> Instrument:
    tick = Decimal("0.25")
    return Instrument(symbol, name, tick, tick * Decimal(point), Decimal(point), "HMUZ", EQUITY, costs)


def _gold(symbol: str, name: str, point: str) -> Instrument:
    tick = Decimal("0.10")
    return Instrument(symbol, name, tick, tick * Decimal(point), Decimal(point), "GJMQVZ", METALS)


INSTRUMENTS = _table(
    _equity("MES", "Micro E-mini S&P 500", "5", Costs(Decimal("0.20"), Decimal("0.22"))),
    _equity("ES", "E-mini S&P 500", "50"),
    _equity("MNQ", "Micro E-mini Nasdaq-100", "2"),
    _equity("NQ", "E-mini Nasdaq-100", "20"),
    _gold("MGC", "Micro Gold", "10"),
    _gold("GC", "Gold", "100"),
)
"""Symbol to instrument. Only MES's costs are known for certain: the others can be read, not traded."""


def instrument(symbol: str) -> Instrument:
    """The instrument called `symbol`. Raises BadInput when we do not know it."""
    found = INSTRUMENTS.get(symbol)
    if found is None:
        raise BadInput(f"unknown symbol {symbol!r}: use one of {', '.join(INSTRUMENTS)}")
    return found


def costs_of(symbol: str) -> Costs:
    """The cost table of a product that is to be traded. Raises BadInput when there is none."""
    costs = instrument(symbol).costs
    if costs is None:
        known = ", ".join(row.symbol for row in INSTRUMENTS.values() if row.costs is not None)
        raise BadInput(
            f"{symbol} has no cost table, so it can be read but not traded: "
            f"set execution_symbol to a product with one ({known}), or add its costs to market/instruments.py"
        )
    return costs
