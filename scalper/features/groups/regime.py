# pyright: basic
"""Regime: does the market trend, wander or revert; how predictable its last bars were; do its horizons agree.

Everything is made of integers over the last `window` one-bar changes, taken in and let go one bar at a time, so a
filled window holds the same bits whatever came before it. Rescaled range and detrended fluctuation would cost a pass
over the window at every bar; the growth of squared changes with the lag tells the same exponent by one step a bar.
"""

from __future__ import annotations

import math

import numpy as np

from scalper.compiled import kernel
from scalper.errors import BadInput
from scalper.features.core import MASK, RING, Feature, back, ratio, sign, summed
from scalper.features.groups import higher, volatility
from scalper.settings import FeatureSettings

NAME = "regime"
BIT = 1 << 11
NEEDS = ("volatility", "higher")

LAGS = 4  # lags 2, 4, 8, 16; lag 1 is the volatility's
LEAST = 32  # changes in the window: twice the longest lag
WORDS = 9  # pairs of signs; of orders there are 6, numbered below 8

FIELDS = [
    ("re_square", "i8", LAGS),  # a lag: sum of the squared changes over it that lie inside the window
    ("re_path", "i8"),  # sum of |one-bar change|
    ("re_word", "u1", RING),  # order and pair of signs of the three closes that end at a bar
    ("re_orders", "i8", WORDS),  # how often each order occurs in the window
    ("re_pairs", "i8", WORDS),  # how often each pair of successive signs of change occurs
]
PARAMS = [("re_window", "i8"), ("re_log", "f8")]  # ln of the words in the window

_COUNTS = np.arange(RING, dtype=np.float64)
_TERMS = _COUNTS * np.log(np.maximum(_COUNTS, 1.0))
"""c ln c of every count that a window can hold; a constant of the kernel."""
_LN6, _LN9, _SLOPE = math.log(6.0), math.log(9.0), 20.0 * math.log(2.0)


def catalogue(s: FeatureSettings, bar_ns: int) -> list[Feature]:
    """The columns, in the order in which `write` writes them."""
    n, short, long = s.regime.window, s.volatility[0], s.volatility[-1]
    warm = {one.name: one.warm_up for one in (*volatility.catalogue(s, bar_ns), *higher.catalogue(s, bar_ns))}
    trends = [f"trend_{name}" for name in s.higher]
    ratios = [
        (
            f"variance_ratio_{q}",
            f"unbiased variance of {q}-bar changes / ({q} x that of changes), over {n} changes; 1 if that is 0",
            n,
            "Lo & MacKinlay 1988, overlapping changes",
        )
        for q in (2, 4, 8)
    ]
    growth = f"half the slope of ln(mean squared change over q bars) on ln q, q 1 to 16, {n} changes"
    votes = "".join(f", sign({name})" for name in trends)
    rows = [
        *ratios,
        ("hurst", f"{growth}; in [0, 1], 0.5 if still", n, "Di Matteo 2007, generalised exponent of order 2"),
        ("entropy", f"of the orders of 3 successive closes (ties by time) of {n + 1}, / ln 6", n, "Bandt & Pompe 2002"),
        ("entropy_sign", f"of the pairs of successive signs of change, {n} changes, / ln 9", n, "Shannon 1948"),
        ("efficiency", f"|close - close[-{n}]| / sum of |change|, 0 if still", n, "Kaufman 1995"),
        ("volatility_ratio", f"volatility_{short} / volatility_{long}, 1 if that is 0", warm[f"volatility_{long}"], ""),
        (
            "agreement",
            f"mean of sign(close - mean of {n} closes){votes}",
            max(n, *(warm[name] for name in trends)) if trends else n,
            "",
        ),
    ]
    return [Feature(a, NAME, b, "1", at, inputs=("close",), source=of) for a, b, at, of in rows]


def fill(row: np.ndarray, s: FeatureSettings, bar_ns: int) -> None:
    """Write the window into the parameters. Raises BadInput for a window that the ring or the lags do not fit."""
    n = s.regime.window
    if not LEAST <= n <= RING - 2:
        raise BadInput(f"features.regime.window: {n} is not between {LEAST} and {RING - 2} bars")
    row["re_window"], row["re_log"] = n, math.log(n - 1)


@kernel
def _word(a, b, c):
    """Order of three closes, oldest first, of equals the earlier is less; and the signs of both changes, times 16."""
    return 4 * (a > b) + 2 * (a > c) + (b > c) + 16 * (3 * sign(b - a) + sign(c - b) + 4)


