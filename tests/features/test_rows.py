"""The kept rows, made from traded bars alone, are those of the step over the bars with their carried seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalper.errors import BadInput
from scalper.features import RowScan, compute
from scalper.learn.session import tradable
from scalper.market import INTERVALS, carry, in_steps, session
from tests.features.support import GROUPS, WINDOWS, Case, cases, grouped, walk

MANY = settings(max_examples=100)
SECOND = INTERVALS["1s"]
DAY = session("MES", date(2021, 7, 14))

some = st.just(()) | st.just(GROUPS) | st.lists(st.sampled_from(GROUPS[:8]), min_size=1, unique=True)
"""The base groups, all, or some of the base."""


def same(case: Case, table: np.ndarray, scan: RowScan | None = None) -> int:
    """Compare the two ways, bit for bit; returns the rows kept."""
    traded = case.bars[case.bars["carried"] == 0]
    bars = carry(traded, case.session, case.bar_ns) if case.interval == "1s" else traded
    slow = compute(case.state(), case.windows, bars, table, len(case.names))
    keep = tradable(bars, table) & slow.warm
    rows = (scan or RowScan(case.windows, len(case.names))).scan(case.state(), traded, table)
    assert np.array_equal(traded["ts_ns"][rows.index], bars["ts_ns"][keep])
    assert np.ascontiguousarray(rows.columns.T).tobytes() == slow.x[keep].tobytes()
    assert rows.aux.tobytes() == slow.aux[keep].tobytes()
    return rows.index.size


def hours(case: Case, data: st.DataObject) -> np.ndarray:
    """The timetable with regular hours, with all, or with some in the middle of the bars."""
    table = case.table.copy()
    times = case.bars["ts_ns"]
    kind = data.draw(st.sampled_from(["regular", "all", "some"]))
    if kind == "all":
        table["trade_from_ns"], table["trade_to_ns"] = case.session.open_ns, case.session.close_ns
    elif kind == "some":
        table["trade_from_ns"] = times[data.draw(st.integers(0, times.size - 1))]
        table["trade_to_ns"] = times[data.draw(st.integers(0, times.size - 1))] + case.bar_ns
    return table


@MANY
@given(cases(groups=some), st.data())
def test_rows_are_those_of_the_carried_bars(case: Case, data: st.DataObject) -> None:
    case = replace(case, masked=data.draw(st.booleans()))
    same(case, hours(case, data))


@st.composite
def halted(draw: st.DrawFn) -> Case:
    """Sparse seconds across some halts, a few trades inside them too, which carry nothing."""
    seconds = draw(st.integers(2, 400))
    edges = sorted(draw(st.sets(st.integers(0, seconds), min_size=0, max_size=8)))
    halts = tuple(
        (DAY.regular_open_ns + a * SECOND, DAY.regular_open_ns + b * SECOND)
        for a, b in zip(edges[::2], edges[1::2], strict=False)
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    ts_ns = DAY.regular_open_ns + np.arange(seconds) * SECOND
    kept = rng.random(seconds) < draw(st.sampled_from([0.02, 0.2, 0.7]))
    kept[draw(st.integers(0, seconds - 1))] = True
    if draw(st.booleans()):
        for start, end in halts:
            kept &= (ts_ns < start) | (ts_ns >= end)
    bars = walk(rng, ts_ns[kept] if kept.any() else ts_ns[:1])
    windows = WINDOWS["1s"].model_copy(update={"groups": draw(st.sampled_from([GROUPS[:8], ("returns", "volume")]))})
    return Case(replace(DAY, halts=halts), "1s", windows, bars, masked=draw(st.booleans()))


@MANY
@given(halted())
def test_halts_stop_the_carrying(case: Case) -> None:
    table = case.table.copy()
    for place, halt in enumerate(case.session.halts):
        table["halts"][0, place] = halt
    kept = same(case, table)
    assert kept == case.bars.size or case.masked


def test_a_thread_uses_its_buffers_for_longer_and_shorter_sessions() -> None:
    rng = np.random.default_rng(3)
    windows = grouped(WINDOWS["1s"], GROUPS[:8]).model_copy(update={"groups": GROUPS[:8]})
    scan: RowScan | None = None
    for n in (40, 1100, 7):
        ts_ns = DAY.ny(9, 30) + np.flatnonzero(rng.random(2 * n) < 0.5)[:n] * SECOND
        case = Case(DAY, "1s", windows, walk(rng, ts_ns), masked=False)
        scan = scan or RowScan(case.windows, len(case.names))
        assert same(case, case.table, scan) == ts_ns.size


def test_nothing_of_a_carried_second_is_left_for_the_next_scan() -> None:
    """The scratch bar tells no volume and no order flow, whatever the bars before it had."""
    rng = np.random.default_rng(4)
    case = Case(DAY, "1s", grouped(WINDOWS["1s"]), walk(rng, DAY.ny(10, 0) + np.arange(0, 300, 3) * SECOND), False)
    scan = RowScan(case.windows, len(case.names))
    first = scan.scan(case.state(), case.bars, case.table).columns.tobytes()
    assert scan.scan(case.state(), case.bars, case.table).columns.tobytes() == first
    assert same(case, case.table, scan) == 100


@pytest.mark.parametrize("steps", [(0, 0), (1, 0), (0, 1.5)])
def test_bars_out_of_step_are_refused_as_by_carry(steps: Sequence[float]) -> None:
    ts_ns = DAY.ny(9, 30) + np.array([int(step * SECOND) for step in steps])
    bars = walk(np.random.default_rng(5), ts_ns)
    for refuse in (carry, in_steps):
        with pytest.raises(BadInput, match=r"row 2 .* of session 2021-07-14 does not follow"):
            refuse(bars, DAY, SECOND)
