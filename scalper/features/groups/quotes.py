# pyright: basic
"""Order flow of quotes: the top of the book as the newest bar that tells it left it.

That quote is held for at most HOLD bars; then it lapses to a spread of one tick and no size, so the memory is finite.
Every sum is of integers.
"""

from __future__ import annotations

import numpy as np

from scalper.compiled import kernel
from scalper.features.core import RING, Feature, add, ratio, summed, windows
from scalper.market import QUOTES
from scalper.settings import FeatureSettings

NAME = "quotes"
BIT = 1 << 9
NEEDS: tuple[str, ...] = ()
HOLD = 60
"""Bars after which a quote that no bar renewed has lapsed."""
MILLION = 1_000_000
"""Queue imbalances are summed in whole millionths, so that a window's sum is exact."""

FIELDS = [
    ("qu_at", "i8"),  # bars seen when the held quote was told; 0: none was
    ("qu_spread", "i8"),  # the held quote: ticks, contracts; a spread of 1 and no size when it has lapsed
    ("qu_bid", "i8"),
    ("qu_ask", "i8"),
    ("qu_spreads", "i8", RING),  # running totals: held spread
    ("qu_depths", "i8", RING),  # held bid and ask size
    ("qu_quoted", "i8", RING),  # bars with a held quote
    ("qu_imbalances", "i8", RING),  # held queue imbalance, millionths
    ("qu_flows", "i8", RING),  # order flow imbalance of the bar, contracts
]
PARAMS = [("n_qu_flow", "i8"), ("qu_flow", "i8", 8)]

_SIZES = ("bid_size", "ask_size")
_QUEUE = "Lipton, Pesavento & Sotiropoulos, Trade arrival dynamics and quote imbalance (2013)"
_MICRO = "Stoikov, The micro-price, Quantitative Finance 18 (2018)"
_FLOW = "Cont, Kukanov & Stoikov, The price impact of order book events, J. Financial Econometrics 12 (2014)"


def catalogue(s: FeatureSettings, bar_ns: int) -> list[Feature]:
    """The columns, in the order in which `write` writes them."""
    long = s.flow[-1]
    queue = "(bid size - ask size) / (bid size + ask size)"
    share = f"spread / mean spread of {long}, 1 if that is 0"
    micro = "weighted mid - mid = quote_imbalance x spread / 2"
    rows = [
        Feature("spread", NAME, "ask - bid of the held quote, 1 without one", "ticks", HOLD, inputs=("spread",)),
        Feature(f"spread_{long}", NAME, share, "1", long + HOLD, inputs=("spread",)),
        Feature("quote_age", NAME, f"bars since the quote, at most {HOLD}", "bars", HOLD, inputs=("spread",)),
        Feature("quote_imbalance", NAME, f"{queue}, 0 without a quote", "1", HOLD, inputs=_SIZES, source=_QUEUE),
    ]
    for k in s.flow:
        text = f"mean of {k} quote_imbalance, each rounded to a millionth"
        rows.append(Feature(f"quote_imbalance_{k}", NAME, text, "1", k + HOLD, inputs=_SIZES, source=_QUEUE))
    rows.append(Feature("microprice", NAME, micro, "ticks", HOLD, inputs=("spread", *_SIZES), source=_MICRO))
    for k in s.flow:
        text = f"sum of imbalance over {k} / mean depth of the held quotes, (bid size + ask size) / 2; 0 without one"
        rows.append(Feature(f"ofi_{k}", NAME, text, "depths", k + HOLD, inputs=("imbalance", *_SIZES), source=_FLOW))
    return rows


def fill(row: np.ndarray, s: FeatureSettings, bar_ns: int) -> None:
    """Write the windows into a PARAMS row."""
    windows(row, "qu_flow", s.flow)


@kernel
def _age(s):
    """Bars since the held quote was told, at most HOLD."""
    return min(s.n - s.qu_at, HOLD) if s.qu_at > 0 else HOLD


@kernel
def _imbalance(s):
    """Queue imbalance of the held quote, in [-1, 1]; 0 without one."""
    return ratio(s.qu_bid - s.qu_ask, s.qu_bid + s.qu_ask, 0.0)


@kernel
def update(s, p, bar, t):
    """Take the bar's quote, or let the held one lapse; then the windows."""
    if bar.known & QUOTES:
        s.qu_at = s.n
        s.qu_spread = bar.spread
        s.qu_bid = bar.bid_size
        s.qu_ask = bar.ask_size
    elif _age(s) == HOLD:
        s.qu_spread = 1
        s.qu_bid = 0
        s.qu_ask = 0
    depth = s.qu_bid + s.qu_ask
    add(s.qu_spreads, s.n, s.qu_spread)
    add(s.qu_depths, s.n, depth)
    add(s.qu_quoted, s.n, 1 if depth > 0 else 0)
    add(s.qu_imbalances, s.n, np.int64(np.rint(ratio(MILLION * (s.qu_bid - s.qu_ask), depth, 0.0))))
    add(s.qu_flows, s.n, bar.imbalance)


@kernel
def write(s, p, bar, t, out, c):
    """Write the columns from c on; returns the next."""
    k = p.qu_flow[p.n_qu_flow - 1]
    out[c] = s.qu_spread
    out[c + 1] = ratio(s.qu_spread * k, summed(s.qu_spreads, s.n, k), 1.0)
    out[c + 2] = _age(s)
    out[c + 3] = _imbalance(s)
    c += 4
    for w in range(p.n_qu_flow):
        k = p.qu_flow[w]
        out[c] = summed(s.qu_imbalances, s.n, k) / (MILLION * k)
        c += 1
    out[c] = _imbalance(s) * s.qu_spread / 2
    c += 1
    for w in range(p.n_qu_flow):
        k = p.qu_flow[w]
        quoted = summed(s.qu_quoted, s.n, k)
        out[c] = ratio(2 * summed(s.qu_flows, s.n, k) * quoted, summed(s.qu_depths, s.n, k), 0.0)
        c += 1
    return c
