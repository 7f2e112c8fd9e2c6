# pyright: basic
"""Market structure: columns of the levels and zones that completed frame bars left behind (levels.py).

A column remembers three memories: it looks at a break of the last M frame bars, that one's kind at the break before it,
and a break at swings of M bars. With the neighbours of a swing that is the warm-up, and all but the last is finite.

Sources of the ideas: B. Williams, Trading Chaos (the fractal); breaks, blocks, gaps and sweeps as traders of the
"inner circle" school describe them. The definitions are our own, made causal; docs/features.md has them in full.
"""

from __future__ import annotations

import numpy as np

from scalper.compiled import kernel
from scalper.errors import BadInput
from scalper.features import levels
from scalper.features.core import MINUTE_NS, Feature, interval_ns, ratio
from scalper.features.levels import BLOCK, BOS, CHOCH, FRAMES, GAP, HIGHS, LOWS, RANGES, SWINGS, ZONES
from scalper.settings import FeatureSettings

NAME = "structure"
BIT = 1 << 10
NEEDS: tuple[str, ...] = ()
FIELDS, PARAMS = levels.FIELDS, levels.PARAMS

FAR = 10.0  # no distance is longer, in R
WILLIAMS, ICT = "Williams, Trading Chaos", "ICT, made causal"
INPUTS = ("open", "high", "low", "close")


def frame_ns(s: FeatureSettings, bar_ns: int) -> int:
    """Length of a frame bar. Raises BadInput where it is no multiple of the lane's interval."""
    length = interval_ns(s.frame, "frame") if s.frame else max(bar_ns, MINUTE_NS)
    if length % bar_ns:
        fits = f"{max(bar_ns // MINUTE_NS, 1)}m"
        raise BadInput(f"features.frame: {s.frame} is no multiple of the lane's interval; take one, such as {fits}")
    return length


