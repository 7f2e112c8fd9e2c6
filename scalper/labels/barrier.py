# pyright: basic
"""Triple-barrier labels: which side, entered at the close, would have met its target before its stop and in time.

López de Prado, Advances in Financial Machine Learning (2018), chapter 3.4; both sides at once, as we trade both.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalper.compiled import kernel
from scalper.labels.direction import DOWN, FLAT, UP

SHIFT = 4
"""Highs and lows are summed up by blocks of 16 bars, so that a quiet stretch is passed in one step."""
FAR = 1 << 60


@kernel
def _blocks(bars, high, low):
    for b in range(high.size):
        high[b], low[b] = -FAR, FAR
    for i in range(bars.size):
        b = i >> SHIFT
        high[b] = max(high[b], bars[i].high)
        low[b] = min(low[b], bars[i].low)


@kernel
def _touched(bars, high, low, j, last, up, down):
    """The first bar from j to last with a high at or above `up` or a low at or below `down`; beyond last if none."""
    while j <= last:
        b = j >> SHIFT
        after = (b + 1) << SHIFT
        if high[b] >= up or low[b] <= down:
            for k in range(j, min(after, last + 1)):
                if bars[k].high >= up or bars[k].low <= down:
                    return k
        j = after
    return last + 1


@kernel
def barrier(bars: Any, index: Any, last: Any, until: Any, step: int, through: int, rows: Any) -> None:
    """Label the admitted rows by their stop_ticks S and target_ticks T around the close e, over bars up to last.

    The long is stopped by a low ≤ e - S and paid by a high ≥ e + T + through; both in one bar: stopped. The short is
    mirrored. UP if the long is paid, DOWN if the short is; if both, the earlier, in one bar FLAT. FLAT otherwise,
    as soon as both are stopped. move_ticks is T, -T, or for FLAT the last close of its life less e.
    """
    high = np.empty((bars.size >> SHIFT) + 1, np.int64)
    low = np.empty(high.size, np.int64)
    _blocks(bars, high, low)
    for r in range(index.size):
        if rows[r].reason != 0:
            continue
        entry, stop = bars[index[r]].close, rows[r].stop_ticks
        paid = rows[r].target_ticks + through
        long = short = True
        label, j, end = FLAT, index[r], until[r]
        while True:
            up = entry + min(paid if long else FAR, stop if short else FAR)
            down = entry - min(stop if long else FAR, paid if short else FAR)
            j = _touched(bars, high, low, j + 1, last[r], up, down)
            if j > last[r]:
                j = last[r]
                break
            above, below = bars[j].high - entry, entry - bars[j].low
            long, short = long and below < stop, short and above < stop
            bought, sold = long and above >= paid, short and below >= paid
            if bought or sold or not (long or short):
                label = FLAT if bought == sold else UP if bought else DOWN
                end = bars[j].ts_ns
                break
        rows[r].label = label
        rows[r].move_ticks = (
            bars[j].close - entry if label == FLAT else rows[r].target_ticks * (1 if label == UP else -1)
        )
        rows[r].end_ns = end + step
