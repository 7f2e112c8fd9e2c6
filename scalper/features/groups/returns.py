# pyright: basic
"""Returns and log returns over the lane's windows."""

from __future__ import annotations

import math

import numpy as np

from scalper.compiled import kernel
from scalper.features.core import Feature, back, windows
from scalper.settings import FeatureSettings

NAME = "returns"
BIT = 1 << 0
NEEDS: tuple[str, ...] = ()
FIELDS: list[tuple] = []
PARAMS = [("n_returns", "i8"), ("returns", "i8", 8)]


def catalogue(s: FeatureSettings, bar_ns: int) -> list[Feature]:
    """The columns, in the order in which `write` writes them."""
    rows: list[Feature] = []
    for k in s.returns:
        rows.append(Feature(f"return_{k}", NAME, f"close / close[-{k}] - 1", "bp", k, inputs=("close",)))
        rows.append(Feature(f"log_return_{k}", NAME, f"ln(close / close[-{k}])", "bp", k, inputs=("close",)))
    return rows


def fill(row: np.ndarray, s: FeatureSettings, bar_ns: int) -> None:
    """Write the windows into the parameters. Raises BadInput."""
    windows(row, NAME, s.returns)


@kernel
def update(s, p, bar, t):
    """Nothing to remember but the ring of closes."""


@kernel
def write(s, p, bar, t, out, c):
    """Write the columns from c on; returns the next."""
    for w in range(p.n_returns):
        moved = bar.close / back(s.close, s.n, min(p.returns[w], s.n - 1))
        out[c] = 1e4 * (moved - 1.0)
        out[c + 1] = 1e4 * math.log(moved)
        c += 2
    return c
