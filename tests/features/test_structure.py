"""Structure by hand, against a slow reading of the same definitions, and the claim that all of it is forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalper.errors import BadInput
from scalper.features import catalogue, compute, fresh, params
from scalper.features.groups import structure
from scalper.market import BAR, INTERVALS, session
from scalper.settings import FeatureSettings, Lane, StructureSettings
from tests.features.reference_structure import reference
from tests.features.support import walk

DAY = session("MES", date(2021, 7, 14))
MINUTE = INTERVALS["1m"]
BASE = 16_000
NONE = (float("nan"),) * 3
MIRROR = {
    "swing_high": "swing_low", "swing_high_age": "swing_low_age", "block_bull": "block_bear", "gap_bull": "gap_bear",
    "equal_highs": "equal_lows",
}  # fmt: skip
MIRROR |= {b: a for a, b in MIRROR.items()}
SIGNED = {
    "swing_high", "swing_low", "structure_trend", "bos", "choch", "break_level", "block_inside", "gap_inside",
    "gap_balance", "sweep", "prior_sweep",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Drawn:
    """A generated session, of which the frame bars are long enough for the settings to matter."""

    interval: str
    chosen: FeatureSettings
    bars: np.ndarray
    prior: tuple[float, float, float]

    @property
    def bar_ns(self) -> int:
        return INTERVALS[self.interval]

    @property
    def frame_ns(self) -> int:
        return structure.frame_ns(self.chosen, self.bar_ns)

    def columns(self, bars: np.ndarray | None = None, prior: tuple[float, float, float] | None = None) -> Any:
        return columns(self.bars if bars is None else bars, self.chosen, self.interval, prior or self.prior)


def columns(
    bars: np.ndarray, chosen: FeatureSettings, interval: str = "1m", prior: tuple[float, float, float] = NONE
) -> dict[str, np.ndarray]:
    """The group's columns in float64, every row, warm or not; prior: close, high and low of the session before."""
    bar_ns = INTERVALS[interval]
    windows = params(chosen, bar_ns, masked=False)
    state = fresh("MESU21", None, windows)
    state["prior_close"], state["prior_high"], state["prior_low"] = prior
    names = [one.name for one in catalogue(chosen, bar_ns)]
    lane = Lane(name="f", symbol="MES", source="import", interval=interval, start=date(2021, 1, 4))  # type: ignore[arg-type]
    block = compute(state, windows, bars, lane.timetable(DAY), len(names), np.float64)
    return dict(zip(names, block.x.T, strict=True))


def of(rows: list[tuple[int, int, int, int]], prior: tuple[float, float, float] = NONE, **given: Any) -> Any:
    """The columns over minutes of (open, high, low, close) above BASE."""
    bars = np.zeros(len(rows), BAR)
    bars["ts_ns"] = DAY.ny(9, 30) + np.arange(len(rows)) * MINUTE
    for name, values in zip(("open", "high", "low", "close"), np.array(rows).T, strict=True):
        bars[name] = BASE + values
    chosen = FeatureSettings(groups=("structure",), structure=StructureSettings(**given))
    return columns(bars, chosen, prior=tuple(BASE + one for one in prior))  # type: ignore[arg-type]


@st.composite
def drawn(draw: st.DrawFn, least: int = 1, most: int = 120) -> Drawn:
    interval = draw(st.sampled_from(["1m", "1m", "5m"]))
    frame = draw(st.sampled_from([None, "3m", "5m"])) if interval == "1m" else None
    memory = draw(st.integers(8, 19))  # warm within a quarter of a session of five-minute bars
    kept = draw(st.sampled_from([1.0, 0.9, 0.5]))
    chosen = StructureSettings(
        swing=draw(st.integers(1, 3)),
        memory=memory,
        displacement=draw(st.sampled_from([0.0, 1.0, 2.0])),
        min_gap=draw(st.integers(1, 3)),
        equal=draw(st.integers(0, 3)),
        lookback=draw(st.integers(1, 2 * memory - 15)),
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(least, most))
    ts_ns = DAY.ny(4, 0) // INTERVALS["1h"] * INTERVALS["1h"] + np.arange(n) * INTERVALS[interval]
    mask = rng.random(n) < kept
    mask[0] = True
    high, low = draw(st.integers(BASE - 40, BASE + 120)), draw(st.integers(BASE - 120, BASE + 40))
    given_ = FeatureSettings(groups=("structure",), structure=chosen, frame=frame)
    return Drawn(interval, given_, walk(rng, ts_ns[mask]), (float(BASE), float(high), float(low)))


