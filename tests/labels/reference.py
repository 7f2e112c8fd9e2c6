"""Labels by plain reading of the rules, over carried bars, one row at a time; and sessions to label."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from scalper.market import BAR, INTERVALS, carry, session
from scalper.settings import LabelSettings, Lane

SECOND, MINUTE = INTERVALS["1s"], INTERVALS["1m"]
DAY = session("MES", date(2021, 6, 25))
"""A Friday with a pause from 16:15 to 16:30; flat at 15:45."""
Found = tuple[int, int, float, int, float, int, int]
"""label, reason, move, end, weight, stop, target."""


def table(interval: str, *, flat_ns: int | None = None) -> np.ndarray:
    """The timetable of DAY; `flat_ns` moves the flat time, so that labels meet the pause."""
    lane = Lane(name="l", symbol="MES", source="import", interval=interval, start=date(2021, 1, 4))  # type: ignore[arg-type]
    found = lane.timetable(DAY)
    if flat_ns is not None:
        found["flat_ns"] = flat_ns
    return found


def naive(
    traded: np.ndarray, index: Sequence[int], volatility: np.ndarray, t: np.ndarray, s: LabelSettings, stale_s: int
) -> list[Found]:
    """The labels of traded[index]: seconds without a trade are carried first, then every row looks for itself."""
    step = int(t["interval_ns"][0])
    full = carry(traded, DAY, step) if step == SECOND else traded
    bars = Columns(*(full[name].tolist() for name in ("ts_ns", "high", "low", "close", "carried")))
    at = [i for i, carried in enumerate(bars.carried) if not carried]
    made: list[tuple[int, int, int, float, int, int, int]] = []
    for i, ticks in zip((at[k] for k in index), volatility.tolist(), strict=True):
        stop, target = barriers(s, ticks)
        reason = why(bars, i, t, s.horizon, stale_s)
        label, move, j = -1, float("nan"), i
        if reason == 0 and s.kind == "direction":
            j = i + s.horizon
            move = float(bars.close[j] - bars.close[i])
            label = 2 if move > s.threshold_ticks else 0 if move < -s.threshold_ticks else 1
        elif reason == 0:
            label, move, j = first_barrier(bars, i, i + s.horizon, stop, target, s.through)
        made.append((i, j, label, move, reason, stop, target))
    lives = [range(i + 1, j + 1) for i, j, label, *_ in made if label >= 0]
    alive = Counter(k for life in lives for k in life)
    return [
        (label, reason, move, bars.ts[j] + step, unique(range(i + 1, j + 1), alive), stop, target)
        for i, j, label, move, reason, stop, target in made
    ]


class Columns(NamedTuple):
    """Bars as lists: ts is the start of each."""

    ts: list[int]
    high: list[int]
    low: list[int]
    close: list[int]
    carried: list[int]


def barriers(s: LabelSettings, volatility: float) -> tuple[int, int]:
    """Stop and target in ticks."""
    if s.kind == "direction":
        return 0, 0

    def ticks(one: Any) -> int:
        return one.ticks or min(max(math.ceil(one.atr * volatility), one.min), one.max)

    stop = ticks(s.stop)
    ratio = s.target.reward_to_risk
    return stop, ticks(s.target) if ratio is None else max(1, math.floor(ratio * stop + 0.5))


def why(bars: Columns, i: int, t: np.ndarray, horizon: int, stale_s: int) -> int:
    """Why the row has no label, 0 if it has one."""
    step, j = int(t["interval_ns"][0]), i + horizon
    there = j < len(bars.ts)
    until = bars.ts[j] if there and step != SECOND else bars.ts[i] + horizon * step
    if until + step > int(t["flat_ns"][0]):
        return 4
    if any(bars.ts[i] < end and until + step > begin for begin, end in DAY.halts):
        return 2
    if not there:
        return 1
    assert bars.ts[j] == until
    traded = [bars.ts[k] for k in range(i, j + 1) if not bars.carried[k]]
    quiet = [later - before - step for before, later in zip(traded, [*traded[1:], until + step], strict=True)]
    return 3 if max(quiet) > stale_s * 10**9 else 0


def first_barrier(bars: Columns, i: int, last: int, stop: int, target: int, through: int) -> tuple[int, float, int]:
    """Label, move and the bar at which it is known: a long and a short, each on its own."""
    entry = bars.close[i]

    def side(sign: int) -> tuple[str, int]:
        for j in range(i + 1, last + 1):
            high, low = bars.high[j] - entry, bars.low[j] - entry
            worst, best = (low, high) if sign > 0 else (-high, -low)
            if worst <= -stop:
                return "stopped", j
            if best >= target + through:
                return "paid", j
        return "out of time", last

    (up, first), (down, second) = side(1), side(-1)
    paid = {sign: j for sign, (how, j) in {1: (up, first), -1: (down, second)}.items() if how == "paid"}
    if paid and not (len(paid) == 2 and first == second):
        sign = min(paid, key=lambda one: paid[one])
        return 1 + sign, float(sign * target), paid[sign]
    known = max(first, second)
    return 1, float(bars.close[known] - entry), known


def unique(life: range, alive: Counter[int]) -> float:
    """The mean of 1 / (labels alive) over the bars of a life; 0 for a row without a label."""
    return math.fsum(1 / alive[k] for k in life) / len(life) if life else 0.0


@st.composite
def stretches(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Traded bars of the afternoon and a timetable, with minutes or seconds missing, up to and beyond the pause."""
    interval = draw(st.sampled_from(["1s", "1m"]))
    step = INTERVALS[interval]
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(1, 150))
    start = DAY.ny(*draw(st.sampled_from([(11, 0), (15, 44), (14, 50), (16, 14), (16, 29), (16, 30)])))
    kept = rng.random(n) > draw(st.sampled_from([0.0, 0.3, 0.95]))
    kept[0] = True
    ts_ns = start + np.flatnonzero(kept) * step
    if draw(st.booleans()):  # prints inside the pause do happen
        ts_ns = ts_ns[~((ts_ns >= DAY.halts[0][0]) & (ts_ns < DAY.halts[0][1]))]
    bars = made(ts_ns if ts_ns.size else np.array([DAY.ny(16, 30)]), rng, draw(st.sampled_from([0, 1, 4])))
    flat_ns = draw(st.sampled_from([None, DAY.close_ns]))
    return bars, table(interval, flat_ns=flat_ns)


