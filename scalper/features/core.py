# pyright: basic
"""What every group of features builds on: the description of a column, the rings of the last bars, and their helpers.

Prices are whole ticks and volumes whole contracts, so every sum over a finite window is exact: a window that has filled
holds the same bits whatever came before it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scalper.compiled import kernel
from scalper.errors import BadInput
from scalper.features import builders
from scalper.market import INTERVALS
from scalper.settings import SESSION_NS

RING = 512  # bars kept; a window may be at most RING - 2
MASK = RING - 1
MINUTE_NS = 60_000_000_000
LONGEST = SESSION_NS // MINUTE_NS  # minutes of an interval
RECURSIVE = 8
"""An exponential average over n bars forgets its seed to 1e-7 after 8 n bars."""
KINDS = ("finite", "recursive", "anchored", "context")


@dataclass(frozen=True, slots=True)
class Feature:
    """One column. `warm_up` counts the bars that must have passed; `kind` says how far back the column remembers.

    finite: only the last `warm_up` + 1 bars. recursive: everything, fading. anchored: everything since a fixed time of
    the session. context: the session before too.
    """

    name: str
    group: str
    formula: str
    unit: str
    warm_up: int
    kind: str = "finite"
    inputs: tuple[str, ...] = ()
    """Columns of the bar that it reads."""
    source: str = ""
    """Who described the idea."""
    missing: str = ""
    """Why it may be NaN after the warm-up; only a column of kind context may."""
    margin: str = ""
    """For a recursive column that jumps: the column whose distance to 0, at this bar or the one before, decides it."""


CORE = [
    ("version", "i8"),
    ("params", "u8"),  # digest of the parameters it was made under
    ("n", "i8"),  # bars seen, the present one among them
    ("close", "i4", RING),
    ("high", "i4", RING),
    ("low", "i4", RING),
    ("session_high", "i8"),
    ("session_low", "i8"),
    ("prior_close", "f8"),  # left by the session before, in ticks; NaN without one or after a roll
    ("prior_high", "f8"),
    ("prior_low", "f8"),
    ("prior_range", "f8"),
    ("prior_volatility", "f8"),
    *builders.FIELDS,
]
"""Fields of the state that all groups read."""

CORE_PARAMS = [
    ("digest", "u8"),  # of all that the state depends on, and of the names of the columns
    ("columns", "i8"),  # bits of the groups that are written
    ("updates", "i8"),  # bits of the groups that are updated: those, and what they need
    ("width", "i8"),  # number of columns
    ("warm_up", "i8"),  # rows are NaN up to and including this bar; 0: never
    ("atr", "i8"),  # completed minutes that volatility_ticks is the mean of; bars of the column `atr`
    *builders.PARAMS,
]


@kernel
def back(ring, n, k):
    """Value k bars before the newest (k = 0) of a ring of whole numbers that has seen n values."""
    return np.int64(ring[(n - 1 - k) & MASK])


@kernel
def summed(ring, n, k):
    """Sum of the last k values, of a ring (int64) that holds the running total since the start; k below RING.

    The place k values before the first one still holds the 0 that the state began with: no case for a short history.
    """
    return ring[(n - 1) & MASK] - ring[(n - 1 - k) & MASK]


@kernel
def add(ring, n, value):
    """Push a value, the n-th, on a ring of running totals."""
    ring[(n - 1) & MASK] = ring[(n - 2) & MASK] + value


@kernel
def ratio(a, b, otherwise):
    """a / b, `otherwise` where b is 0."""
    return a / b if b != 0 else otherwise


@kernel
def sign(x):
    """-1, 0 or 1."""
    return 1 if x > 0 else (-1 if x < 0 else 0)


@kernel
def last_close(s):
    """The close before the newest, on the first bar its own; after the push."""
    return back(s.close, s.n, min(1, s.n - 1))


@kernel
def change(s):
    """Close minus the close before it, 0 on the first bar; after the push."""
    return back(s.close, s.n, 0) - last_close(s)


@kernel
def push(s, p, bar, t):
    """Take the bar into the rings and the builders of coarser bars; before any group's update."""
    n = s.n + 1
    i = (n - 1) & MASK
    last = bar.close if n == 1 else np.int64(s.close[(n - 2) & MASK])
    s.n = n
    s.close[i] = bar.close
    s.high[i] = bar.high
    s.low[i] = bar.low
    s.session_high = bar.high if n == 1 else max(s.session_high, bar.high)
    s.session_low = bar.low if n == 1 else min(s.session_low, bar.low)
    builders.build(s, p, bar, t, last)


def windows(row: np.ndarray, key: str, lengths: tuple[int, ...]) -> None:
    """Write windows into the parameters `n_<key>` and `<key>`, which has room for 8 (catalogue.params sees to it)."""
    row[f"n_{key}"] = len(lengths)
    row[key][0, : len(lengths)] = lengths


def interval_ns(name: str, key: str = "higher") -> int:
    """Length of an interval such as `5m` in nanoseconds. Raises BadInput unless it is one of at most a session."""
    if name in INTERVALS:
        return INTERVALS[name]
    if name.endswith("m") and name[:-1].isdecimal() and len(name) <= 5 and 0 < int(name[:-1]) <= LONGEST:
        return int(name[:-1]) * MINUTE_NS
    raise BadInput(f"features.{key}: {name} is no interval; write 1 to {LONGEST} minutes, such as 5m or 15m")
