# pyright: basic
"""True range, Bollinger's bands and the deviation of changes."""

from __future__ import annotations

import math

import numpy as np

from scalper.compiled import kernel
from scalper.errors import BadInput
from scalper.features.builders import HISTORY, mean_range
from scalper.features.core import MINUTE_NS, RING, Feature, add, back, last_close, ratio, summed, windows
from scalper.settings import FeatureSettings

NAME = "volatility"
BIT = 1 << 3
NEEDS: tuple[str, ...] = ()
FIELDS = [
    ("sum_range", "i8", RING),  # running totals: of true ranges, of squared changes, of closes and their squares
    ("sum_change2", "i8", RING),
    ("sum_close", "i8", RING),
    ("sum_close2", "i8", RING),
]
PARAMS = [("n_volatility", "i8"), ("volatility", "i8", 8), ("bollinger", "i8")]
_RANGE = ("high", "low", "close")


def warm_up(s: FeatureSettings, bar_ns: int) -> int:
    """Bars until `ticks` is what it is called: `atr` whole minutes after a first, cut one."""
    return (s.atr + 2) * max(MINUTE_NS // bar_ns, 1)


def catalogue(s: FeatureSettings, bar_ns: int) -> list[Feature]:
    """The columns, in the order in which `write` writes them."""
    band = f"4 x deviation of {s.bollinger} closes"
    rows = [
        Feature("atr", NAME, f"mean true range of {s.atr} bars", "ticks", s.atr, inputs=_RANGE),
        Feature("atr_bp", NAME, "atr / close", "bp", s.atr, inputs=_RANGE),
        Feature("bollinger_width", NAME, band, "ticks", s.bollinger, inputs=("close",), source="Bollinger"),
        Feature(
            "bollinger",
            NAME,
            "(close - mean) / (2 x deviation), 0 if flat",
            "1",
            s.bollinger,
            inputs=("close",),
            source="Bollinger",
        ),
    ]
    text = "deviation of one-bar changes over"
    for k in s.volatility:
        rows.append(Feature(f"volatility_{k}", NAME, f"{text} {k}", "ticks", k + 1, inputs=("close",)))
    return rows


def fill(row: np.ndarray, s: FeatureSettings, bar_ns: int) -> None:
    """Write the windows into the parameters. Raises BadInput."""
    windows(row, NAME, s.volatility)
    row["bollinger"] = s.bollinger


def fill_ticks(row: np.ndarray, s: FeatureSettings, bar_ns: int) -> None:
    """What `ticks` needs, whatever the groups: SPEC 5 makes stops of it. Raises BadInput."""
    if s.atr >= HISTORY:
        raise BadInput(f"features.atr: {s.atr} is above {HISTORY - 1}; take a shorter one")
    row["atr"] = s.atr
    row["higher_ns"][0, 0] = max(bar_ns, MINUTE_NS)


@kernel
def ticks(s, p):
    """Mean true range of the last completed minutes (minute lanes: of their own bars), in ticks."""
    return mean_range(s, 0, p.atr)


@kernel
def deviation(s, p, w):
    """Deviation of one-bar changes over the w-th window, in ticks."""
    k = p.volatility[w]
    total = back(s.close, s.n, 0) - back(s.close, s.n, min(k, s.n - 1))
    return math.sqrt(max(summed(s.sum_change2, s.n, k) * k - total * total, 0)) / k


@kernel
def update(s, p, bar, t):
    """Push the running totals."""
    last = last_close(s)
    moved = bar.close - last
    add(s.sum_range, s.n, max(bar.high, last) - min(bar.low, last))
    add(s.sum_change2, s.n, moved * moved)
    add(s.sum_close, s.n, bar.close)
    add(s.sum_close2, s.n, bar.close * bar.close)


@kernel
def write(s, p, bar, t, out, c):
    """Write the columns from c on; returns the next."""
    atr = summed(s.sum_range, s.n, p.atr) / p.atr
    out[c] = atr
    out[c + 1] = 1e4 * atr / bar.close
    k = p.bollinger
    total = summed(s.sum_close, s.n, k)
    wide = math.sqrt(max(summed(s.sum_close2, s.n, k) * k - total * total, 0)) / k
    out[c + 2] = 4.0 * wide
    out[c + 3] = ratio(bar.close - total / k, 2.0 * wide, 0.0)
    c += 4
    for w in range(p.n_volatility):
        out[c] = deviation(s, p, w)
        c += 1
    return c