def made(ts_ns: np.ndarray, rng: np.random.Generator, wild: int = 1) -> np.ndarray:
    """A random walk of bars at these stamps."""
    bars = np.zeros(ts_ns.size, BAR)
    bars["ts_ns"], bars["volume"] = ts_ns, 1
    bars["close"] = 16_000 + np.cumsum(rng.integers(-wild, wild + 1, bars.size))
    bars["open"] = bars["close"] + rng.integers(-wild, wild + 1, bars.size)
    bars["high"] = np.maximum(bars["open"], bars["close"]) + rng.integers(0, wild + 1, bars.size)
    bars["low"] = np.minimum(bars["open"], bars["close"]) - rng.integers(0, wild + 1, bars.size)
    return bars


@st.composite
def rules(draw: st.DrawFn) -> LabelSettings:
    """Direction or barriers, by ticks, by ATR or by reward to risk."""
    horizon = draw(st.sampled_from([1, 3, 10, 70]))
    if draw(st.integers(0, 3)) == 0:
        return LabelSettings(horizon=horizon, threshold_ticks=draw(st.sampled_from([2.0, 3.0, 4.0])))
    by_atr = {"atr": draw(st.sampled_from([1.0, 1.5, 2.5])), "min": 2, "max": draw(st.sampled_from([4, 12]))}
    stop = draw(st.sampled_from([{"ticks": 1}, {"ticks": 3}, {"ticks": 9}, by_atr]))
    target = draw(st.sampled_from([{"ticks": 1}, {"ticks": 5}, {"reward_to_risk": 0.4}, {"reward_to_risk": 2}, by_atr]))
    document = {"kind": "barrier", "horizon": horizon, "stop": stop, "target": target}
    return LabelSettings.model_validate(document | {"through": draw(st.sampled_from([0, 1]))})
