"""One step for batch and stream, no look at the future, and every formula against a plain reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalper.features import AUX, catalogue, compute, context, fresh, kernel
from scalper.features.groups.volatility import warm_up as volatility_warm_up
from scalper.market import BAR, FLOW, INTERVALS, carry, session, sessions
from scalper.settings import REPOSITORY, FeatureSettings, load_lane
from tests.features.reference import completed, reference, true_range, volatility
from tests.features.support import BEFORE, GROUPS, WINDOWS, Case, cases, grouped, walk

MANY = settings(max_examples=100)


def sensible(groups: Sequence[str]) -> bool:
    """The score alone has nothing to weigh."""
    return "confluence" not in groups or "trend" in groups


some = st.just(GROUPS) | st.lists(st.sampled_from(GROUPS), min_size=1, unique=True).filter(sensible)
"""All groups, or some of them."""


def a_session(name: str, n: int) -> Case:
    """All groups over n bars around the regular open, some bars missing or carried; rows from the first bar on."""
    day, bar_ns = session("MES", date(2021, 7, 14)), INTERVALS[name]
    ts_ns = day.ny(9, 30) + np.arange(-n // 2, n - n // 2) * bar_ns
    rng = np.random.default_rng(8)
    bars = walk(rng, ts_ns[rng.random(n) < 0.8]) if name == "1s" else walk(rng, ts_ns)
    bars = carry(bars, day, bar_ns) if name == "1s" else bars
    return Case(day, name, grouped(WINDOWS[name], frame="5s" if name == "1s" else None), bars, masked=False)


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Bit for bit, NaN included."""
    return a.tobytes() == b.tobytes()


@MANY
@given(cases(groups=some), st.data())
def test_batch_is_stream_is_restarted_stream(case: Case, data: st.DataObject) -> None:
    batch, streamed = case.compute(), case.stream()
    restarted = case.stream(data.draw(st.integers(0, case.bars.size - 1)))
    assert np.isfinite(batch.x).all(), "from the first bar on"
    for other in (streamed, restarted):
        assert same(batch.x, other.x)
        assert same(batch.aux, other.aux)


@pytest.mark.parametrize("masked", [True, False])
def test_rows_are_held_back_until_all_columns_are_warm(masked: bool) -> None:
    case = replace(a_session("1m", 120), masked=masked)
    batch, streamed = case.compute(), case.stream(restart=50)
    assert same(batch.x, streamed.x) and same(batch.aux, streamed.aux)
    warm_up = max(feature.warm_up for feature in catalogue(case.settings, case.bar_ns))
    assert batch.warm.sum() == (120 - warm_up if masked else 120)
    assert same(batch.x[warm_up:], replace(case, masked=False).compute().x[warm_up:])


@MANY
@given(cases(groups=some), st.data())
def test_no_row_depends_on_the_future(case: Case, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, case.bars.size))
    other = case.bars.copy()
    for name in ("open", "high", "low", "close", "volume", *FLOW):
        other[name][cut:] += 37
    other["known"][cut:] ^= 15
    whole, changed, part = case.compute(), case.compute(bars=other), case.compute(0, cut)
    for found in (changed, part):
        assert same(whole.x[:cut], found.x[:cut])
        assert same(whole.aux[:cut], found.aux[:cut])


@MANY
@given(cases(least=120, groups=st.just(GROUPS)), st.data())
def test_late_start_is_forgotten_after_each_column_s_warm_up(case: Case, data: st.DataObject) -> None:
    """What remembers finitely is equal to the bit, what fades to a millionth of the prices' range.

    A column that jumps may jump elsewhere where the column that decides it is nearly 0.
    """
    late = data.draw(st.integers(1, case.bars.size - 1))
    whole, part = case.compute(), case.compute(late)
    scale = max(1.0, float(np.ptp(case.bars["close"])))
    for column, feature in enumerate(catalogue(case.settings, case.bar_ns)):
        a, b = whole.x[late + feature.warm_up :, column], part.x[feature.warm_up :, column]
        if feature.kind == "finite":
            assert same(a.copy(), b.copy()), feature.name
        elif feature.margin:
            near = np.abs(whole.x[:, case.names.index(feature.margin)]) < 1e-6 * scale
            near[1:] |= near[:-1]
            assert same(a[~near[late + feature.warm_up :]], b[~near[late + feature.warm_up :]]), feature.name
        elif feature.kind == "recursive":
            assert np.allclose(a, b, rtol=2e-7, atol=1e-6 * scale), feature.name
    warm = volatility_warm_up(case.settings, case.bar_ns)
    assert same(whole.volatility[late + warm :].copy(), part.volatility[warm:].copy())


