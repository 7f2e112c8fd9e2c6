"""Regime and sessions: against their formulas window by window, at known answers, and after a late start."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalper.errors import BadInput
from scalper.features import catalogue, compute, fresh, kernel, params
from scalper.features.groups import amd, regime, volatility
from scalper.market import BAR, session
from scalper.settings import FeatureSettings, RegimeSettings
from tests.features import reference_regime as reference
from tests.features.exact import columns
from tests.features.support import WINDOWS, Case, cases, walk

MANY = settings(max_examples=100)
DAY = session("MES", date(2021, 7, 14))
MINUTE = 60_000_000_000
FIRST = DAY.ny(2, 0)


def with_regime(case: Case, window: int) -> Case:
    """The same bars with regime and sessions as the only groups."""
    chosen = {"groups": ("regime", "sessions"), "regime": RegimeSettings(window=window)}
    return Case(case.session, case.interval, case.settings.model_copy(update=chosen), case.bars)


def of_closes(closes: np.ndarray, window: int = 32, interval: str = "1m") -> Case:
    """Bars that move on their close only, from 02:00 on."""
    bars = np.zeros(len(closes), BAR)
    for name in ("open", "high", "low", "close"):
        bars[name] = closes
    bars["ts_ns"] = FIRST + np.arange(len(closes)) * MINUTE
    return with_regime(Case(DAY, interval, WINDOWS[interval], bars), window)


def assert_formulas(case: Case, every: int = 1) -> int:
    """Each n-th row of every column from its own warm-up on, to 1e-9; returns how many rows have all columns warm."""
    found = columns(case)
    expected = reference.regime(case.bars, case.bar_ns, case.settings, every)
    expected |= reference.sessions(case.bars, case.session, case.bar_ns)
    features = catalogue(case.settings, case.bar_ns)
    assert [one.name for one in features] == list(found)[:-1] == list(expected)
    for one in features:
        assert np.isfinite(found[one.name]).all(), one.name
        rows = np.arange(case.bars.size)[::-1][:: every if one.group == "regime" else 1]
        rows = rows[rows >= one.warm_up]
        ours, theirs = found[one.name][rows], expected[one.name][rows]
        assert np.allclose(ours, theirs, rtol=1e-9, atol=1e-9), one.name
    return max(case.bars.size - max(one.warm_up for one in features), 0)


@MANY
@given(cases(least=60), st.integers(32, 50))
def test_formulas(case: Case, window: int) -> None:
    assert_formulas(with_regime(case, window), every=11)


@pytest.mark.parametrize("name", ["1m", "1s", "5m"])
def test_formulas_are_compared_on_warm_rows(name: str) -> None:
    step = {"1m": 60, "1s": 1, "5m": 300}[name] * 10**9
    ts_ns = DAY.ny(9, 30) - 60 * step + np.arange({"1m": 300, "1s": 700, "5m": 200}[name]) * step
    bars = walk(np.random.default_rng(5), ts_ns)
    bars["close"][150:170] = bars["close"][149]
    assert assert_formulas(with_regime(Case(DAY, name, WINDOWS[name], bars), 37)) > 100


def test_formulas_with_the_longest_window() -> None:
    bars = walk(np.random.default_rng(7), FIRST + np.arange(540) * 1_000_000_000)
    case = Case(DAY, "1s", WINDOWS["1s"].model_copy(update={"volatility": (30, 508)}), bars)
    assert assert_formulas(with_regime(case, 510)) > 20


@MANY
@given(cases(least=120), st.data())
def test_a_late_start_is_forgotten_to_the_bit(case: Case, data: st.DataObject) -> None:
    """Every column is finite, agreement and entropy too: equal as soon as its own warm-up has passed."""
    case = with_regime(case, 32)
    late = data.draw(st.integers(1, case.bars.size - 1))
    whole, part = columns(case), columns(case, late)
    for one in catalogue(case.settings, case.bar_ns):
        assert one.kind == "finite"
        a, b = whole[one.name][late + one.warm_up :], part[one.name][one.warm_up :]
        assert a.tobytes() == b.tobytes(), one.name


def last(case: Case) -> dict[str, float]:
    """The newest row."""
    return {name: float(values[-1]) for name, values in columns(case).items()}


@pytest.mark.kernel
def test_still_prices() -> None:
    row = last(of_closes(np.full(60, 16_000)))
    assert [row[f"variance_ratio_{q}"] for q in (2, 4, 8)] == [1, 1, 1]
    assert (row["hurst"], row["entropy"], row["entropy_sign"], row["efficiency"]) == (0.5, 0, 0, 0)
    assert (row["volatility_ratio"], row["agreement"]) == (1, 0)


@pytest.mark.kernel
def test_a_straight_line_trends() -> None:
    row = last(of_closes(16_000 + 3 * np.arange(130)))
    assert (row["hurst"], row["efficiency"], row["agreement"]) == (1, 1, 1)
    assert (row["entropy"], row["entropy_sign"]) == (0, 0)
    assert row["variance_ratio_8"] == 1  # no variance about the mean change
    assert last(of_closes(20_000 - 3 * np.arange(130)))["agreement"] == -1


@pytest.mark.kernel
def test_a_zigzag_reverts() -> None:
    row = last(of_closes(16_000 + np.arange(130) % 2))
    assert (row["variance_ratio_2"], row["variance_ratio_8"], row["hurst"]) == (0, 0, 0.5)
    assert row["efficiency"] == 0
    assert row["entropy_sign"] == pytest.approx(np.log(2) / np.log(9), abs=1e-3)


def test_a_random_walk_is_one_and_a_half() -> None:
    """On many windows the variance ratio means 1; the Hurst exponent a little below a half, its bias at this length."""
    rng = np.random.default_rng(11)
    found = columns(of_closes(30_000 + np.cumsum(rng.integers(-8, 9, 20_000)) // 2, 60, "1s"))
    assert np.mean(found["variance_ratio_8"][60:]) == pytest.approx(1.0, abs=0.06)
    assert np.mean(found["hurst"][60:]) == pytest.approx(0.47, abs=0.02)
    assert np.mean(found["entropy"][60:]) > 0.93


@pytest.mark.parametrize("window", [31, 511])
def test_windows_that_do_not_fit(window: int) -> None:
    unchecked = RegimeSettings.model_construct(window=window)
    chosen = FeatureSettings(groups=("regime",)).model_copy(update={"regime": unchecked})
    with pytest.raises(BadInput, match=f"features.regime.window: {window} is not between 32 and 510"):
        params(chosen, 1_000_000_000)


def test_groups_that_are_off_are_not_updated() -> None:
    """Their fields stay as the state was made; regime alone updates what it reads and writes only its own columns."""
    bars = walk(np.random.default_rng(3), FIRST + np.arange(-120, 0) * MINUTE)

    def moved(*groups: str) -> set[str]:
        chosen = WINDOWS["1m"].model_copy(update={"groups": groups, "regime": RegimeSettings(window=32)})
        case = Case(DAY, "1m", chosen, bars)
        state = fresh("MESU21", None, case.windows)
        before = state.copy()
        compute(state, case.windows, bars, case.table, len(case.names))
        return {name for name in kernel.STATE.names or () if state[name].tobytes() != before[name].tobytes()}

    of_regime = {name for name, *_ in regime.FIELDS}
    of_amd = {name for name, *_ in amd.FIELDS}
    of_volatility = {name for name, *_ in volatility.FIELDS}
    assert not moved("returns") & (of_regime | of_amd | of_volatility)
    assert moved("regime") & (of_regime | of_amd | of_volatility) == of_regime | of_volatility
    assert moved("amd") & (of_regime | of_amd | of_volatility) == of_amd - {"am_side"}
    assert not moved("sessions") & (of_regime | of_amd | of_volatility)


@pytest.mark.kernel
def test_the_night_belongs_to_asia_the_morning_to_london_and_the_day_to_new_york() -> None:
    """By the end of a bar: 02:00 is Asia's last, 08:30 London's, 16:00 New York's; then it is nobody's."""
    ends = [(0, 1), (2, 0), (2, 1), (8, 30), (8, 31), (16, 0), (16, 1)]
    bars = np.zeros(len(ends) + 1, BAR)
    bars["ts_ns"] = [DAY.open_ns, *(DAY.ny(*at) - MINUTE for at in ends)]
    for name in ("open", "high", "low", "close"):
        bars[name] = 16_000
    chosen = WINDOWS["1m"].model_copy(update={"groups": ("sessions",)})
    found = columns(Case(DAY, "1m", chosen, bars))
    assert found["in_asia"].tolist() == [1, 1, 1, 0, 0, 0, 0, 0]
    assert found["in_london"].tolist() == [0, 0, 0, 1, 1, 0, 0, 0]
    assert found["in_new_york"].tolist() == [0, 0, 0, 0, 0, 1, 1, 0]
