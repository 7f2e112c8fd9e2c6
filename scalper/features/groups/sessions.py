# pyright: basic
"""Sessions of the world's trading day, by the New York time at which the bar ends."""

from __future__ import annotations

import numpy as np

from scalper.compiled import kernel
from scalper.features.core import Feature
from scalper.features.groups import time
from scalper.settings import FeatureSettings

NAME = "sessions"
BIT = 1 << 12
NEEDS: tuple[str, ...] = ()
FIELDS: list[tuple] = []
PARAMS: list[tuple] = []

_ASIA, _LONDON, _NEW_YORK, _END = -360, 120, 510, 960
"""18:00 of the evening, 02:00, 08:30 and 16:00 in minutes after midnight, New York."""


def catalogue(s: FeatureSettings, bar_ns: int) -> list[Feature]:
    """The columns, in the order in which `write` writes them."""
    hours = {"in_asia": "(18:00, 02:00]", "in_london": "(02:00, 08:30]", "in_new_york": "(08:30, 16:00]"}
    return [
        Feature(name, NAME, f"bar ends in {span} New York", "0/1", 0, inputs=("ts_ns",)) for name, span in hours.items()
    ]


def fill(row: np.ndarray, s: FeatureSettings, bar_ns: int) -> None:
    """Nothing to set: the hours are the market's."""


@kernel
def update(s, p, bar, t):
    """Nothing to remember: the clock is in the bar."""


@kernel
def write(s, p, bar, t, out, c):
    """Write the columns from c on; returns the next."""
    at = time.minute(bar, t)
    out[c] = 1.0 if _ASIA < at <= _LONDON else 0.0
    out[c + 1] = 1.0 if _LONDON < at <= _NEW_YORK else 0.0
    out[c + 2] = 1.0 if _NEW_YORK < at <= _END else 0.0
    return c + 3
