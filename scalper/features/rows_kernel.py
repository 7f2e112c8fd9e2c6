# pyright: basic
"""The rows of a session that are kept, straight from its traded bars: what files of features are made by.

The step is `update` and `write`, as everywhere. Seconds without a trade are stepped over as market.carry would have
filled them, but stand in no array; a row that nobody keeps is not written.
"""

from __future__ import annotations

from typing import Any

from scalper.compiled import kernel
from scalper.features.kernel import update, write
from scalper.market import INTERVALS

SECOND_NS = INTERVALS["1s"]


@kernel
def _until(t: Any, ts_ns: int, following: int) -> int:
    """Up to when the close of a bar is carried: to the next traded bar, or to a scheduled halt between the two."""
    until = following
    for h in range(t.halts.shape[0]):
        if following > t.halts[h, 0] and ts_ns < t.halts[h, 1]:
            until = min(until, t.halts[h, 0])
    return until


@kernel
def scan_rows(s: Any, p: Any, bars: Any, t: Any, carried: Any, row: Any, cols: Any, aux: Any, index: Any) -> int:
    """Step over a session's TRADED bars (n,) BAR, ascending, from the state s (1,) on; returns m, the rows kept.

    In a one-second lane the seconds between them are stepped over too, on `carried`, (1,) BAR of zeros. Kept are the
    traded bars in trade_from..trade_to after the warm-up: the first m of index get their places in `bars`, of aux their
    AUX, and of each column of cols (f, at least m) float32 their features, by way of `row` (f,), as everywhere: to
    write right into the columns would compile every `write` again.
    """
    state, windows, times, filler = s[0], p[0], t[0], carried[0]
    step, kept = times.interval_ns, 0
    filler.carried = 1
    for i in range(bars.size):
        bar = bars[i]
        update(state, windows, bar, times)
        inside = bar.ts_ns >= times.trade_from_ns and bar.ts_ns + step <= times.trade_to_ns
        if inside and state.n > windows.warm_up:
            write(state, windows, bar, times, row, aux[kept])
            for column in range(row.size):
                cols[column, kept] = row[column]
            index[kept] = i
            kept += 1
        if step == SECOND_NS and i + 1 < bars.size:
            until = _until(times, bar.ts_ns, bars[i + 1].ts_ns)
            filler.open = bar.close
            filler.high = bar.close
            filler.low = bar.close
            filler.close = bar.close
            ts_ns = bar.ts_ns + step
            while ts_ns < until:  # a range by a step that is no constant would divide
                filler.ts_ns = ts_ns
                update(state, windows, filler, times)
                ts_ns += step
    return kept
