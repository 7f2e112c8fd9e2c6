# pyright: basic
"""Order flow of trades: who was the aggressor, how many trades, how large.

What the source does not tell is 0 in the bar, and counts neither above nor below a fraction. Every sum is of integers.
"""

from __future__ import annotations

import numpy as np

from scalper.compiled import kernel
from scalper.features.core import RING, Feature, add, ratio, summed, windows
from scalper.settings import FeatureSettings

NAME = "trades"
BIT = 1 << 8
NEEDS: tuple[str, ...] = ()

FIELDS = [
    ("tr_delta", "i8", RING),  # running totals: bought less sold, contracts
    ("tr_sided", "i8", RING),  # bought and sold
    ("tr_inferred", "i8", RING),  # of these, the part whose side is inferred
    ("tr_trades", "i8", RING),
    ("tr_counted", "i8", RING),  # volume of the bars that tell their trades
    ("tr_day_from_ns", "i8"),  # the anchor of the day's sums
    ("tr_day_delta", "i8"),
    ("tr_day_sided", "i8"),
]
PARAMS = [("n_tr_flow", "i8"), ("tr_flow", "i8", 8)]

_SIDES = ("bid_volume", "ask_volume")
_DELTA = "Chordia & Subrahmanyam, J. Financial Economics 72 (2004)"


def catalogue(s: FeatureSettings, bar_ns: int) -> list[Feature]:
    """The columns, in the order in which `write` writes them."""
    long = s.flow[-1]
    mean = f"volume per trade of {long} bars"
    day = "(bought - sold) / (bought + sold) since 09:30 New York, before it since the open, 0 if none"
    rows = [Feature("delta", NAME, "bought - sold, 0 if not told", "contracts", 0, inputs=_SIDES, source=_DELTA)]
    for k in s.flow:
        text = f"sum(bought - sold) / sum(bought + sold) over {k}, 0 if none"
        rows.append(Feature(f"delta_{k}", NAME, text, "1", k, inputs=_SIDES, source=_DELTA))
    rows.append(Feature("delta_day", NAME, day, "1", 0, "anchored", inputs=_SIDES, source="cumulative delta"))
    for k in s.flow:
        text = f"trades / mean trades of {k}, 0 if none"
        rows.append(Feature(f"trades_{k}", NAME, text, "1", k, inputs=("trades",), source="intensity of trading"))
    size, largest = ("volume", "trades"), ("largest", "volume", "trades")
    return [
        *rows,
        Feature("trade_size", NAME, "volume / trades, 0 if not told", "contracts", 0, inputs=size),
        Feature(f"trade_size_{long}", NAME, f"trade_size / {mean}, 0 if none", "1", long, inputs=size),
        Feature("largest", NAME, "largest trade / volume, 0 if not told", "1", 0, inputs=("largest", "volume")),
        Feature(f"largest_{long}", NAME, f"largest trade / {mean}, 0 if none", "1", long, inputs=largest),
        Feature(
            f"inferred_{long}",
            NAME,
            f"sum(volume whose side is inferred) / sum(bought + sold) over {long}, 0 if none",
            "1",
            long,
            inputs=("inferred_volume", *_SIDES),
            source="how far the sides can be trusted",
        ),
    ]


def fill(row: np.ndarray, s: FeatureSettings, bar_ns: int) -> None:
    """Write the windows into a PARAMS row."""
    windows(row, "tr_flow", s.flow)


@kernel
def update(s, p, bar, t):
    """Take the bar's trades into the windows."""
    moved, sided = bar.ask_volume - bar.bid_volume, bar.ask_volume + bar.bid_volume
    add(s.tr_delta, s.n, moved)
    add(s.tr_sided, s.n, sided)
    add(s.tr_inferred, s.n, bar.inferred_volume)
    add(s.tr_trades, s.n, bar.trades)
    add(s.tr_counted, s.n, bar.volume if bar.trades > 0 else 0)
    anchor = t.regular_open_ns if bar.ts_ns >= t.regular_open_ns else t.open_ns
    if s.tr_day_from_ns != anchor:
        s.tr_day_from_ns = anchor
        s.tr_day_delta = 0
        s.tr_day_sided = 0
    s.tr_day_delta += moved
    s.tr_day_sided += sided


@kernel
def delta(s, p, w):
    """Bought less sold over bought and sold, in the w-th window: in [-1, 1], 0 if none."""
    k = p.tr_flow[w]
    return ratio(summed(s.tr_delta, s.n, k), summed(s.tr_sided, s.n, k), 0.0)


@kernel
def write(s, p, bar, t, out, c):
    """Write the columns from c on; returns the next."""
    out[c] = bar.ask_volume - bar.bid_volume
    c += 1
    for w in range(p.n_tr_flow):
        out[c] = delta(s, p, w)
        c += 1
    out[c] = ratio(s.tr_day_delta, s.tr_day_sided, 0.0)
    c += 1
    for w in range(p.n_tr_flow):
        k = p.tr_flow[w]
        out[c] = ratio(bar.trades * k, summed(s.tr_trades, s.n, k), 0.0)
        c += 1
    k = p.tr_flow[p.n_tr_flow - 1]
    total, counted = summed(s.tr_trades, s.n, k), summed(s.tr_counted, s.n, k)
    out[c] = ratio(bar.volume, bar.trades, 0.0)
    out[c + 1] = ratio(bar.volume * total, bar.trades * counted, 0.0)
    out[c + 2] = ratio(bar.largest, bar.volume, 0.0)
    out[c + 3] = ratio(bar.largest * total, counted, 0.0)
    out[c + 4] = ratio(summed(s.tr_inferred, s.n, k), summed(s.tr_sided, s.n, k), 0.0)
    return c + 5
