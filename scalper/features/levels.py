# pyright: basic
"""Levels and zones that completed frame bars leave behind: swings, breaks, order blocks, fair-value gaps, sweeps.

Everything is stamped at the frame bar at which it is KNOWN: a swing `swing` bars after its extreme, a gap at the third
of its bars, a block at the break that makes it one. And everything expires after `memory` frame bars, so that all of
it is remembered finitely however stateful it looks. groups/structure.py makes columns of it.
"""

from __future__ import annotations

import numpy as np

from scalper.compiled import kernel
from scalper.features import builders
from scalper.features.core import ratio

# int64, for each plain constant that is passed on would compile a copy of what it is passed to
HIGHS, LOWS = np.int64(0), np.int64(1)  # sides of a swing; `face` is +1 for highs and -1 for lows
GAP, BLOCK = np.int64(0), np.int64(1)  # kinds of a zone
BOS, CHOCH = 1, 2  # kinds of a break
SWINGS, ZONES, FRAMES = 4, 8, builders.HISTORY  # how many are kept: a power of two each
RANGES = 14  # frame bars whose mean true range is R, the unit of distance

FIELDS = [
    ("st_range", "i8"),  # sum of the last true ranges
    ("st_swings", "i8", 2),  # seen so far, by side
    ("st_price", "i8", (2, SWINGS)),
    ("st_at", "i8", (2, SWINGS)),  # frame bar of the extreme
    ("st_broken", "i8", (2, SWINGS)),
    ("st_swept", "i8", (2, SWINGS)),
    ("st_zones", "i8", 2),  # seen so far, by kind
    ("st_face", "i8", (2, ZONES)),  # +1 bull, -1 bear
    ("st_low", "i8", (2, ZONES)),
    ("st_high", "i8", (2, ZONES)),
    ("st_edge", "i8", (2, ZONES)),  # the near edge of what is still open: of a bull zone the upper one
    ("st_from", "i8", (2, ZONES)),  # frame bar at which it is drawn
    ("st_born", "i8", (2, ZONES)),  # frame bar at which it is known
    ("st_alive", "i8", (2, ZONES)),
    ("st_break", "i8"),  # the last break: its direction, 0 before the first
    ("st_break_kind", "i8"),
    ("st_break_level", "i8"),
    ("st_break_from", "i8"),  # frame bar of the swing that was broken
    ("st_break_at", "i8"),
    ("st_sweep", "i8"),  # the last sweep: +1 below lows, -1 above highs, 0 before the first
    ("st_sweep_level", "i8"),
    ("st_sweep_from", "i8"),
    ("st_sweep_at", "i8"),
]
PARAMS = [
    ("st_swing", "i8"),
    ("st_memory", "i8"),
    ("st_displacement", "f8"),
    ("st_min_gap", "i8"),
    ("st_equal", "i8"),
    ("st_lookback", "i8"),
]


@kernel
def _outer(s, side, j):
    """How far frame bar j reached on a side, in a direction that grows outwards: its high, or minus its low."""
    return s.fr_high[j & 63] if side == HIGHS else -s.fr_low[j & 63]


@kernel
def _true_range(s, j):
    high, low = s.fr_high[j & 63], s.fr_low[j & 63]
    if j > 0:
        last = s.fr_close[(j - 1) & 63]
        high, low = max(high, last), min(low, last)
    return high - low


@kernel
def mean_range(s, done):
    """R after `done` frame bars, of those that there are."""
    return ratio(float(s.st_range), float(min(done, RANGES)), 0.0)


@kernel
def active(s, p, side, i, j):
    """Whether the swing at place i is unbroken and remembered at frame bar j."""
    return s.st_broken[side, i] == 0 and j - s.st_at[side, i] <= p.st_memory


@kernel
def newest(s, p, side, j):
    """Place of the newest active swing at frame bar j, -1 without one."""
    n = s.st_swings[side]
    for back in range(min(n, SWINGS)):
        i = (n - 1 - back) & 3
        if active(s, p, side, i, j):
            return i
    return -1


@kernel
def lives(s, p, kind, i, j):
    """Whether the zone at place i is not used up, and remembered at frame bar j."""
    return s.st_alive[kind, i] == 1 and j - s.st_born[kind, i] <= p.st_memory


@kernel
def _add_zone(s, kind, face, low, high, at, j):
    i = s.st_zones[kind] & 7
    s.st_zones[kind] += 1
    s.st_face[kind, i] = face
    s.st_low[kind, i] = low
    s.st_high[kind, i] = high
    s.st_edge[kind, i] = high if face > 0 else low
    s.st_from[kind, i] = at
    s.st_born[kind, i] = j
    s.st_alive[kind, i] = 1


@kernel
def _shrink_gaps(s, j):
    """Price fills a gap from its near edge; one that is filled is dead."""
    high, low = s.fr_high[j & 63], s.fr_low[j & 63]
    for i in range(min(s.st_zones[GAP], ZONES)):
        if s.st_face[GAP, i] > 0:
            s.st_edge[GAP, i] = min(s.st_edge[GAP, i], low)
            filled = s.st_edge[GAP, i] <= s.st_low[GAP, i]
        else:
            s.st_edge[GAP, i] = max(s.st_edge[GAP, i], high)
            filled = s.st_edge[GAP, i] >= s.st_high[GAP, i]
        if filled:
            s.st_alive[GAP, i] = 0


