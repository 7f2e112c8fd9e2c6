# pyright: basic
"""The clock: time of day and of the week in New York, and the periods of the regular session."""

from __future__ import annotations

import math

import numpy as np

from scalper.compiled import kernel
from scalper.features.core import MINUTE_NS, Feature
from scalper.settings import FeatureSettings

NAME = "time"
BIT = 1 << 2
NEEDS: tuple[str, ...] = ()
FIELDS: list[tuple] = []
PARAMS: list[tuple] = []
WEEK = np.array([(math.sin(2 * math.pi * day / 5), math.cos(2 * math.pi * day / 5)) for day in range(7)])
"""Sine and cosine of each weekday, Monday first."""


def catalogue(s: FeatureSettings, bar_ns: int) -> list[Feature]:
    """The columns, in the order in which `write` writes them."""
    rows = [
        ("to_close", "regular close - end of the bar", "minutes"),
        ("day_sin", "sin(2 pi New York minute / 1440)", "1"),
        ("day_cos", "cos(2 pi New York minute / 1440)", "1"),
        ("week_sin", "sin(2 pi weekday / 5)", "1"),
        ("week_cos", "cos(2 pi weekday / 5)", "1"),
        ("at_open", "bar ends in (09:30, 10:00] New York", "0/1"),
        ("at_lunch", "bar ends in (12:00, 13:30] New York", "0/1"),
        ("at_close", "bar ends in the last 30 minutes of regular hours", "0/1"),
    ]
    return [Feature(name, NAME, formula, unit, 0, inputs=("ts_ns",)) for name, formula, unit in rows]


def fill(row: np.ndarray, s: FeatureSettings, bar_ns: int) -> None:
    """Nothing to choose."""


@kernel
def minute(bar, t):
    """Minutes from midnight of the session's date to the end of the bar, New York: no session changes its clocks."""
    return 570.0 + (bar.ts_ns + t.interval_ns - t.regular_open_ns) / 6e10


@kernel
def update(s, p, bar, t):
    """Nothing to remember."""


@kernel
def write(s, p, bar, t, out, c):
    """Write the columns from c on; returns the next."""
    end, at = bar.ts_ns + t.interval_ns, minute(bar, t)
    day = 2 * math.pi * at / 1440.0
    out[c] = (t.regular_close_ns - end) / 6e10
    out[c + 1] = math.sin(day)
    out[c + 2] = math.cos(day)
    out[c + 3] = WEEK[t.weekday, 0]
    out[c + 4] = WEEK[t.weekday, 1]
    out[c + 5] = 1.0 if 570 < at <= 600 else 0.0
    out[c + 6] = 1.0 if 720 < at <= 810 else 0.0
    out[c + 7] = 1.0 if t.regular_close_ns - 30 * MINUTE_NS < end <= t.regular_close_ns else 0.0
    return c + 8
