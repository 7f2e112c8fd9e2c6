# pyright: basic
"""Volume beside its mean, and signed by the direction of prices."""

from __future__ import annotations

import numpy as np

from scalper.compiled import kernel
from scalper.features.core import RING, Feature, add, change, ratio, sign, summed, windows
from scalper.settings import FeatureSettings

NAME = "volume"
BIT = 1 << 6
NEEDS: tuple[str, ...] = ()
FIELDS = [("sum_volume", "i8", RING), ("sum_signed", "i8", RING)]  # running totals
PARAMS = [("n_volume", "i8"), ("volume", "i8", 8), ("obv", "i8")]


def catalogue(s: FeatureSettings, bar_ns: int) -> list[Feature]:
    """The columns, in the order in which `write` writes them."""
    long = s.volume[-1]
    delta = f"sign(close - open) x volume / mean volume of {long}, 0 if none"
    obv = f"sum of sign(change) x volume over {s.obv}, over the sum of volume; 0 if none"
    return [
        *(Feature(f"volume_{k}", NAME, f"volume / mean of {k}, 0 if none", "1", k, inputs=(NAME,)) for k in s.volume),
        Feature("volume_delta", NAME, delta, "1", long, inputs=("open", "close", NAME)),
        Feature("obv", NAME, obv, "1", s.obv + 1, inputs=("close", NAME), source="Granville"),
    ]


def fill(row: np.ndarray, s: FeatureSettings, bar_ns: int) -> None:
    """Write the windows into the parameters. Raises BadInput."""
    windows(row, NAME, s.volume)
    row["obv"] = s.obv


@kernel
def update(s, p, bar, t):
    """Push the running totals."""
    add(s.sum_volume, s.n, bar.volume)
    add(s.sum_signed, s.n, sign(change(s)) * bar.volume)


@kernel
def write(s, p, bar, t, out, c):
    """Write the columns from c on; returns the next."""
    total = 0
    for w in range(p.n_volume):
        k = p.volume[w]
        total = summed(s.sum_volume, s.n, k)
        out[c] = ratio(bar.volume * k, total, 0.0)
        c += 1
    k = p.volume[p.n_volume - 1]
    out[c] = ratio(sign(bar.close - bar.open) * bar.volume * k, total, 0.0)
    out[c + 1] = ratio(summed(s.sum_signed, s.n, p.obv), summed(s.sum_volume, s.n, p.obv), 0.0)
    return c + 2