@kernel
def _pass_blocks(s, j):
    """A close beyond its far edge ends a block; a touch does not: the touch is the feature."""
    close = s.fr_close[j & 63]
    for i in range(min(s.st_zones[BLOCK], ZONES)):
        bull = s.st_face[BLOCK, i] > 0
        if (bull and close < s.st_low[BLOCK, i]) or (not bull and close > s.st_high[BLOCK, i]):
            s.st_alive[BLOCK, i] = 0


@kernel
def _swept(s, p, side, j):
    """Mark the active swings that bar j passed without closing beyond them; the newest one's place, -1 without."""
    face = 1 - 2 * side
    reach, close = _outer(s, side, j), face * s.fr_close[j & 63]
    n, found = s.st_swings[side], -1
    for back in range(min(n, SWINGS) - 1, -1, -1):
        i = (n - 1 - back) & 3
        level = face * s.st_price[side, i]
        if active(s, p, side, i, j) and s.st_swept[side, i] == 0 and reach > level and close <= level:
            s.st_swept[side, i] = 1
            found = i
    return found


@kernel
def _sweeps(s, p, j):
    """The last sweep; a bar that sweeps both sides counts for the side away from its close, or for none."""
    high, low = _swept(s, p, HIGHS, j), _swept(s, p, LOWS, j)
    side, i = (HIGHS, high) if low < 0 else (LOWS, low)
    if high >= 0 and low >= 0:
        body = s.fr_close[j & 63] - s.fr_open[j & 63]
        side, i = (LOWS, low) if body > 0 else (HIGHS, high)
        if body == 0:
            i = -1
    if i >= 0:
        s.st_sweep = 2 * side - 1
        s.st_sweep_level = s.st_price[side, i]
        s.st_sweep_from = s.st_at[side, i]
        s.st_sweep_at = j


@kernel
def _breaks(s, p, j):
    """A close beyond the newest active swing. Every swing left behind is done for: coming back is no sweep of it."""
    close = s.fr_close[j & 63]
    side, i = HIGHS, newest(s, p, HIGHS, j)
    if i < 0 or close <= s.st_price[HIGHS, i]:
        side, i = LOWS, newest(s, p, LOWS, j)
        if i >= 0 and close >= s.st_price[LOWS, i]:
            i = -1
    if i >= 0:
        face = 1 - 2 * side
        turned = s.st_break == -face and j - s.st_break_at <= p.st_memory
        s.st_break = face
        s.st_break_kind = CHOCH if turned else BOS
        s.st_break_level = s.st_price[side, i]
        s.st_break_from = s.st_at[side, i]
        s.st_break_at = j
        _block(s, p, side, j)
    for side in range(2):
        face = 1 - 2 * side
        for i in range(min(s.st_swings[side], SWINGS)):
            if face * (close - s.st_price[side, i]) > 0:
                s.st_broken[side, i] = 1


@kernel
def _block(s, p, side, j):
    """The order block of a break at j: the last bar against it, if the move since the swing was large enough."""
    face, close = 1 - 2 * side, s.fr_close[j & 63]
    first = max(s.st_break_from, j - p.st_lookback)
    depth = _outer(s, 1 - side, j)
    for i in range(first, j):
        depth = max(depth, _outer(s, 1 - side, i))
    if face * close + depth < p.st_displacement * mean_range(s, j):
        return
    for i in range(j - 1, first - 1, -1):
        if face * (s.fr_close[i & 63] - s.fr_open[i & 63]) < 0:
            _add_zone(s, BLOCK, face, s.fr_low[i & 63], s.fr_high[i & 63], i, j)
            return


@kernel
def _gap(s, p, j):
    """A fair-value gap: bars j - 2 and j do not meet, and the one between them went that way."""
    if j < 2:
        return
    body = s.fr_close[(j - 1) & 63] - s.fr_open[(j - 1) & 63]
    for side in range(2):
        face = 1 - 2 * side
        first, last = _outer(s, side, j - 2), -_outer(s, 1 - side, j)
        if face * body > 0 and last - first >= p.st_min_gap:
            low, high = min(face * first, face * last), max(face * first, face * last)
            _add_zone(s, GAP, face, low, high, j - 2, j)


@kernel
def _swing(s, p, side, j):
    """The bar `swing` bars ago is a swing if none around it reached as far; of equals the first."""
    at = j - p.st_swing
    if at < p.st_swing:
        return
    top = _outer(s, side, at)
    for r in range(1, p.st_swing + 1):
        if top <= _outer(s, side, at - r) or top < _outer(s, side, at + r):
            return
    i = s.st_swings[side] & 3
    s.st_swings[side] += 1
    s.st_price[side, i] = (1 - 2 * side) * top
    s.st_at[side, i] = at
    s.st_broken[side, i] = 0
    s.st_swept[side, i] = 0


@kernel
def take(s, p, j):
    """Take completed frame bar j into the structure; what is made here is not yet touched by bar j itself."""
    _shrink_gaps(s, j)
    _pass_blocks(s, j)
    _sweeps(s, p, j)
    _breaks(s, p, j)
    s.st_range += _true_range(s, j)
    if j >= RANGES:
        s.st_range -= _true_range(s, j - RANGES)
    _gap(s, p, j)
    for side in range(2):
        _swing(s, p, side, j)
