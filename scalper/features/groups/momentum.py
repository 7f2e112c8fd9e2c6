# pyright: basic
"""Relative strength, convergence of averages, and where the close lies in the range of the last bars."""

from __future__ import annotations

import numpy as np

from scalper.compiled import kernel
from scalper.features.core import RECURSIVE, RING, Feature, add, back, change, ratio, summed
from scalper.market.bars import LARGEST
from scalper.settings import FeatureSettings

NAME = "momentum"
BIT = 1 << 4
NEEDS: tuple[str, ...] = ()
FIELDS = [
    ("sum_gain", "i8", RING),  # running total of the changes above 0
    ("macd_fast", "f8"),
    ("macd_slow", "f8"),
    ("macd_signal", "f8"),
]
PARAMS = [("rsi", "i8"), ("stochastic", "i8"), ("macd", "i8", 3), ("macd_weight", "f8", 3)]


def catalogue(s: FeatureSettings, bar_ns: int) -> list[Feature]:
    """The columns, in the order in which `write` writes them."""
    fast, slow, signal = s.macd
    rsi = f"100 gains / (gains + losses) over {s.rsi} changes, 50 if none"
    k = f"100 (close - low) / (high - low) over {s.stochastic}, 50 if flat"

    def macd(name: str, formula: str, n: int) -> Feature:
        return Feature(name, NAME, formula, "ticks", RECURSIVE * n, "recursive", ("close",), "Appel")

    def lane(name: str, formula: str, n: int) -> Feature:
        return Feature(name, NAME, formula, "%", n, inputs=("high", "low", "close"), source="Lane")

    return [
        Feature("rsi", NAME, rsi, "%", s.rsi + 1, inputs=("close",), source="Wilder, in Cutler's finite form"),
        macd("macd", f"EMA({fast}) - EMA({slow})", slow),
        macd("macd_signal", f"EMA({signal}) of macd", slow + signal),
        macd("macd_histogram", "macd - macd_signal", slow + signal),
        lane("stochastic", k, s.stochastic),
        lane("stochastic_3", "mean of the last 3 stochastic", s.stochastic + 3),
    ]


def fill(row: np.ndarray, s: FeatureSettings, bar_ns: int) -> None:
    """Write the windows into the parameters."""
    row["rsi"], row["stochastic"], row["macd"] = s.rsi, s.stochastic, s.macd
    row["macd_weight"] = [2.0 / (n + 1) for n in s.macd]


@kernel
def update(s, p, bar, t):
    """Move the averages on; the first bar seeds them."""
    add(s.sum_gain, s.n, max(change(s), 0))
    if s.n == 1:
        s.macd_fast = bar.close
        s.macd_slow = bar.close
    s.macd_fast += (bar.close - s.macd_fast) * p.macd_weight[0]
    s.macd_slow += (bar.close - s.macd_slow) * p.macd_weight[1]
    s.macd_signal += (s.macd_fast - s.macd_slow - s.macd_signal) * p.macd_weight[2]


@kernel
def _stochastic(s, k, ago, high, low):
    """Where the close so many bars ago lay in the range of the k bars up to it, in percent.

    `high` and `low` are of the bars from 2 to k - 1 ago, which the windows of the last three closes have in common.
    """
    for i in range(ago, min(2, ago + k)):
        high, low = max(high, back(s.high, s.n, i)), min(low, back(s.low, s.n, i))
    for i in range(max(k, 2), ago + k):
        high, low = max(high, back(s.high, s.n, i)), min(low, back(s.low, s.n, i))
    return ratio(100.0 * (back(s.close, s.n, ago) - low), high - low, 50.0)


@kernel
def write(s, p, bar, t, out, c):
    """Write the columns from c on; returns the next."""
    gain = summed(s.sum_gain, s.n, p.rsi)
    loss = gain - back(s.close, s.n, 0) + back(s.close, s.n, min(p.rsi, s.n - 1))
    line = s.macd_fast - s.macd_slow
    k = p.stochastic
    high, low = np.int64(-LARGEST), np.int64(LARGEST)
    for i in range(2, k):
        high, low = max(high, back(s.high, s.n, i)), min(low, back(s.low, s.n, i))
    newest, total = 0.0, 0.0
    for ago in range(3):  # the newest first, so that the sum has the same order at every bar
        place = _stochastic(s, k, ago, high, low)
        newest = place if ago == 0 else newest
        total += place
    out[c] = ratio(100.0 * gain, gain + loss, 50.0)
    out[c + 1] = line
    out[c + 2] = s.macd_signal
    out[c + 3] = line - s.macd_signal
    out[c + 4] = newest
    out[c + 5] = total / 3.0
    return c + 6
