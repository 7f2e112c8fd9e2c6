"""The simulated venue in Nautilus: instrument, tape, fill model and engine, set to SPEC 7's conventions.

A bar goes to Nautilus twice: its open as a trade a millisecond after it starts, at which market orders fill, and the
whole bar at its end, which Nautilus sweeps open, high, low, close. Sizes are so large that every order fills at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import nautilus_trader.model as nt
import numpy as np
from nautilus_trader.backtest import BacktestEngine, BacktestEngineConfig
from nautilus_trader.common import LoggerConfig
from nautilus_trader.execution import FillModel, PerContractFeeModel
from nautilus_trader.risk import RiskEngineConfig

from scalper.market import Instrument
from scalper.market.instruments import METALS

VENUE = nt.Venue("XCME")
DOLLAR = nt.Currency.from_str("USD")
OPEN_NS = 1_000_000
"""How long after a bar's start its open is traded: after the bar before, which ends as this one starts."""
PLENTY = nt.Quantity.from_int(1_000_000)
CAPITAL = 10_000_000
"""Dollars at the venue. Its account only counts: what may be traded is the business of the policy's account."""
SECOND_NS, MINUTE_NS = 1_000_000_000, 60_000_000_000


class Slips(FillModel):
    """Market and stop orders slip a tick while `ticks` > 0, limit orders never; a limit fills on touch or beyond.

    Nautilus first asks for a book, with the order, and then whether this fill slips; it knows no more than one tick.
    """

    def __init__(self) -> None:
        self.ticks = 0
        self.through = True
        self._limit = False

    def is_limit_filled(self) -> bool:
        """Whether a limit order fills when the market only touches it."""
        return not self.through

    def is_slipped(self) -> bool:
        """Whether the fill at hand slips by a tick."""
        return self.ticks > 0 and not self._limit

    def fill_limit_inside_spread(self) -> bool:
        """There is no spread in bars."""
        return False

    def get_orderbook_for_fill_simulation(
        self, _instrument: Any, order: Any, _best_bid: nt.Price | None = None, _best_ask: nt.Price | None = None
    ) -> None:
        """No book of ours; but this is where Nautilus names the order that fills."""
        self._limit = order.order_type == nt.OrderType.LIMIT


SLIPS = Slips()
"""The fill model of a venue at which a strategy trades that was started from a configuration."""


class Ticks:
    """Prices between ticks of a size in points and Nautilus."""

    def __init__(self, size: Decimal) -> None:
        self.size = size

    def price(self, ticks: int) -> nt.Price:
        """So many ticks as a price."""
        return nt.Price.from_decimal(self.size * int(ticks))

    def ticks(self, price: nt.Price) -> int:
        """How many ticks a price is. Raises ValueError for one between two ticks."""
        found = price.as_decimal() / self.size
        if found != int(found):
            raise ValueError(f"{price} is no multiple of {self.size}")
        return int(found)


def cents(money: nt.Money | None) -> int:
    """Whole cents of an amount."""
    return 0 if money is None else int(money.as_decimal() * 100)


def instrument_id(contract: str) -> nt.InstrumentId:
    """The contract at our venue."""
    return nt.InstrumentId(nt.Symbol(contract), VENUE)


def bar_type(contract: str, interval_ns: int) -> nt.BarType:
    """The bars of a contract, made outside Nautilus from last prices."""
    minutes, odd = divmod(interval_ns, MINUTE_NS)
    size = f"{interval_ns // SECOND_NS}-SECOND" if odd else f"{minutes}-MINUTE"
    return nt.BarType.from_str(f"{contract}.{VENUE}-{size}-LAST-EXTERNAL")


def futures_contract(product: Instrument, contract: str) -> nt.FuturesContract:
    """The contract as Nautilus describes it; it never expires here, because sessions end flat."""
    size = nt.Price.from_decimal(product.tick)
    return nt.FuturesContract(
        instrument_id=instrument_id(contract),
        raw_symbol=nt.Symbol(contract),
        asset_class=nt.AssetClass.COMMODITY if product.calendar == METALS else nt.AssetClass.INDEX,
        underlying=product.symbol,
        activation_ns=0,
        expiration_ns=2**62,
        currency=DOLLAR,
        price_precision=size.precision,
        price_increment=size,
        multiplier=nt.Quantity.from_decimal(product.point_value),
        lot_size=nt.Quantity.from_int(1),
        ts_event=0,
        ts_init=0,
    )


def bars(contract: str, rows: np.ndarray, interval_ns: int, ticks: Ticks, *, plenty: bool) -> list[nt.Bar]:
    """BAR rows stamped with their ends, of their own volume or of plenty; nothing fills in a carried one."""
    kind, names = bar_type(contract, interval_ns), ("open", "high", "low", "close")
    found: list[nt.Bar] = []
    for row in rows:
        size = PLENTY if plenty and not row["carried"] else nt.Quantity.from_int(int(row["volume"]))
        first, high, low, last = (ticks.price(row[name]) for name in names)
        end = int(row["ts_ns"]) + interval_ns
        found.append(nt.Bar(kind, first, high, low, last, size, end, end))
    return found


def opens(contract: str, rows: np.ndarray, ticks: Ticks, *, plenty: bool) -> list[nt.TradeTick]:
    """The open of each traded BAR row as a trade that neither side began, of the bar's volume or of plenty."""
    name, neither = instrument_id(contract), nt.AggressorSide.NO_AGGRESSOR
    found: list[nt.TradeTick] = []
    for row in rows[rows["carried"] == 0]:
        at = int(row["ts_ns"]) + OPEN_NS
        size = PLENTY if plenty else nt.Quantity.from_int(int(row["volume"]))
        found.append(nt.TradeTick(name, ticks.price(row["open"]), size, neither, nt.TradeId(str(at)), at, at))
    return found


def engine(contracts: Sequence[Any], tape: Sequence[Any], model: Slips, fee_cents: int) -> BacktestEngine:
    """An engine with our venue, these contracts, their tape, and a fee a contract and side."""
    silent = LoggerConfig(bypass_logging=True)
    made = BacktestEngine(
        BacktestEngineConfig(run_analysis=False, logging=silent, risk_engine=RiskEngineConfig(bypass=True))
    )
    fee = nt.Money.from_decimal(Decimal(fee_cents) / 100, DOLLAR)
    made.add_venue(
        VENUE,
        nt.OmsType.NETTING,
        nt.AccountType.MARGIN,
        [nt.Money.from_str(f"{CAPITAL} USD")],
        base_currency=DOLLAR,
        default_leverage=Decimal(1000),
        fill_model=model,
        fee_model=PerContractFeeModel(fee),
        reject_stop_orders=False,  # nearer than the entry slipped, a stop is met at once
    )
    for contract in contracts:
        made.add_instrument(contract)
    made.add_data(tape)
    return made