@kernel
def update(s, p, bar, t):
    """Take the newest changes and the newest word in, and let those go that leave the window."""
    n, k = s.n, p.re_window
    last, before = back(s.close, n, 1), back(s.close, n, 2)
    s.re_word[(n - 1) & MASK] = _word(before, last, bar.close)
    if n > k + 1:
        first = back(s.close, n, k + 1)
        s.re_path += abs(bar.close - last) - abs(back(s.close, n, k) - first)
        old = s.re_word[(n - k) & MASK]
        s.re_orders[old & 15] -= 1
        s.re_pairs[old >> 4] -= 1
        for i in range(LAGS):
            q = 2 << i
            new, gone = bar.close - back(s.close, n, q), back(s.close, n, k + 1 - q) - first
            s.re_square[i] += new * new - gone * gone
    else:
        s.re_path += abs(bar.close - last) if n > 1 else 0
        for i in range(LAGS):
            if n > 2 << i:
                s.re_square[i] += (bar.close - back(s.close, n, 2 << i)) ** 2
    if n > 2:
        new = s.re_word[(n - 1) & MASK]
        s.re_orders[new & 15] += 1
        s.re_pairs[new >> 4] += 1


@kernel
def _squares(s, p, i):
    """Sum of the squared changes over 2 ** i bars inside the window."""
    return summed(s.sum_change2, s.n, p.re_window) if i == 0 else s.re_square[i - 1]


@kernel
def _write_ratios(s, p, out, c):
    """Variance ratios; both variances are exact integers until they are divided, the one by the other."""
    n, now = p.re_window, s.n
    move = back(s.close, now, 0) - back(s.close, now, n)
    closes = summed(s.sum_close, now, n + 1)
    one = n * n * _squares(s, p, 0) - n * move * move
    for i in range(1, 4):
        q = 1 << i
        count = n - q + 1
        # the changes over q bars add up to the last q closes of the window less the first q
        moves = summed(s.sum_close, now, q) + summed(s.sum_close, now, count) - closes
        many = n * n * _squares(s, p, i) - 2 * q * n * move * moves + count * q * q * move * move
        out[c] = ratio(many * (n * (n - 1.0)), one * (q * count * (n - q) * 1.0), 1.0)
        c += 1
    return c


@kernel
def hurst(s, p):
    """Half the least-squares slope over five equally spaced logarithms, which is one logarithm of a product."""
    n = p.re_window
    for i in range(LAGS + 1):
        if _squares(s, p, i) == 0:
            return 0.5
    wide = n * _squares(s, p, 4) / ((n - 15) * _squares(s, p, 0))
    near = (n - 1) * _squares(s, p, 3) / ((n - 7) * _squares(s, p, 1))
    return min(max(math.log(wide * wide * near) / _SLOPE, 0.0), 1.0)


@kernel
def _entropy(counts, p, most):
    """Shannon's entropy of the words that fell on `counts`, as a share of `most`."""
    total = 0.0
    for i in range(WORDS):
        total += _TERMS[counts[i]]
    return min(max((p.re_log - total / (p.re_window - 1)) / most, 0.0), 1.0)


@kernel
def agreement(s, p, bar):
    """Mean direction of the window and of the completed bars of each higher interval, in [-1, 1]."""
    total = sign(p.re_window * bar.close - summed(s.sum_close, s.n, p.re_window))
    for slot in range(1, p.n_higher + 1):
        total += sign(higher.trend(s, slot))
    return total / (p.n_higher + 1)


@kernel
def write(s, p, bar, t, out, c):
    """Write the columns from c on; returns the next."""
    c = _write_ratios(s, p, out, c)
    # computed before they are stored: for all the compiler knows, the row might be part of the state
    exponent = hurst(s, p)
    orders, pairs = _entropy(s.re_orders, p, _LN6), _entropy(s.re_pairs, p, _LN9)
    straight = ratio(abs(bar.close - back(s.close, s.n, p.re_window)), s.re_path, 0.0)
    grown = ratio(volatility.deviation(s, p, 0), volatility.deviation(s, p, p.n_volatility - 1), 1.0)
    votes = agreement(s, p, bar)
    out[c], out[c + 1], out[c + 2] = exponent, orders, pairs
    out[c + 3], out[c + 4], out[c + 5] = straight, grown, votes
    return c + 6