@pytest.mark.parametrize("name", ["1m", "1s", "5m"])
def test_writing_changes_nothing(name: str) -> None:
    """A row can be left out, or written twice: the state keeps every byte."""
    case = a_session(name, 150)
    state, windows, row, aux = case.state(), case.windows, np.empty((2, len(case.names))), np.zeros(2, AUX)
    for bar in case.bars:
        kernel.update(state[0], windows[0], bar, case.table[0])
        before = state.tobytes()
        kernel.write(state[0], windows[0], bar, case.table[0], row[0], aux[0])
        kernel.write(state[0], windows[0], bar, case.table[0], row[1], aux[1])
        assert state.tobytes() == before
        assert same(row[0], row[1]) and aux[0] == aux[1]


@pytest.mark.parametrize("name", ["1m", "1s", "5m"])
def test_a_group_makes_its_columns_whatever_the_others(name: str) -> None:
    """Each group alone, streamed and restarted; but the score, which is made of the other groups."""
    case = a_session(name, 130)
    whole = case.compute()
    for group in GROUPS:
        chosen = ["trend", group] if group == "confluence" else [group]
        alone = replace(case, settings=case.settings.model_copy(update={"groups": chosen}))
        batch, streamed = alone.compute(), alone.stream(restart=77)
        assert same(batch.x, streamed.x) and same(batch.aux, streamed.aux)
        if group != "confluence":
            assert same(batch.x, whole.x[:, [case.names.index(name) for name in alone.names]]), group
            assert same(batch.volatility.copy(), whole.volatility.copy())


def test_rows_of_doubles_are_those_of_floats() -> None:
    """But the score, which reads its parts from the row."""
    case = a_session("1m", 100)
    case = replace(case, settings=grouped(case.settings, GROUPS[:-1]))
    exact = compute(case.state(), case.windows, case.bars, case.table, len(case.names), np.float64)
    assert same(exact.x.astype(np.float32), case.compute().x)
    assert (exact.x != exact.x.astype(np.float32)).any()


@MANY
@given(cases(groups=st.just(GROUPS)), st.sampled_from(["none", "roll", "older", "other"]))
def test_only_columns_of_the_context_depend_on_the_session_before(case: Case, kind: str) -> None:
    left = context("MESU21", case.bars, case.bar_ns)
    left["version"] -= kind == "older"
    for name in ("close", "high", "low", "range", "volatility"):
        left[name] += 5 * (kind == "other")
    state = fresh("MESZ21" if kind == "roll" else "MESU21", None if kind == "none" else left, case.windows)
    found = compute(state, case.windows, case.bars, case.table, len(case.names))
    whole = case.compute()
    columns = catalogue(case.settings, case.bar_ns)
    crossing = np.array([feature.kind == "context" for feature in columns])
    assert same(whole.x[:, ~crossing], found.x[:, ~crossing])
    assert same(whole.aux, found.aux)
    missing = np.array([bool(feature.missing) for feature in columns])
    assert not (missing & ~crossing).any()
    assert np.isnan(found.x[:, missing]).all() if kind != "other" else np.isfinite(found.x).all()
    assert np.isfinite(found.x[:, ~missing]).all()


def test_a_session_before_that_stood_still_is_no_divisor() -> None:
    case = a_session("1m", 20)
    left = context("MESU21", case.bars, case.bar_ns)
    left["range"] = left["volatility"] = 0
    found = compute(fresh("MESU21", left, case.windows), case.windows, case.bars, case.table, len(case.names))
    for name in ("prior_range", "prior_volatility"):
        assert (found.x[:, case.names.index(name)] == 1).all(), name


@MANY
@given(cases())
def test_the_context_is_of_traded_bars(case: Case) -> None:
    left = context("MESU21", case.bars, case.bar_ns)
    traded = case.bars[case.bars["carried"] == 0]
    assert context("MESU21", traded, case.bar_ns) == left
    made, _ = completed(traded, case.bar_ns, max(case.bar_ns, 60 * 10**9))
    ranges = true_range(made["high"], made["low"], made["close"])
    high, low = traded["high"].max(), traded["low"].min()
    assert left[0].tolist()[2:] == (traded["close"][-1], high, low, high - low, ranges.sum() / ranges.size)


def assert_formulas(case: Case) -> int:
    """Every warm row against the reference, to a unit in the last place of float32; returns how many rows are warm."""
    block = case.compute()
    expected = reference(case.bars, case.session, case.bar_ns, case.settings, BEFORE)
    assert list(expected) == case.names, "the catalogue's order is the reference's"
    warm = np.arange(case.bars.size) >= int(case.windows["warm_up"][0])
    assert np.array_equal(block.warm, warm)
    assert np.isnan(block.x[~warm]).all(), "nothing before the warm-up"
    for column, name in enumerate(case.names):
        ours, theirs = block.x[warm, column], expected[name][warm].astype(np.float32)
        assert np.isfinite(ours).all(), name
        close = np.abs(ours.astype(np.float64) - theirs) <= np.spacing(np.abs(theirs)) + 1e-9
        assert close.all(), f"{name}: {ours[~close][:3]} is not {theirs[~close][:3]}"
    ranges = volatility(case.bars, case.bar_ns, case.settings.atr)[warm]
    assert np.allclose(block.volatility[warm], ranges, rtol=1e-12, atol=0)
    return int(warm.sum())