def catalogue(s: FeatureSettings, bar_ns: int) -> list[Feature]:
    """Twenty columns. Their unit R is the mean true range of the last 14 frame bars; no distance is above 10 R."""
    one = s.structure
    warm = (3 * one.memory + 2 * one.swing + 4) * (frame_ns(s, bar_ns) // bar_ns)
    fade = f"x (1 - age / {one.memory + 1})"
    pool = f"other active swings at most {one.equal} {'tick' if one.equal == 1 else 'ticks'} from the newest swing"
    pair = "(close - swing low) / (swing high - swing low), in [-1, 2], 0.5 without both"
    rows = [
        ("swing_high", "close - newest active swing high, 0 without", "R", WILLIAMS),
        ("swing_low", "close - newest active swing low, 0 without", "R", WILLIAMS),
        ("swing_high_age", f"frame bars since the newest active swing high / {one.memory}, 1 without", "1", WILLIAMS),
        ("swing_low_age", f"frame bars since the newest active swing low / {one.memory}, 1 without", "1", WILLIAMS),
        ("swing_position", pair, "1", WILLIAMS),
        ("structure_trend", f"direction of the last break, 0 if older than {one.memory} frame bars", "-1/0/1", ICT),
        ("bos", f"direction of the last break {fade}, 0 if it turned", "1", ICT),
        ("choch", f"direction of the last break {fade}, 0 unless it turned", "1", ICT),
        ("break_level", "close - level of the last break, 0 without", "R", ICT),
        *_zone_columns("block", "order block"),
        *_zone_columns("gap", "fair-value gap"),
        ("gap_balance", "(bull - bear) / (bull + bear), of active fair-value gaps, 0 without", "1", ICT),
        ("sweep", f"last sweep, +1 of lows and -1 of highs, {fade}", "1", ICT),
        ("equal_highs", f"{pool} high", "count", ICT),
        ("equal_lows", f"{pool} low", "count", ICT),
    ]
    columns = [Feature(name, NAME, text, unit, warm, "finite", INPUTS, source) for name, text, unit, source in rows]
    prior = "+1 if the session was below the low of the one before and close is above it; -1 for its high; 0 without"
    return [*columns, Feature("prior_sweep", NAME, prior, "-1/0/1", 0, "context", ("high", "low", "close"), ICT)]


def _zone_columns(what: str, words: str) -> list[tuple[str, str, str, str]]:
    return [
        (f"{what}_bull", f"close - nearest active bull {words}, 0 inside, 10 without", "R", ICT),
        (f"{what}_bear", f"nearest active bear {words} - close, 0 inside, 10 without", "R", ICT),
        (f"{what}_inside", f"+1 inside an active bull {words}, -1 bear, of several the newest; else 0", "-1/0/1", ICT),
    ]


def fill(row: np.ndarray, s: FeatureSettings, bar_ns: int) -> None:
    """The group's parameters. Raises BadInput where a setting does not fit the rings or the claim that all expires."""
    one = s.structure
    if one.lookback + RANGES + 1 > 2 * one.memory:
        raise BadInput(
            f"features.structure: lookback {one.lookback} needs a memory of at least "
            f"{-(-(one.lookback + RANGES + 1) // 2)}, not {one.memory}"
        )
    if 2 * one.swing + 1 >= FRAMES or one.lookback >= FRAMES:
        raise BadInput(f"features.structure: swing is at most {FRAMES // 2 - 1} and lookback at most {FRAMES - 1}")
    if one.swing >= one.memory:
        raise BadInput(
            f"features.structure: a swing is known {one.swing} frame bars after its extreme (swing), and would be "
            f"forgotten by then (memory {one.memory}); make swing smaller or memory longer"
        )
    row["frame_ns"] = frame_ns(s, bar_ns)
    for key in ("swing", "memory", "displacement", "min_gap", "equal", "lookback"):
        row[f"st_{key}"] = getattr(one, key)


@kernel
def update(s, p, bar, t):
    """Take the frame bars that completed on this bar, the oldest first."""
    for late in range(s.fr_done - 1, -1, -1):
        levels.take(s, p, s.fr_n - 1 - late)


@kernel
def _price(s, p, side):
    """Price of the newest active swing in ticks, 0 without one."""
    i = levels.newest(s, p, side, s.fr_n - 1)
    return s.st_price[side, i] if i >= 0 else 0


@kernel
def swing_high(s, p):
    """Price of the newest active swing high in ticks, 0 without one: a short's stop lies beyond it."""
    return _price(s, p, HIGHS)


@kernel
def swing_low(s, p):
    """Price of the newest active swing low in ticks, 0 without one: a long's stop lies beyond it."""
    return _price(s, p, LOWS)


@kernel
def _faded(s, p, direction, at):
    """The direction of an event, falling to 0 when it is older than the memory; never -0.0."""
    age = s.fr_n - 1 - at
    return direction * (1.0 - age / (p.st_memory + 1.0)) if direction != 0 and age <= p.st_memory else 0.0


@kernel
def trend(s, p):
    """Direction of the last break, 0 if it is too old."""
    return s.st_break if s.fr_n - 1 - s.st_break_at <= p.st_memory else 0


@kernel
def break_(s, p):
    """bos + choch: direction of the last break, fading."""
    return _faded(s, p, s.st_break, s.st_break_at)


@kernel
def sweep(s, p):
    """Direction of the last sweep, fading."""
    return _faded(s, p, s.st_sweep, s.st_sweep_at)


@kernel
def _zones(s, p, kind, close):
    """Ticks to the nearest bull and bear zone (-1 without), the side of the newest that holds price, how many each."""
    n, j = s.st_zones[kind], s.fr_n - 1
    bull, bear, inside, bulls, bears = -1, -1, 0, 0, 0
    for back in range(min(n, ZONES)):
        i = (n - 1 - back) & 7
        if not levels.lives(s, p, kind, i, j):
            continue
        low, high = s.st_low[kind, i], s.st_high[kind, i]
        if inside == 0 and low <= close <= high:
            inside = s.st_face[kind, i]
        if s.st_face[kind, i] > 0:
            bulls += 1
            away = max(close - s.st_edge[kind, i], 0)
            if close >= low and (bull < 0 or away < bull):
                bull = away
        else:
            bears += 1
            away = max(s.st_edge[kind, i] - close, 0)
            if close <= high and (bear < 0 or away < bear):
                bear = away
    return bull, bear, inside, bulls, bears


@kernel
def _distance(ticks, r):
    """Ticks in R, at most 10 either way, 0 while R is."""
    return min(max(ratio(float(ticks), r, 0.0), -FAR), FAR)


@kernel
def _pool(s, p, side, newest):
    """How many other active swings lie within `equal` ticks of the newest."""
    found = 0
    if newest >= 0:
        for i in range(min(s.st_swings[side], SWINGS)):
            near = abs(s.st_price[side, i] - s.st_price[side, newest]) <= p.st_equal
            if i != newest and near and levels.active(s, p, side, i, s.fr_n - 1):
                found += 1
    return found


@kernel
def _write_swings(s, p, close, r, high, low, out, c):
    j = s.fr_n - 1
    top, bottom = s.st_price[HIGHS, high], s.st_price[LOWS, low]
    out[c] = _distance(close - top, r) if high >= 0 else 0.0
    out[c + 1] = _distance(close - bottom, r) if low >= 0 else 0.0
    out[c + 2] = (j - s.st_at[HIGHS, high]) / p.st_memory if high >= 0 else 1.0
    out[c + 3] = (j - s.st_at[LOWS, low]) / p.st_memory if low >= 0 else 1.0
    place = 0.5
    if high >= 0 and low >= 0:
        place = ratio(float(close - bottom), float(top - bottom), 0.5)
    out[c + 4] = min(max(place, -1.0), 2.0)
    return c + 5


@kernel
def _write_breaks(s, p, close, r, out, c):
    moved = break_(s, p)
    known = trend(s, p) != 0
    out[c] = trend(s, p)
    out[c + 1] = moved if s.st_break_kind == BOS else 0.0
    out[c + 2] = moved if s.st_break_kind == CHOCH else 0.0
    out[c + 3] = _distance(close - s.st_break_level, r) if known else 0.0
    return c + 4


@kernel
def _write_zones(s, p, kind, close, r, out, c):
    bull, bear, inside, bulls, bears = _zones(s, p, kind, close)
    out[c] = _distance(bull, r) if bull >= 0 else FAR
    out[c + 1] = _distance(bear, r) if bear >= 0 else FAR
    out[c + 2] = inside
    if kind == BLOCK:
        return c + 3
    out[c + 3] = ratio(float(bulls - bears), float(bulls + bears), 0.0)
    return c + 4


@kernel
def write(s, p, bar, t, out, c):
    """The group's columns from c on; returns the place after them."""
    r = levels.mean_range(s, s.fr_n)
    high, low = levels.newest(s, p, HIGHS, s.fr_n - 1), levels.newest(s, p, LOWS, s.fr_n - 1)
    c = _write_swings(s, p, bar.close, r, high, low, out, c)
    c = _write_breaks(s, p, bar.close, r, out, c)
    c = _write_zones(s, p, BLOCK, bar.close, r, out, c)
    c = _write_zones(s, p, GAP, bar.close, r, out, c)
    out[c] = sweep(s, p)
    out[c + 1] = _pool(s, p, HIGHS, high)
    out[c + 2] = _pool(s, p, LOWS, low)
    below = 1 if s.session_low < s.prior_low and bar.close > s.prior_low else 0
    above = 1 if s.session_high > s.prior_high and bar.close < s.prior_high else 0
    out[c + 3] = below - above
    return c + 4
