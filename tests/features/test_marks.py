"""Marks are what the slow reading finds, each with the bar at which it became known."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from scalper.features import catalogue, fresh, params
from scalper.features.marks import Mark, marks
from scalper.market import BAR, INTERVALS, session
from scalper.settings import FeatureSettings, Lane, StructureSettings
from tests.features.reference_structure import Reading, frames
from tests.features.support import walk

DAY = session("MES", date(2021, 7, 14))
MINUTE = INTERVALS["1m"]
BOTH = ("structure", "amd")
ONE_BAR = ("range", "manipulation", "distribution")


def read(bars: np.ndarray, chosen: FeatureSettings) -> list[Mark]:
    windows = params(chosen, MINUTE, masked=False)
    lane = Lane(name="f", symbol="MES", source="import", interval="1m", start=date(2021, 1, 4))
    columns = len(catalogue(chosen, MINUTE))
    return marks(fresh("MESU21", None, windows), windows, bars, lane.timetable(DAY), columns)


@pytest.mark.parametrize(("frame", "length"), [(None, MINUTE), ("5m", 5 * MINUTE)])
def test_marks_are_what_the_slow_reading_finds(frame: str | None, length: int) -> None:
    ts_ns = DAY.ny(4, 0) + np.arange(900 if frame else 300) * MINUTE
    bars = walk(np.random.default_rng(4), ts_ns)
    chosen = FeatureSettings(groups=BOTH, frame=frame, structure=StructureSettings(memory=15))
    made, _ = frames(bars, MINUTE, length)
    slow = Reading(made, chosen.structure)

    def ended(j: int) -> int:
        return int(ts_ns[0]) + (j + 1) * length

    expected = {("swing", 1 if one.up else -1, one.price, one.price, ended(one.known)) for one in slow.swings}
    for kind, zones in (("gap", slow.gaps), ("block", slow.blocks)):
        expected |= {(kind, 1 if one.up else -1, one.low, one.high, ended(one.born)) for one in zones}
    for event, _ in slow.breaks:
        expected.add(
            ("choch" if event.turned else "bos", 1 if event.up else -1, event.price, event.price, ended(event.at))
        )
    expected |= {("sweep", 1 if one.up else -1, one.price, one.price, ended(one.at)) for one in slow.sweeps}
    found = [one for one in read(bars, chosen) if one.kind not in ONE_BAR]
    assert {(one.kind, one.side, one.low, one.high, one.known_ns) for one in found} == expected
    assert len(found) == len(expected) > 100
    assert {one.kind for one in found} == {"swing", "gap", "block", "bos", "choch", "sweep"}


def test_a_mark_lies_before_it_is_known_and_ends_after() -> None:
    bars = walk(np.random.default_rng(4), DAY.ny(4, 0) + np.arange(300) * MINUTE)
    chosen = FeatureSettings(groups=BOTH)
    memory = chosen.structure.memory * MINUTE
    for one in read(bars, chosen):
        assert one.at_ns < one.known_ns <= one.until_ns
        if one.kind == "swing":
            assert one.known_ns - one.at_ns == (chosen.structure.swing + 1) * MINUTE, "two bars after, at its end"
            assert one.until_ns - one.at_ns <= memory + 2 * MINUTE
        if one.kind == "gap":
            assert one.known_ns - one.at_ns == 3 * MINUTE, "at the end of its third bar"


def test_no_mark_depends_on_the_future() -> None:
    bars = walk(np.random.default_rng(5), DAY.ny(4, 0) + np.arange(300) * MINUTE)
    chosen, cut = FeatureSettings(groups=BOTH), 170
    other = bars.copy()
    for name in ("open", "high", "low", "close"):
        other[name][cut:] += 37
    known_ns = int(bars["ts_ns"][cut])

    def known(given: np.ndarray) -> list[tuple[object, ...]]:
        whole = [one for one in read(given, chosen) if one.known_ns <= known_ns]
        return [(one.kind, one.side, one.at_ns, one.known_ns, one.low, one.high) for one in whole]

    assert known(bars) == known(other)
    assert len(known(bars)) > 50


def test_the_night_s_range_is_known_when_it_is_over() -> None:
    """From 20:00 to 02:00 between 0 and 9; left below at 03:00, back beyond the middle at 04:00."""
    ts_ns = DAY.open_ns + np.arange(660) * MINUTE
    bars = np.zeros(ts_ns.size, BAR)
    bars["ts_ns"] = ts_ns
    for name, value in (("open", 4), ("high", 9), ("low", 0), ("close", 4)):
        bars[name] = 16_000 + value
    at = {hour: int(np.searchsorted(ts_ns, DAY.ny(hour, 0))) for hour in (3, 4)}
    bars["low"][at[3]] -= 3
    bars["close"][at[4]] += 3
    found = {one.kind: one for one in read(bars, FeatureSettings(groups=BOTH)) if one.kind in ONE_BAR}
    assert list(found) == list(ONE_BAR)
    night = found["range"]
    assert (night.low, night.high) == (16_000, 16_009)
    assert (night.at_ns, night.known_ns) == (DAY.open_ns + 120 * MINUTE, DAY.ny(2, 1))
    left, known = found["manipulation"], found["distribution"]
    assert (left.side, left.low, left.known_ns) == (-1, 16_000, DAY.ny(3, 1))
    assert (known.side, known.low, known.known_ns) == (1, 16_007, DAY.ny(4, 1))


def test_no_bars_no_marks() -> None:
    assert read(np.zeros(0, BAR), FeatureSettings(groups=BOTH)) == []
