# pyright: basic
"""How far stops and targets lie from an entry, in ticks: the same for a label's barriers and for the policy."""

from __future__ import annotations

from typing import Any

import numpy as np

from scalper.compiled import kernel

DUST = 1e-5
"""Ticks. Files hold the volatility as float32; a stop must not be a tick wider for the dust of that."""


@kernel
def away(times, volatility, low, high):
    """`times` the volatility in ticks, rounded up, within low and high; volatility is a number."""
    return int(min(max(np.ceil(times * volatility - DUST), low), high))


@kernel
def rewarded(stop, ratio):
    """The target of a stop by reward to risk: rounded half up, at least a tick."""
    return int(max(np.floor(ratio * stop + 0.5), 1))


@kernel
def away_rows(times: float, volatility: Any, low: int, high: int, out: Any) -> None:
    """`away` for volatility (n,), into out (n,)."""
    for i in range(volatility.size):
        out[i] = away(times, volatility[i], low, high)


@kernel
def rewarded_rows(stop: Any, ratio: float, out: Any) -> None:
    """`rewarded` for stop (n,), into out (n,)."""
    for i in range(stop.size):
        out[i] = rewarded(stop[i], ratio)
