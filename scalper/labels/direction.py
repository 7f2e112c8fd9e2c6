# pyright: basic
"""Direction labels: UP, FLAT or DOWN by the close some bars later; none across a halt, a stale gap or the flat time."""

from __future__ import annotations

import numpy as np

from scalper.compiled import kernel

DOWN, FLAT, UP, NONE = 0, 1, 2, -1


@kernel
def _segments(bars, t, stale_ns, segment):
    """Number the stretches of a session that have no halt and no stale gap inside."""
    current, traded_ns = 0, bars[0].ts_ns
    for i in range(bars.size):
        ts = bars[i].ts_ns
        traded = bars[i].carried == 0
        broken = ts - traded_ns - (t.interval_ns if traded else 0) > stale_ns
        for h in range(t.halts.shape[0]):
            broken |= traded_ns < t.halts[h, 0] <= ts or traded_ns < t.halts[h, 1] <= ts
        if traded:
            traded_ns = ts
        if broken:
            current += 1
        segment[i] = current


@kernel
def _direction(bars, t, segment, horizon, threshold, label, move, end_ns):
    for i in range(bars.size):
        j = i + horizon
        label[i] = NONE
        move[i] = np.nan
        end_ns[i] = bars[i].ts_ns + t.interval_ns
        if j >= bars.size or segment[j] != segment[i]:
            continue
        end = bars[j].ts_ns + t.interval_ns
        if end > t.flat_ns:
            continue
        move[i] = bars[j].close - bars[i].close
        end_ns[i] = end
        label[i] = UP if move[i] > threshold else DOWN if move[i] < -threshold else FLAT


def direction(
    bars: np.ndarray, timetable: np.ndarray, *, horizon: int, threshold_ticks: float, stale_s: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Label bars (n,) of BAR: label (n,) int8, move (n,) float64 in ticks (NaN unlabelled), end_ns (n,) int64.

    Bar i is UP if close[i + horizon] - close[i] > threshold, DOWN if below its negative, else FLAT. `end_ns` is when
    that is known. The tail of a session, and what would reach across a halt, a gap without a trade of more than
    `stale_s` seconds, or the flat time, is NONE.
    """
    label = np.empty(bars.size, np.int8)
    move = np.empty(bars.size, np.float64)
    end_ns = np.empty(bars.size, np.int64)
    segment = np.empty(bars.size, np.int64)
    if bars.size:
        _segments(bars, timetable[0], stale_s * 1_000_000_000, segment)
        _direction(bars, timetable[0], segment, horizon, threshold_ticks, label, move, end_ns)
    return label, move, end_ns
