"""A trade as both engines tell it, and Nautilus's fills put together to such trades."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Row:
    """A closed position in whole ticks and cents; a value is the sum of price x contracts over the fills."""

    entry_ns: int
    exit_ns: int
    side: int
    contracts: int
    entry_value: int
    exit_value: int
    fees_cents: int
    net_cents: int


def rows_of(trades: np.ndarray) -> list[Row]:
    """Our trades (k,) of TRADE as rows."""
    names = ("entry_ns", "exit_ns", "side", "contracts", "entry_value", "exit_value", "commission_cents", "net_cents")
    return [Row(*(int(one[name]) for name in names)) for one in trades]


class Ledger:
    """Nautilus's fills, at Nautilus's prices and fees, as rows.

    `unseen_cents` is the slippage beyond the first tick, which the adapter adds and Nautilus's account does not know.
    """

    def __init__(self, tick_cents: int) -> None:
        self.rows: list[Row] = []
        self.unseen_cents = 0
        self._tick_cents = tick_cents
        self._start(0, 0)

    def _start(self, ts_ns: int, side: int) -> None:
        self._entry_ns, self._side = ts_ns, side
        self._contracts, self._left, self._entry_value, self._exit_value, self._fees = 0, 0, 0, 0, 0

    def fill(self, ts_ns: int, side: int, contracts: int, price: int, fee_cents: int, more: int) -> None:
        """So many contracts bought (side 1) or sold (-1) at `price`, of which `more` ticks are the adapter's."""
        self.unseen_cents += more * contracts * self._tick_cents
        if self._left == 0:
            self._start(ts_ns, side)
        self._fees += fee_cents
        if side == self._side:
            self._contracts += contracts
            self._left += contracts
            self._entry_value += price * contracts
            return
        self._left -= contracts
        self._exit_value += price * contracts
        if self._left == 0:
            self.rows.append(self._row(ts_ns))

    def _row(self, exit_ns: int) -> Row:
        profit = self._side * (self._exit_value - self._entry_value) * self._tick_cents
        return Row(
            entry_ns=self._entry_ns,
            exit_ns=exit_ns,
            side=self._side,
            contracts=self._contracts,
            entry_value=self._entry_value,
            exit_value=self._exit_value,
            fees_cents=self._fees,
            net_cents=profit - self._fees,
        )
