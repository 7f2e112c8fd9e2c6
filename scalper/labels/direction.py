# pyright: basic
"""Direction labels: UP, FLAT or DOWN by the close at the end of the horizon."""

from __future__ import annotations

from typing import Any

from scalper.compiled import kernel

DOWN, FLAT, UP, NONE = 0, 1, 2, -1


@kernel
def direction(bars: Any, index: Any, last: Any, until: Any, step: int, threshold: float, rows: Any) -> None:
    """Label the admitted rows: UP if close[t + h] - close[t] > threshold ticks, DOWN below its negative, else FLAT."""
    for r in range(index.size):
        if rows[r].reason != 0:
            continue
        move = bars[last[r]].close - bars[index[r]].close
        rows[r].move_ticks = move
        rows[r].label = UP if move > threshold else DOWN if move < -threshold else FLAT
        rows[r].end_ns = until[r] + step
