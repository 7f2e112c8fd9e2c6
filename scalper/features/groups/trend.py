# pyright: basic
"""Exponential averages with their crosses, and the volume-weighted average price since 09:30 New York."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from scalper.compiled import kernel
from scalper.features.core import MASK, RECURSIVE, RING, Feature, add, back, ratio, windows
from scalper.settings import FeatureSettings

NAME = "trend"
BIT = 1 << 1
NEEDS: tuple[str, ...] = ()
FIELDS = [
    ("ema", "f8", 8),
    ("ema_before", "f8", 8),  # at the bar before
    ("sum_value", "i8", RING),  # running totals: of (high + low + close) x volume, and of volume
    ("sum_traded", "i8", RING),
    ("vwap_from_ns", "i8"),
    ("vwap_value", "i8"),  # the totals at the anchor
    ("vwap_traded", "i8"),
    ("vwap_bars", "i8"),
]
PARAMS = [("n_ema", "i8"), ("ema", "i8", 8), ("ema_weight", "f8", 8), ("vwap_slope", "i8")]
_VWAP = ("high", "low", "close", "volume")


def catalogue(s: FeatureSettings, bar_ns: int) -> list[Feature]:
    """The columns, in the order in which `write` writes them."""

    def average(name: str, formula: str, unit: str, n: int, margin: str = "") -> Feature:
        return Feature(name, NAME, formula, unit, RECURSIVE * n, "recursive", ("close",), margin=margin)

    rows = [average(f"ema_{n}", f"close - EMA({n})", "ticks", n) for n in s.ema]
    for a, b in pairwise(s.ema):
        rows.append(average(f"ema_{a}_{b}", f"EMA({a}) - EMA({b})", "ticks", b))
    for a, b in pairwise(s.ema):
        text = f"1 where EMA({a}) - EMA({b}) is above 0 and was not at the bar before, -1 where below, else 0"
        rows.append(average(f"cross_{a}_{b}", text, "-1/0/1", b, f"ema_{a}_{b}"))
    price = "close - VWAP since 09:30 New York, before it since the open"
    slope = f"(VWAP - VWAP[-{s.vwap_slope}]) / {s.vwap_slope}, over fewer bars just after the anchor"
    return [
        *rows,
        Feature("vwap", NAME, price, "ticks", 0, "anchored", _VWAP),
        Feature("vwap_slope", NAME, slope, "ticks/bar", s.vwap_slope, "anchored", _VWAP),
    ]


def fill(row: np.ndarray, s: FeatureSettings, bar_ns: int) -> None:
    """Write the windows into the parameters. Raises BadInput."""
    windows(row, "ema", s.ema)
    row["ema_weight"][0, : len(s.ema)] = [2.0 / (n + 1) for n in s.ema]
    row["vwap_slope"] = s.vwap_slope


@kernel
def update(s, p, bar, t):
    """Move the averages on; the first bar seeds them, and the VWAP begins anew at the regular open."""
    for w in range(p.n_ema):
        before = float(bar.close) if s.n == 1 else s.ema[w]
        s.ema_before[w] = before
        s.ema[w] = before + (bar.close - before) * p.ema_weight[w]
    anchor = t.regular_open_ns if bar.ts_ns >= t.regular_open_ns else t.open_ns
    if s.vwap_from_ns != anchor:
        s.vwap_from_ns = anchor
        s.vwap_value = s.sum_value[(s.n - 2) & MASK]
        s.vwap_traded = s.sum_traded[(s.n - 2) & MASK]
        s.vwap_bars = 0
    add(s.sum_value, s.n, (bar.high + bar.low + bar.close) * bar.volume)
    add(s.sum_traded, s.n, bar.volume)
    s.vwap_bars += 1


@kernel
def _price(s, k):
    """VWAP k bars ago, k below the bars since the anchor; the close of then before any volume."""
    traded = back(s.sum_traded, s.n, k) - s.vwap_traded
    return ratio(back(s.sum_value, s.n, k) - s.vwap_value, 3 * traded, float(back(s.close, s.n, k)))


@kernel
def write(s, p, bar, t, out, c):
    """Write the columns from c on; returns the next."""
    pairs = p.n_ema - 1
    for w in range(p.n_ema):
        out[c] = bar.close - s.ema[w]
        c += 1
    for w in range(pairs):
        now, before = s.ema[w] - s.ema[w + 1], s.ema_before[w] - s.ema_before[w + 1]
        out[c] = now
        out[c + pairs] = 1.0 if now > 0.0 >= before else (-1.0 if now < 0.0 <= before else 0.0)
        c += 1
    c += pairs
    k = min(p.vwap_slope, s.vwap_bars - 1)
    price = _price(s, 0)
    out[c] = bar.close - price
    out[c + 1] = ratio(price - _price(s, k), k, 0.0)
    return c + 2