@settings(max_examples=100)
@given(drawn(least=30))
def test_every_column_is_what_the_slow_reading_finds(one: Drawn) -> None:
    found = one.columns()
    expected = reference(one.bars, one.bar_ns, one.frame_ns, one.chosen.structure, one.prior)
    assert set(found) == set(expected)
    for name, values in found.items():
        assert np.abs(values - expected[name]).max() <= 1e-9, name


@settings(max_examples=100)
@given(drawn(least=120, most=400), st.data())
def test_a_late_start_is_forgotten_to_the_bit(one: Drawn, data: st.DataObject) -> None:
    """Each column from its own declared warm-up on, however stateful it looks."""
    late = data.draw(st.integers(1, one.bars.size // 2))
    whole, part = one.columns(), one.columns(one.bars[late:])
    for feature in catalogue(one.chosen, one.bar_ns):
        if feature.kind == "finite":
            a, b = whole[feature.name][late + feature.warm_up :], part[feature.name][feature.warm_up :]
            assert a.tobytes() == b.tobytes(), feature.name


@settings(max_examples=100)
@given(drawn())
def test_a_mirrored_session_has_mirrored_columns(one: Drawn) -> None:
    turned = one.bars.copy()
    for name, of_ in (("open", "open"), ("close", "close"), ("high", "low"), ("low", "high")):
        turned[name] = 2 * BASE - one.bars[of_]
    close, high, low = one.prior
    found, other = one.columns(), one.columns(turned, (2 * BASE - close, 2 * BASE - low, 2 * BASE - high))
    for name, values in found.items():
        expected = other[MIRROR.get(name, name)] * (-1 if name in SIGNED else 1)
        expected = 1 - expected if name == "swing_position" else expected
        assert np.abs(values - expected).max() <= 1e-12, name


def test_generated_sessions_have_everything() -> None:
    """What the properties above compare is not all zero."""
    chosen = FeatureSettings(groups=("structure",))
    bars = walk(np.random.default_rng(3), DAY.ny(4, 0) + np.arange(300) * MINUTE)
    found = columns(bars, chosen, prior=(BASE, BASE + 30, BASE - 30))
    assert min(len(np.unique(values[70:])) for values in found.values()) > 1


def test_a_swing_is_known_two_bars_after_and_of_equals_it_is_the_first() -> None:
    found = of([(0, 1, 0, 1), (1, 3, 1, 3), (3, 5, 3, 4), (4, 5, 2, 3), (3, 3, 1, 2), (2, 2, 1, 2)])
    assert found["swing_high_age"].tolist() == [1, 1, 1, 1, 2 / 20, 3 / 20]
    assert found["swing_high"][3] == 0
    ranges = (1, 2, 2, 3, 2)  # true ranges of the first five bars
    assert found["swing_high"][4] == (2 - 5) / (sum(ranges) / 5)
    assert found["swing_low_age"].tolist() == [1] * 6


TURN = [
    (0, 1, 0, 1), (1, 3, 1, 3), (3, 5, 3, 4), (4, 5, 2, 3), (3, 3, 1, 2),  # swing high 5
    (2, 3, 0, 3), (3, 4, 1, 4),
    (4, 6, 3, 6),  # 7: closes above it; swing low 0, of bar 5, is known from here on
    (6, 6, 2, 2),  # 8: back into the block of bar 4, from 1 to 3
    (2, 3, -1, -1),  # 9: closes below the swing low
]  # fmt: skip


def test_a_break_goes_on_and_then_turns() -> None:
    found = of(TURN)
    assert found["structure_trend"].tolist() == [0] * 7 + [1, 1, -1]
    assert found["bos"].tolist() == [0] * 7 + [1, 1 - 1 / 21, 0]
    assert found["choch"].tolist() == [0] * 9 + [-1]
    assert found["break_level"][7] > 0 > found["break_level"][8]
    assert (found["sweep"] == 0).all(), "the high of bar 8 passes 5 again, but price had left that level behind"


def test_a_break_leaves_a_block_until_price_closes_through() -> None:
    found = of(TURN)  # true ranges up to bar 7: 1, 2, 2, 3, 2, 3, 3, 3
    assert found["block_bull"][6:].tolist() == [10, (6 - 3) / (19 / 8), 0, 10]
    assert found["block_inside"].tolist() == [0] * 8 + [1, 0]
    assert found["block_bear"][8] == 10
    assert 0 < found["block_bear"][9] < 10, "bar 7, the last that rose before the break down"
    assert (of(TURN, displacement=5.0)["block_bull"] == 10).all(), "too small a move"


def test_a_gap_shrinks_as_it_is_filled() -> None:
    found = of([(0, 2, 0, 2), (2, 8, 2, 8), (8, 9, 5, 8), (8, 8, 3, 4), (4, 5, 2, 4)])
    unit = [2, (2 + 6) / 2, (2 + 6 + 4) / 3, (2 + 6 + 4 + 5) / 4]
    assert found["gap_bull"].tolist() == [10, 10, 3 / unit[2], 1 / unit[3], 10], "5, then 3, is the edge; at 2 none"
    assert found["gap_inside"].tolist() == [0, 0, 0, 1, 0], "between 2 and 5"
    assert found["gap_balance"].tolist() == [0, 0, 1, 1, 0]
    assert (of([(0, 2, 0, 2), (2, 8, 2, 8), (8, 9, 5, 8)], min_gap=4)["gap_bull"] == 10).all()
    fell = of([(0, 2, 0, 2), (8, 8, 2, 2), (8, 9, 5, 8)])
    assert (fell["gap_bull"] == 10).all(), "the bar between went the other way"


BETWEEN = [*TURN[:7], (4, 5, 3, 4)]
"""Swing high 5 and swing low 0, neither passed."""


@pytest.mark.parametrize(
    ("bar", "expected"),
    [
        ((3, 6, 2, 3), -1),  # above the high and back
        ((3, 4, -1, 1), 1),  # below the low and back
        ((3, 6, -1, 4), 1),  # both, closes up
        ((3, 6, -1, 2), -1),  # both, closes down
        ((3, 6, -1, 3), 0),  # both, says nothing
        ((3, 6, 2, 6), 0),  # closes beyond: a break
        ((3, 5, 0, 3), 0),  # touches
    ],
)
def test_sweeps(bar: tuple[int, int, int, int], expected: int) -> None:
    found = of([*BETWEEN, bar, (3, 6, -1, 3)])
    assert found["sweep"][:8].tolist() == [0] * 8
    assert found["sweep"][8] == expected
    again = {-1: -1 + 1 / 21, 1: 1 - 1 / 21, 0: 0}[expected]
    if bar == (3, 6, -1, 3) or (abs(expected) == 1 and bar[1] == 6 and bar[2] == -1):
        assert found["sweep"][9] == again, "both are swept, and once is all"


def test_equal_highs_are_a_pool() -> None:
    rows = [*BETWEEN, (4, 6, 3, 4), (4, 4, 3, 4), (4, 4, 3, 4)]
    assert of(rows)["equal_highs"].tolist() == [0] * 10 + [1]
    assert (of(rows, equal=0)["equal_highs"] == 0).all()


def test_a_sweep_of_the_session_before() -> None:
    rows = [(0, 1, 0, 1), (1, 1, -5, -4), (-4, 0, -4, 0), (0, 9, 0, 7), (7, 7, -1, -1)]
    assert of(rows, prior=(0, 8, -3))["prior_sweep"].tolist() == [0, 0, 1, 0, 0]
    assert of(rows)["prior_sweep"].tolist() == [0] * 5, "no session before"


def test_a_frame_bar_counts_when_it_is_complete() -> None:
    """Minutes on five-minute frame bars: the columns of swings change on the minute that ends one."""
    bars = walk(np.random.default_rng(8), DAY.ny(9, 30) + np.arange(300) * MINUTE)
    found = columns(bars, FeatureSettings(groups=("structure",), frame="5m"))
    moved = np.flatnonzero(np.diff(found["swing_high_age"])) + 1
    assert moved.size > 20
    assert set((moved % 5).tolist()) == {4}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"lookback": 26}, "lookback 26 needs a memory of at least 21, not 20"),
        ({"swing": 32, "memory": 60}, "swing is at most 31 and lookback at most 63"),
        ({"lookback": 64, "memory": 60}, "swing is at most 31 and lookback at most 63"),
        ({"swing": 13, "memory": 13}, "known 13 frame bars after its extreme (swing), and would be forgotten by then"),
    ],
)
def test_refused_settings(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput) as caught:
        params(FeatureSettings(groups=("structure",), structure=StructureSettings(**changes)), 10**9)
    assert says in str(caught.value)


@pytest.mark.parametrize("frame", ["7m", "1m"])
def test_a_frame_is_a_multiple_of_the_lane_s_interval(frame: str) -> None:
    with pytest.raises(BadInput) as caught:
        params(FeatureSettings(groups=("structure",), frame=frame), INTERVALS["5m"])
    assert f"features.frame: {frame} is no multiple" in str(caught.value)