@MANY
@given(cases(least=60))
def test_formulas(case: Case) -> None:
    assert_formulas(case)


@pytest.mark.parametrize("name", ["1m", "1s", "5m"])
def test_formulas_are_compared_on_warm_rows(name: str) -> None:
    """The generated sessions above are long enough: here every column is compared on hundreds of rows."""
    day = session("MES", date(2021, 7, 14))
    bar_ns = {"1m": 60, "1s": 1, "5m": 300}[name] * 10**9
    ts_ns = day.ny(9, 30) - 150 * bar_ns + np.arange({"1m": 400, "1s": 900, "5m": 220}[name]) * bar_ns
    bars = walk(np.random.default_rng(5), ts_ns)
    assert assert_formulas(Case(day, name, WINDOWS[name], bars)) > 100


def test_formulas_of_the_demo_s_windows() -> None:
    lane = load_lane(REPOSITORY / "config" / "demo.yaml")
    day = session("MES", date(2021, 7, 14))
    ts_ns = day.ny(4, 0) + np.arange(700) * lane.interval_ns
    assert assert_formulas(Case(day, "1m", lane.features, walk(np.random.default_rng(6), ts_ns))) > 300


def test_formulas_on_real_bars(real_data: Path) -> None:
    """Two sessions of ES five-minute bars, the one with the last pause at 16:15 among them."""
    file = real_data / "es_5m" / "ESU21.txt.gz"
    if not file.is_file():
        pytest.skip(f"no {file}")
    windows = load_lane(REPOSITORY / "config" / "es_5m.yaml").features.model_copy(
        update={"groups": FeatureSettings().groups}
    )
    raw = pl.read_csv(file, infer_schema=False).select(pl.all().name.map(str.strip)).select(pl.all().str.strip_chars())
    stamp = (pl.col("Date") + " " + pl.col("Time")).str.to_datetime("%Y/%m/%d %H:%M:%S", time_unit="ns")
    prices = {"open": "Open", "high": "High", "low": "Low", "close": "Last"}
    table = raw.select(
        stamp.dt.replace_time_zone("America/Chicago").dt.epoch("ns").alias("ts_ns"),
        *[(pl.col(source).cast(pl.Float64) * 4).round().cast(pl.Int64).alias(name) for name, source in prices.items()],
        pl.col("Volume").cast(pl.Int64).alias("volume"),
    )
    for day in sessions("ES", date(2021, 6, 25), date(2021, 6, 28)):
        rows = table.filter(pl.col("ts_ns").is_between(day.open_ns, day.close_ns, closed="left"))
        bars = np.zeros(len(rows), BAR)
        for name in rows.columns:
            bars[name] = rows[name].to_numpy()
        assert assert_formulas(Case(day, "5m", windows, bars)) > 180


def test_averages_that_lay_on_each_other_cross_when_they_part() -> None:
    case = a_session("1m", 20)
    for name in ("open", "high", "low", "close"):
        case.bars[name] = 16_000 + 3 * (np.arange(20) >= 15)
    crosses = case.compute().x[:, case.names.index("cross_3_5")]
    assert crosses.tolist() == [0.0] * 15 + [1.0] + [0.0] * 4


@MANY
@given(cases(least=60))
def test_higher_columns_change_only_when_a_bar_completes(case: Case) -> None:
    block = case.compute()
    for name in case.settings.higher:
        length = {"1m": 60, "5m": 300, "10m": 600, "15m": 900}[name] * 10**9
        _, done = completed(case.bars, case.bar_ns, length)
        columns = [case.names.index(f"{what}_{name}") for what in ("trend", "momentum", "range")]
        still = np.flatnonzero(np.diff(done) == 0) + 1
        still = still[block.warm[still - 1]]
        assert same(block.x[still][:, columns], block.x[still - 1][:, columns])


@pytest.mark.kernel
@pytest.mark.parametrize("name", ["1m", "1s", "5m"])
def test_the_kernel_writes_as_many_columns_as_the_catalogue_has(name: str) -> None:
    n = 90
    case = a_session(name, n)
    out, aux = np.full((n, len(case.names) + 4), np.inf, np.float32), np.empty(n, AUX)
    with np.errstate(all="ignore"):
        kernel.scan(case.state(), case.windows, case.bars, case.table, out, aux)
    assert np.isfinite(out[:, : len(case.names)]).all() and np.isinf(out[:, len(case.names) :]).all()
