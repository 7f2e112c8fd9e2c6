# pyright: basic
"""Accumulation, manipulation, distribution: a night range, the break out of it that fails, the move that follows.

The three phases of a session as the "power of three" of the ICT traders tells them: the range of the Asian night,
the stop run of London, the day's direction in New York. Phase 1 gathers the range, phase 2 begins at the first bar
that leaves it, phase 3 when price either closes beyond the range's middle on the other side (the break was a
manipulation) or closes a whole range's height beyond the broken edge (it was no manipulation).
"""

from __future__ import annotations

from datetime import time

import numpy as np

from scalper.compiled import kernel
from scalper.errors import BadInput
from scalper.features.core import Feature, sign
from scalper.features.groups import volatility
from scalper.settings import FeatureSettings

NAME = "amd"
BIT = 1 << 13
NEEDS: tuple[str, ...] = ()

FIELDS = [
    ("am_phase", "i8"),  # 0 before the window, 1 range, 2 manipulation, 3 distribution
    ("am_high", "i8"),  # ticks: the range
    ("am_low", "i8"),
    ("am_side", "i8"),  # phase 2: the side that broke; phase 3: the direction
]
PARAMS = [("am_from", "i8"), ("am_to", "i8")]  # ns after 09:30 New York

_OPEN = (9 * 60 + 30) * 60  # 09:30 in seconds
_SOURCE = "ICT, power of three"


def catalogue(s: FeatureSettings, bar_ns: int) -> list[Feature]:
    """The columns, in the order in which `write` writes them."""
    span = f"({s.amd.from_:%H:%M}, {s.amd.to:%H:%M}] New York"
    rows = [
        ("amd_phase", f"0 before {span}, 1 inside its range, 2 beyond it, 3 when the direction is known", "0 to 3", 0),
        ("amd_side", "phase 3: the direction; phase 2: half of it, against the side that broke; else 0", "1", 0),
        ("amd_position", "(close - low) / height of the range, in [-3, 4]; 0.5 in phase 0", "1", 0),
        ("amd_range", "height / volatility_ticks, 0 in phase 0 or if still", "1", volatility.warm_up(s, bar_ns)),
    ]
    inputs = ("high", "low", "close", "ts_ns")
    return [Feature(a, NAME, b, c, warm, "anchored", inputs=inputs, source=_SOURCE) for a, b, c, warm in rows]


def _after_open(at: time, key: str) -> int:
    """A wall time of the session, 18:00 to 17:00 New York, in ns after 09:30. Raises BadInput."""
    second = at.hour * 3600 + at.minute * 60 + at.second
    if 17 * 3600 < second < 18 * 3600:
        raise BadInput(f"features.amd.{key}: {at} lies outside the session; take a time from 18:00 to 17:00 New York")
    return (second - _OPEN if second < 18 * 3600 else second - _OPEN - 24 * 3600) * 1_000_000_000


def fill(row: np.ndarray, s: FeatureSettings, bar_ns: int) -> None:
    """Write the window into the parameters. Raises BadInput for a window that is none."""
    start, end = _after_open(s.amd.from_, "from"), _after_open(s.amd.to, "to")
    if start >= end:
        raise BadInput(
            f"features.amd: from {s.amd.from_} to {s.amd.to} is no window of a session from 18:00 to 17:00; "
            "let `from` come before `to`, such as 20:00 and 02:00"
        )
    row["am_from"], row["am_to"] = start, end


@kernel
def update(s, p, bar, t):
    """Move the phases on by one bar; one bar may end phase 1 and phase 2."""
    at = bar.ts_ns + t.interval_ns - t.regular_open_ns
    if at <= p.am_from or s.am_phase == 3:
        return
    if at <= p.am_to:
        s.am_high = bar.high if s.am_phase == 0 else max(s.am_high, bar.high)
        s.am_low = bar.low if s.am_phase == 0 else min(s.am_low, bar.low)
        s.am_phase = 1
        return
    beyond = 2 * bar.close - s.am_high - s.am_low  # twice the way from the middle
    if s.am_phase == 1:
        above, below = bar.high > s.am_high, bar.low < s.am_low
        # both: the side on which the bar closes; in the very middle the question stays open
        s.am_side = sign(beyond) if above and below else int(above) - int(below)
        if s.am_side != 0:
            s.am_phase = 2
    if s.am_phase == 2:
        height = max(s.am_high - s.am_low, 1)
        edge = s.am_high if s.am_side > 0 else s.am_low
        if beyond * s.am_side < 0:
            s.am_phase = 3
            s.am_side = -s.am_side
        elif (bar.close - edge) * s.am_side >= height:
            s.am_phase = 3


@kernel
def side(s, p):
    """Direction of the session in [-1, 1]: half as sure before it is known."""
    if s.am_phase == 3:
        return float(s.am_side)
    return -0.5 * s.am_side if s.am_phase == 2 else 0.0


@kernel
def write(s, p, bar, t, out, c):
    """Write the columns from c on; returns the next."""
    height = max(s.am_high - s.am_low, 1)
    out[c] = s.am_phase
    out[c + 1] = side(s, p)
    if s.am_phase == 0:
        out[c + 2] = 0.5
        out[c + 3] = 0.0
    else:
        out[c + 2] = min(max((bar.close - s.am_low) / height, -3.0), 4.0)
        ticks = volatility.ticks(s, p)
        out[c + 3] = height / ticks if ticks > 0 else 0.0
    return c + 4
