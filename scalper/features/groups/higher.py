# pyright: basic
"""Trend, momentum and range of the last completed bars of coarser intervals (builders.py makes them)."""

from __future__ import annotations

import numpy as np

from scalper.compiled import kernel
from scalper.errors import BadInput
from scalper.features.builders import MASK, SLOTS, mean_range
from scalper.features.core import Feature, interval_ns
from scalper.settings import FeatureSettings

NAME = "higher"
BIT = 1 << 7
NEEDS: tuple[str, ...] = ()
FIELDS: list[tuple] = []
PARAMS: list[tuple] = []
TREND, MOMENTUM = 5, 3  # completed bars that are looked at


def catalogue(s: FeatureSettings, bar_ns: int) -> list[Feature]:
    """The columns, in the order in which `write` writes them."""
    rows: list[Feature] = []
    for name in s.higher:
        warm = (TREND + 2) * (interval_ns(name) // bar_ns)
        text = f"of the last completed {name} bars"
        for column, formula, inputs in (
            ("trend", f"newest close - mean of {TREND} closes {text}", ("close",)),
            ("momentum", f"newest close - close {MOMENTUM} before, {text}", ("close",)),
            ("range", f"mean true range of {TREND} {text}", ("high", "low", "close")),
        ):
            rows.append(Feature(f"{column}_{name}", NAME, formula, "ticks", warm, inputs=inputs))
    return rows


def fill(row: np.ndarray, s: FeatureSettings, bar_ns: int) -> None:
    """Write the intervals into the parameters. Raises BadInput for one twice, or that lane bars do not make up."""
    if len(s.higher) >= SLOTS:
        raise BadInput(f"features.higher: at most {SLOTS - 1} intervals")
    lengths = [interval_ns(name) for name in s.higher]
    if len(set(lengths)) < len(lengths):
        raise BadInput(f"features.higher: {', '.join(s.higher)} names an interval twice; name each once")
    row["n_higher"] = len(s.higher)
    for slot, (name, length) in enumerate(zip(s.higher, lengths, strict=True), 1):
        if length % bar_ns or length <= bar_ns:
            raise BadInput(f"features.higher: {name} is no multiple of the lane's interval; take two bars or more")
        row["higher_ns"][0, slot] = length


@kernel
def trend(s, slot):
    """Newest close of a slot's completed bars - the mean of the last closes; 0 before the first."""
    done = s.b_done[slot]
    k = min(TREND, done)
    total = 0
    for i in range(k):
        total += np.int64(s.b_closes[slot, (done - 1 - i) & MASK])
    return s.b_closes[slot, (done - 1) & MASK] - total / k if k > 0 else 0.0


@kernel
def update(s, p, bar, t):
    """The builders have taken the bar."""


@kernel
def write(s, p, bar, t, out, c):
    """Write the columns from c on; returns the next."""
    for slot in range(1, p.n_higher + 1):
        done = s.b_done[slot]
        before = max(done - 1 - MOMENTUM, 0)
        newest = np.int64(s.b_closes[slot, (done - 1) & MASK])
        out[c] = trend(s, slot)
        out[c + 1] = newest - s.b_closes[slot, before & MASK]
        out[c + 2] = mean_range(s, slot, TREND)
        c += 3
    return c
