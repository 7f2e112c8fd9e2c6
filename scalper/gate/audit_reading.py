"""An own reading of SPEC 3 on labels: plain numpy over the carried bars, another way than the kernels of labels/."""

from __future__ import annotations

import numpy as np

from scalper.clock import NS
from scalper.gate.subject import Array, Subject
from scalper.labels import DOWN, FLAT, FLAT_TIME, HALT, LABELLED, NONE, ROWS, SESSION_ENDS, STALE_GAP, UP
from scalper.settings import Distance

DUST = 1e-5
"""Ticks by which a distance may be longer before it is rounded up: files hold the volatility as float32."""


def read(one: Subject, rows: Array, volatility: Array) -> Array:
    """The labels (m,) ROWS of the bars at `rows` (m,) of one.bars; volatility (m,) in ticks."""
    ts, h, step = one.bars["ts_ns"], one.lane.labels.horizon, one.lane.interval_ns
    out = np.zeros(rows.size, ROWS)
    out["label"], out["move_ticks"], out["end_ns"] = NONE, np.nan, ts[rows] + step
    aim = ts[rows] + h * step
    if one.lane.interval == "1s":
        there = aim <= ts[-1]
        last = np.searchsorted(ts, aim, "right") - 1
    else:
        there = rows + h < ts.size
        last = np.minimum(rows + h, ts.size - 1)
        aim = np.where(there, ts[last], aim)
    out["reason"] = _reasons(one, rows, last, aim + step, there)
    ready = np.flatnonzero(out["reason"] == LABELLED)
    close = one.bars["close"]
    if one.lane.labels.kind == "direction":
        move = close[last[ready]] - close[rows[ready]]
        limit = one.lane.labels.threshold_ticks
        out["label"][ready] = np.where(move > limit, UP, np.where(move < -limit, DOWN, FLAT))
        out["move_ticks"][ready], out["end_ns"][ready] = move, aim[ready] + step
    else:
        _distances(one, volatility, out)
        _barriers(one, rows[ready], last[ready], out, ready)
    _weights(one, rows, out)
    return out


def _reasons(one: Subject, rows: Array, last: Array, until: Array, there: Array) -> Array:
    """Why each row has a label or none, from the clock and from where trades are."""
    ts, step, stale_ns = one.bars["ts_ns"], one.lane.interval_ns, one.lane.policy.stale_s * NS
    traded = one.bars["carried"] == 0
    newest = np.maximum.accumulate(np.where(traded, np.arange(ts.size), 0))
    before = np.concatenate([[0], newest[:-1]])  # the newest trade before each bar
    silent = np.where(traded, ts - ts[before] - step, ts - ts[newest])
    stretch = np.cumsum(silent > stale_ns)
    halted = np.zeros(rows.size, np.bool_)
    for begin, end in one.session.halts:
        halted |= (ts[rows] < end) & (until > begin)
    late = until > int(one.timetable["flat_ns"][0])
    rules = [late, halted, ~there, stretch[last] != stretch[rows]]
    return np.select(rules, [FLAT_TIME, HALT, SESSION_ENDS, STALE_GAP], LABELLED)


def _distances(one: Subject, volatility: Array, out: Array) -> None:
    """Stop and target of every row, in ticks."""
    labels = one.lane.labels
    out["stop_ticks"] = stop = _distance(labels.stop, volatility)
    ratio = labels.target.reward_to_risk
    paid = np.maximum((ratio * stop + 0.5).astype(np.int64), 1) if ratio else _distance(labels.target, volatility)
    out["target_ticks"] = paid


def _distance(distance: Distance, volatility: Array) -> Array:
    if distance.ticks is not None:
        return np.full(volatility.size, distance.ticks, np.int64)
    wide = np.ceil((distance.atr or 0.0) * volatility.astype(np.float64) - DUST)
    return np.minimum(np.maximum(wide, distance.min), distance.max).astype(np.int64)


def _barriers(one: Subject, rows: Array, last: Array, out: Array, ready: Array) -> None:
    """Step by step through the horizon, all rows at once; long and short are two trades, each stopped or paid."""
    bars, entry = one.bars, one.bars["close"][rows]
    stop, target = out["stop_ticks"][ready].astype(np.int64), out["target_ticks"][ready].astype(np.int64)
    paid = target + one.lane.labels.through
    long, short, open_ = (np.ones(rows.size, np.bool_) for _ in range(3))
    label, end = np.full(rows.size, FLAT), last.copy()
    for ahead in range(1, one.lane.labels.horizon + 1):
        at = np.minimum(rows + ahead, last)
        high, low = bars["high"][at], bars["low"][at]
        long &= low > entry - stop
        short &= high < entry + stop
        bought, sold = long & (high >= entry + paid), short & (low <= entry - paid)
        now = open_ & (bought | sold | ~(long | short))
        label[now] = np.where(bought == sold, FLAT, np.where(bought, UP, DOWN))[now]
        end[now] = at[now]
        open_ &= ~now
    out["label"][ready] = label
    out["move_ticks"][ready] = np.select([label == UP, label == DOWN], [target, -target], bars["close"][end] - entry)
    out["end_ns"][ready] = bars["ts_ns"][end] + one.lane.interval_ns


def _weights(one: Subject, rows: Array, out: Array) -> None:
    """Each label's mean share of the bars it lives on: after its own, up to the one at which it is known."""
    known = np.flatnonzero(out["reason"] == LABELLED)
    begin = rows[known] + 1
    end = np.searchsorted(one.bars["ts_ns"] + one.lane.interval_ns, out["end_ns"][known]) + 1
    alive = np.zeros(one.bars.size, np.int64)
    for a, b in zip(begin.tolist(), end.tolist(), strict=True):
        alive[a:b] += 1
    share = 1.0 / np.maximum(alive, 1)
    out["weight"][known] = [share[a:b].mean() for a, b in zip(begin.tolist(), end.tolist(), strict=True)]
