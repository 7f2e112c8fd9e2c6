"""Accumulation, manipulation, distribution: hand-made nights, and a reading of the whole session at once."""

from __future__ import annotations

from datetime import date, time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalper.errors import BadInput
from scalper.features import params
from scalper.market import BAR, session
from scalper.settings import AmdSettings, FeatureSettings
from tests.features import reference_regime as reference
from tests.features.exact import columns
from tests.features.support import Case, walk

DAY = session("MES", date(2021, 7, 14))
MINUTE = 60_000_000_000
FROM = DAY.ny(0, 0) - 4 * 60 * MINUTE  # 20:00 of the evening before
NIGHT = FeatureSettings(groups=("amd",), atr=2, amd=AmdSettings(from_=time(20, 0), to=time(20, 10)))

Prices = list[tuple[int, int, int]]


def night(prices: Prices, first: int = 0) -> Case:
    """One-minute bars of (high, low, close) above 16,000; bar 0 ends at 20:01, so ten bars build the range."""
    bars = np.zeros(len(prices), BAR)
    bars["ts_ns"] = FROM + (first + np.arange(len(prices))) * MINUTE
    for name, values in zip(("high", "low", "close"), zip(*prices, strict=True), strict=True):
        bars[name] = 16_000 + np.array(values)
    bars["open"] = bars["close"]
    return Case(DAY, "1m", NIGHT, bars)


def phases(case: Case) -> list[tuple[float, float]]:
    """Phase and side of every bar."""
    found = columns(case)
    return list(zip(found["amd_phase"].tolist(), found["amd_side"].tolist(), strict=True))


RANGE: Prices = [(8, 2, 5)] + 8 * [(6, 4, 5)] + [(9, 0, 5)]
"""Ten bars: high 9, low 0, so the middle is 4.5 and the height 9."""


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ([(9, 0, 5), (9, 0, 4)], [(1, 0), (1, 0)]),  # edges touched are not broken
        ([(10, 5, 8), (9, 5, 5)], [(2, -0.5), (2, -0.5)]),  # broken above, nothing decided
        ([(10, 5, 8), (9, 4, 4), (30, 20, 25)], [(2, -0.5), (3, -1), (3, -1)]),  # a failed break, and it stays so
        ([(5, -1, 1), (5, 4, 5)], [(2, 0.5), (3, 1)]),  # the same from below
        ([(10, 3, 4)], [(3, -1)]),  # break and failure in one bar
        ([(18, 5, 17), (18, 12, 18)], [(2, -0.5), (3, 1)]),  # a height beyond the edge: the break was meant
        ([(20, 5, 18)], [(3, 1)]),  # all in one bar
        ([(4, -9, -8), (4, -9, -9)], [(2, 0.5), (3, -1)]),
        ([(10, -1, 5)], [(2, -0.5)]),  # both sides broken: the one it closed on
        ([(10, -1, 4)], [(2, 0.5)]),
    ],
)
def test_phases(after: Prices, expected: list[tuple[float, float]]) -> None:
    assert phases(night(RANGE + after)) == 10 * [(1, 0)] + expected


@pytest.mark.kernel
def test_both_sides_broken_and_closed_in_the_very_middle_decides_nothing() -> None:
    even: Prices = 10 * [(8, 0, 4)]
    assert phases(night([*even, (9, -1, 4), (8, 0, 7), (9, 5, 8)]))[10:] == [(1, 0), (1, 0), (2, -0.5)]


def test_a_range_of_one_price_has_the_height_of_a_tick() -> None:
    found = columns(night([*(10 * [(5, 5, 5)]), (6, 5, 6)]))
    assert found["amd_phase"].tolist() == 10 * [1] + [3] and found["amd_side"][-1] == 1
    assert found["amd_position"].tolist() == 10 * [0] + [1]


def test_the_window_is_open_at_its_start_and_closed_at_its_end() -> None:
    """A bar that ends at 20:00 is before it, one that ends at 20:10 the last inside."""
    before: Prices = [(50, -50, 0)]
    found = columns(night([*before, *RANGE], first=-1))
    assert found["amd_phase"].tolist() == [0, *(10 * [1])]
    assert found["amd_position"][0] == 0.5 and found["amd_range"][0] == 0
    assert found["amd_position"][1:].tolist() == [0.5, *(8 * [0.5]), 5 / 9]


@pytest.mark.kernel
def test_a_night_without_bars_has_no_phases() -> None:
    found = columns(night([(90, 10, 50), (5, -60, 0), (200, 100, 150)], first=30))
    assert not found["amd_phase"].any() and not found["amd_side"].any() and not found["amd_range"].any()
    assert (found["amd_position"] == 0.5).all()


@pytest.mark.kernel
def test_height_in_volatilities() -> None:
    """The last two completed minutes ranged 4 and 6 ticks, the night 9."""
    found = columns(night([*RANGE, (7, 3, 5), (8, 2, 5)]))
    assert found["amd_range"][-1] == 9 / 5
    assert columns(night([(5, 5, 5)] * 12))["amd_range"].tolist() == 12 * [0]


@st.composite
def nights(draw: st.DrawFn) -> Case:
    """Quiet bars from about 20:00 on, some missing, a range of one to twenty minutes."""
    n, length = draw(st.integers(1, 80)), draw(st.integers(1, 20))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    ts_ns = FROM + (np.arange(n) - draw(st.integers(0, 12))) * MINUTE
    kept = rng.random(n) > draw(st.sampled_from([0.0, 0.5]))
    kept[-1] = True
    bars = walk(rng, ts_ns[kept])
    narrow = draw(st.sampled_from([1, 3]))
    for name in ("open", "high", "low", "close"):
        bars[name] = 16_000 + (bars[name] - 16_000) // narrow
    return Case(DAY, "1m", NIGHT.model_copy(update={"amd": AmdSettings(from_=time(20), to=time(20, length))}), bars)


@settings(max_examples=150)
@given(nights())
def test_amd_against_the_session_at_once(case: Case) -> None:
    end = case.bars["ts_ns"] + MINUTE - FROM
    length = case.settings.amd.to.minute * MINUTE
    found, expected = columns(case), reference.amd(case.bars, (end > 0) & (end <= length), end > length)
    for name, values in expected.items():
        assert np.allclose(found[name], values, rtol=0, atol=1e-12), name


@settings(max_examples=150)
@given(nights())
def test_amd_of_prices_turned_over(case: Case) -> None:
    found, other = columns(case), columns(Case(DAY, "1m", case.settings, reference.mirrored(case.bars)))
    assert np.array_equal(found["amd_phase"], other["amd_phase"])
    assert np.array_equal(found["amd_side"], -other["amd_side"])
    assert np.array_equal(found["amd_range"], other["amd_range"])


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        (time(2), time(20), "no window"),
        (time(20), time(20), "no window"),
        (time(17, 30), time(20), "features.amd.from: 17:30:00 lies outside"),
        (time(20), time(17, 1), "features.amd.to: 17:01:00 lies outside"),
    ],
)
def test_windows_that_are_none(start: time, end: time, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        params(FeatureSettings(groups=("amd",), amd=AmdSettings(from_=start, to=end)), MINUTE)


@pytest.mark.parametrize(("start", "end"), [(time(18), time(17)), (time(0), time(9, 30)), (time(23, 59), time(0))])
def test_windows_anywhere_in_the_session(start: time, end: time) -> None:
    params(FeatureSettings(groups=("amd",), amd=AmdSettings(from_=start, to=end)), MINUTE)
