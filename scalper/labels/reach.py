# pyright: basic
"""Which rows may have a label: those whose whole horizon is one stretch of trading that ends by the flat time.

Decided by the clock and by where trades are, never by prices: a row near the end that was admitted only because a
barrier was hit early would make the classes depend on the hour.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalper.compiled import kernel

LABELLED, SESSION_ENDS, HALT, STALE_GAP, FLAT_TIME = 0, 1, 2, 3, 4


@kernel
def _halted(t, ts, end):
    """Whether any of [ts, end) is halted."""
    found = False
    for h in range(t.halts.shape[0]):
        found |= ts < t.halts[h, 1] and end > t.halts[h, 0]
    return found


@kernel
def reach(
    bars: Any, index: Any, t: Any, horizon: int, stale_ns: int, carries: bool, reason: Any, last: Any, until: Any
) -> None:
    """For each row bars[index] of traded bars (n,): reason (m,), last (m,) bar of its horizon, start of its last slot.

    `carries` (one-second lanes): the horizon is a time, each second without a trade counts as a bar, as if it had been
    carried. Otherwise the horizon counts bars, and last is the horizon's end. index ascends.
    """
    n, step = bars.size, t.interval_ns
    gaps = np.zeros(n, np.int64)  # stale gaps before each bar
    for i in range(1, n):
        gaps[i] = gaps[i - 1] + (bars[i].ts_ns - bars[i - 1].ts_ns - step > stale_ns)
    j = 0
    for r in range(index.size):
        i = index[r]
        ts = bars[i].ts_ns
        aim = ts + horizon * step
        if carries:
            j = max(i, j)
            while j + 1 < n and bars[j + 1].ts_ns <= aim:
                j += 1
            there = bars[n - 1].ts_ns >= aim
        else:
            j = min(i + horizon, n - 1)
            there = i + horizon < n
            if there:
                aim = bars[j].ts_ns
        last[r] = j
        until[r] = aim
        if aim + step > t.flat_ns:
            reason[r] = FLAT_TIME
        elif _halted(t, ts, aim + step):
            reason[r] = HALT
        elif not there:
            reason[r] = SESSION_ENDS
        elif gaps[j] != gaps[i] or aim - bars[j].ts_ns > stale_ns:
            reason[r] = STALE_GAP
        else:
            reason[r] = LABELLED
