"""Drivers of the kernel: a session at once or bar by bar, and the context that one session leaves to the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from scalper.features import kernel
from scalper.features.catalogue import params

_scan = cast(Any, kernel).scan
"""The compiled scan; its records have no static types."""

CONTEXT = np.dtype([("version", "i8"), ("contract", "U8"), ("close", "f8"), ("high", "f8"), ("low", "f8")])
"""What a session leaves to the next one, in ticks; worth nothing after a roll."""


def context(contract: str, bars: np.ndarray) -> np.ndarray:
    """The record (1,) of CONTEXT that a session with these bars (n,) leaves."""
    left = np.zeros(1, CONTEXT)
    left["version"], left["contract"] = kernel.VERSION, contract
    left["close"], left["high"], left["low"] = bars["close"][-1], bars["high"].max(), bars["low"].min()
    return left


def fresh(contract: str, before: np.ndarray | None) -> np.ndarray:
    """An empty state (1,) of kernel.STATE, seeded from the context of the session before."""
    state = np.zeros(1, kernel.STATE)
    state["version"] = kernel.VERSION
    same = before is not None and before["contract"][0] == contract and before["version"][0] == kernel.VERSION
    for key in ("close", "high", "low"):
        state[f"prior_{key}"] = before[key][0] if same and before is not None else np.nan
    return state


@dataclass(frozen=True, slots=True)
class Block:
    """Features of a session: x (n, f) float32, volatility (n,) float64 in ticks; NaN where not warm."""

    x: np.ndarray
    volatility: np.ndarray

    @property
    def warm(self) -> np.ndarray:
        """Rows after the warm-up."""
        return ~np.isnan(self.volatility)


def compute(state: np.ndarray, windows: np.ndarray, bars: np.ndarray, timetable: np.ndarray, columns: int) -> Block:
    """Scan bars (n,) of BAR from `state`, which moves on; every row, warm or not."""
    out = np.empty((bars.size, columns), np.float32)
    volatility = np.empty(bars.size, np.float64)
    _scan(state, windows, bars, timetable, out, volatility)
    return Block(out, volatility)


class Stream:
    """Bar by bar, the same step: what live and replay use."""

    def __init__(self, state: np.ndarray, windows: np.ndarray, timetable: np.ndarray, columns: int) -> None:
        self.state, self.windows, self.timetable = state, windows, timetable
        self.row = np.empty((1, columns), np.float32)
        self._volatility = np.empty(1, np.float64)

    def push(self, bar: np.ndarray) -> tuple[np.ndarray, float]:
        """Take one bar (1,) of BAR; returns the row (1, f), overwritten by the next call, and the volatility."""
        _scan(self.state, self.windows, bar, self.timetable, self.row, self._volatility)
        return self.row, float(self._volatility[0])


__all__ = ["Block", "Stream", "compute", "context", "fresh", "params"]
