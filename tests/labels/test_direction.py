"""Direction labels against a naive reading of the rule, and what they never reach across."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalper.labels import DOWN, FLAT, NONE, UP, direction
from scalper.market import BAR, INTERVALS, carry, session
from scalper.settings import Lane

SECOND, MINUTE = INTERVALS["1s"], INTERVALS["1m"]
DAY = session("MES", date(2021, 6, 25))
"""A Friday with a pause from 16:15 to 16:30; flat at 15:45."""


def table(interval: str) -> np.ndarray:
    lane = Lane(name="l", symbol="MES", source="import", interval=interval, start=date(2021, 1, 4))  # type: ignore[arg-type]
    return lane.timetable(DAY)


def naive(
    bars: np.ndarray, t: np.ndarray, horizon: int, threshold: float, stale_s: int
) -> list[tuple[int, float, int]]:
    """(label, move, end) of every bar, by looking at each stretch from the bar to its horizon on its own."""
    step, flat = int(t["interval_ns"][0]), int(t["flat_ns"][0])
    rows: list[tuple[int, float, int]] = []
    for i in range(bars.size):
        own_end = int(bars["ts_ns"][i]) + step
        rows.append((NONE, float("nan"), own_end))
        if i + horizon >= bars.size:
            continue
        last = int(bars["ts_ns"][i + horizon]) + step
        trades = [int(row["ts_ns"]) for row in bars[: i + horizon + 1] if row["carried"] == 0]
        since = [ts for ts in trades if ts <= bars["ts_ns"][i]] or [int(bars["ts_ns"][0])]
        known = [since[-1], *[ts for ts in trades if ts > bars["ts_ns"][i]]]
        quiet = [later - (before + step) for before, later in pairwise(known)]
        quiet.append(last - (known[-1] + step))
        stopped = any(bars["ts_ns"][i] < edge <= bars["ts_ns"][i + horizon] for halt in DAY.halts for edge in halt)
        if max(quiet) > stale_s * 10**9 or stopped or last > flat:
            continue
        move = int(bars["close"][i + horizon]) - int(bars["close"][i])
        rows[-1] = (UP if move > threshold else DOWN if move < -threshold else FLAT, float(move), last)
    return rows


@st.composite
def stretches(draw: st.DrawFn) -> tuple[np.ndarray, str]:
    """Bars of the afternoon, with minutes missing or seconds carried, up to and beyond the flat time and the pause."""
    interval = draw(st.sampled_from(["1s", "1m"]))
    step = INTERVALS[interval]
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(1, 150))
    start = DAY.ny(*draw(st.sampled_from([(11, 0), (15, 44), (14, 50), (16, 14), (16, 30)])))
    kept = rng.random(n) > draw(st.sampled_from([0.0, 0.3, 0.95]))
    kept[0] = True
    ts_ns = start + np.flatnonzero(kept) * step
    if draw(st.booleans()):  # prints inside the pause do happen
        ts_ns = ts_ns[~((ts_ns >= DAY.halts[0][0]) & (ts_ns < DAY.halts[0][1]))]
    bars = np.zeros(max(ts_ns.size, 1), BAR)
    bars["ts_ns"] = ts_ns if ts_ns.size else [DAY.ny(16, 30)]
    for name in ("open", "high", "low", "close"):
        bars[name] = 16_000
    bars["close"] += np.cumsum(rng.integers(-3, 4, bars.size))
    bars["volume"] = 1
    return (carry(bars, DAY, step) if interval == "1s" and draw(st.booleans()) else bars), interval


@settings(max_examples=200)
@given(stretches(), st.sampled_from([1, 3, 10, 70]), st.sampled_from([2.0, 3.0, 4.0]), st.sampled_from([5, 60]))
def test_labels_are_the_naive_ones(made: tuple[np.ndarray, str], horizon: int, threshold: float, stale_s: int) -> None:
    bars, interval = made
    t = table(interval)
    label, move, end_ns = direction(bars, t, horizon=horizon, threshold_ticks=threshold, stale_s=stale_s)
    expected = naive(bars, t, horizon, threshold, stale_s)
    assert label.tolist() == [row[0] for row in expected]
    assert end_ns.tolist() == [row[2] for row in expected]
    assert np.array_equal(move, np.array([row[1] for row in expected]), equal_nan=True)
    assert (end_ns <= t["flat_ns"][0])[label != NONE].all()


def flat_bars(n: int, start_ns: int, step: int) -> np.ndarray:
    bars = np.zeros(n, BAR)
    bars["ts_ns"] = start_ns + np.arange(n) * step
    bars["close"] = 100
    return bars


@pytest.mark.kernel
def test_bounds_of_the_threshold_and_when_it_is_known() -> None:
    bars = flat_bars(6, DAY.ny(11, 0), MINUTE)
    bars["close"] = [100, 103, 104, 100, 97, 96]
    label, move, end_ns = direction(bars, table("1m"), horizon=1, threshold_ticks=3.0, stale_s=60)
    assert move.tolist()[:5] == [3, 1, -4, -3, -1]
    assert label.tolist() == [FLAT, FLAT, DOWN, FLAT, FLAT, NONE]
    assert end_ns.tolist()[0] == DAY.ny(11, 2) and end_ns[5] == DAY.ny(11, 6)
    label, _, _ = direction(bars, table("1m"), horizon=2, threshold_ticks=3.0, stale_s=60)
    assert label.tolist() == [UP, FLAT, DOWN, DOWN, NONE, NONE]


@pytest.mark.kernel
def test_the_flat_time_is_the_last_end() -> None:
    bars = flat_bars(20, DAY.ny(15, 30), MINUTE)
    label, _, end_ns = direction(bars, table("1m"), horizon=5, threshold_ticks=3.0, stale_s=60)
    assert end_ns[label != NONE].max() == DAY.ny(15, 45)
    assert np.flatnonzero(label != NONE).tolist() == list(range(10))


@pytest.mark.kernel
@pytest.mark.parametrize(("missing", "labelled"), [(1, True), (2, False)])
def test_one_missing_minute_is_not_stale_two_are(missing: int, labelled: bool) -> None:
    bars = flat_bars(4, DAY.ny(11, 0), MINUTE)
    bars["ts_ns"][2:] += missing * MINUTE
    label, _, _ = direction(bars, table("1m"), horizon=1, threshold_ticks=3.0, stale_s=60)
    assert bool(label[1] != NONE) is labelled
    assert label[0] == FLAT and label[2] == FLAT


@pytest.mark.kernel
def test_no_label_ends_inside_a_stale_gap() -> None:
    """After 60 seconds without a trade a carried close is no price to learn from."""
    bars = carry(flat_bars(2, DAY.ny(11, 0), 100 * SECOND), DAY, SECOND)
    assert bars.size == 101
    for horizon, labelled in ((60, True), (61, False), (100, False)):
        label, _, _ = direction(bars, table("1s"), horizon=horizon, threshold_ticks=3.0, stale_s=60)
        assert bool(label[0] != NONE) is labelled


def test_a_halt_breaks_labels_even_before_the_flat_time() -> None:
    t = table("1m")
    t["flat_ns"] = DAY.close_ns
    bars = flat_bars(6, DAY.ny(16, 12), MINUTE)
    bars["ts_ns"][3:] += 15 * MINUTE
    label, _, _ = direction(bars, t, horizon=1, threshold_ticks=3.0, stale_s=3600)
    assert label.tolist() == [FLAT, FLAT, NONE, FLAT, FLAT, NONE]


def test_no_bars() -> None:
    label, move, end_ns = direction(np.zeros(0, BAR), table("1m"), horizon=3, threshold_ticks=3.0, stale_s=60)
    assert (label.size, move.size, end_ns.size) == (0, 0, 0)
