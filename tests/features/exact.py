"""A lane's columns by name in double precision, from the first bar on: what formulas are compared with."""

from __future__ import annotations

import numpy as np

from scalper.features import compute, fresh, params
from tests.features.support import Case

VOLATILITY = "volatility_ticks"


def columns(case: Case, first: int = 0) -> dict[str, np.ndarray]:
    """Each column (n,) float64 of a state that starts at bar `first`, before its warm-up too; then the volatility."""
    windows = params(case.settings, case.bar_ns, masked=False)
    state = fresh("MESU21", None, windows)
    block = compute(state, windows, case.bars[first:], case.table, len(case.names), np.float64)
    return dict(zip(case.names, block.x.T.copy(), strict=True)) | {VOLATILITY: block.volatility}
