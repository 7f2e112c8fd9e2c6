"""Drivers of the kernel: a session at once or bar by bar, and the context that one session leaves to the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import DTypeLike

from scalper.errors import BadInput
from scalper.features import builders, kernel
from scalper.features.core import MINUTE_NS

_scan = cast(Any, kernel).scan
"""The compiled scan; its records have no static types."""

CONTEXT = np.dtype(
    [
        ("version", "i8"),
        ("contract", "U8"),
        ("close", "f8"),
        ("high", "f8"),
        ("low", "f8"),
        ("range", "f8"),
        ("volatility", "f8"),  # mean true range of its minutes (minute lanes: of their own bars)
    ]
)
"""What a session leaves to the next one, in ticks; worth nothing after a roll."""


def context(contract: str, bars: np.ndarray, bar_ns: int) -> np.ndarray:
    """The record (1,) of CONTEXT that a session with these bars (n,), so many ns long, leaves; carried or not."""
    left = np.zeros(1, CONTEXT)
    left["version"], left["contract"] = kernel.VERSION, contract
    left["close"], left["high"], left["low"] = bars["close"][-1], bars["high"].max(), bars["low"].min()
    left["range"] = left["high"] - left["low"]
    left["volatility"] = cast(Any, builders).mean_minute(bars, max(bar_ns, MINUTE_NS))
    return left


def fresh(contract: str, before: np.ndarray | None, windows: np.ndarray) -> np.ndarray:
    """An empty state (1,) of kernel.STATE for these parameters, seeded from the context of the session before."""
    state = np.zeros(1, kernel.STATE)
    state["version"], state["params"] = kernel.VERSION, windows["digest"]
    same = before is not None and before["contract"][0] == contract and before["version"][0] == kernel.VERSION
    for key in ("close", "high", "low", "range", "volatility"):
        state[f"prior_{key}"] = before[key][0] if same and before is not None else np.nan
    return state


def restore(saved: bytes, windows: np.ndarray) -> np.ndarray:
    """The state (1,) from its bytes. Raises BadInput if another version, or other parameters, made it."""
    if len(saved) != kernel.STATE.itemsize:
        size = kernel.STATE.itemsize
        raise BadInput(f"saved feature state: {len(saved)} bytes, this version has {size}; start from a new one")
    state = np.frombuffer(saved, kernel.STATE).copy()
    if state["version"][0] != kernel.VERSION:
        found = state["version"][0]
        raise BadInput(f"saved feature state: version {found}, this is {kernel.VERSION}; start from a new one")
    if state["params"][0] != windows["digest"][0]:
        raise BadInput("saved feature state: of other features or windows than this lane's; start from a new one")
    return state


@dataclass(frozen=True, slots=True)
class Block:
    """Features of a session: x (n, f) float32, and aux (n,) of kernel.AUX; NaN where not warm."""

    x: np.ndarray
    aux: np.ndarray

    @property
    def volatility(self) -> np.ndarray:
        """Volatility (n,) float64 in ticks, which stops are made of."""
        return self.aux["volatility_ticks"]

    @property
    def warm(self) -> np.ndarray:
        """Rows after the warm-up."""
        return ~np.isnan(self.volatility)


def compute(
    state: np.ndarray,
    windows: np.ndarray,
    bars: np.ndarray,
    timetable: np.ndarray,
    columns: int,
    dtype: DTypeLike = np.float32,
) -> Block:
    """Scan bars (n,) of BAR from `state`, which moves on; every row, warm or not, in floats of `dtype`."""
    out = np.empty((bars.size, columns), dtype)
    aux = np.empty(bars.size, kernel.AUX)
    _scan(state, windows, bars, timetable, out, aux)
    return Block(out, aux)


class Stream:
    """Bar by bar, the same step: what live and replay use."""

    def __init__(
        self,
        state: np.ndarray,
        windows: np.ndarray,
        timetable: np.ndarray,
        columns: int,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.state, self.windows, self.timetable = state, windows, timetable
        self.row = np.empty((1, columns), dtype)
        self.aux = np.zeros(1, kernel.AUX)
        """What the last push wrote beside the row, (1,) of kernel.AUX."""

    def push(self, bar: np.ndarray) -> tuple[np.ndarray, float]:
        """Take one bar (1,) of BAR; returns the row (1, f), overwritten by the next call, and the volatility."""
        _scan(self.state, self.windows, bar, self.timetable, self.row, self.aux)
        return self.row, float(self.aux["volatility_ticks"][0])
