"""One step for batch and stream, no look at the future, and every formula against a plain reference."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalper.features import catalogue
from scalper.market import BAR, session, sessions
from scalper.settings import REPOSITORY, load_lane
from tests.features.reference import completed, reference, volatility
from tests.features.support import BEFORE, Case, cases, walk

MANY = settings(max_examples=120)
PRIOR = ("prior_close", "prior_high", "prior_low")


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Bit for bit, NaN included."""
    return a.tobytes() == b.tobytes()


@MANY
@given(cases(), st.data())
def test_batch_is_stream_is_restarted_stream(case: Case, data: st.DataObject) -> None:
    batch, streamed = case.compute(), case.stream()
    restarted = case.stream(data.draw(st.integers(0, case.bars.size - 1)))
    for other in (streamed, restarted):
        assert same(batch.x, other.x)
        assert same(batch.volatility, other.volatility)


@MANY
@given(cases(), st.data())
def test_no_row_depends_on_the_future(case: Case, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, case.bars.size))
    other = case.bars.copy()
    for name in ("open", "high", "low", "close", "volume"):
        other[name][cut:] += 37
    whole, changed, part = case.compute(), case.compute(bars=other), case.compute(0, cut)
    for found in (changed, part):
        assert same(whole.x[:cut], found.x[:cut])
        assert same(whole.volatility[:cut], found.volatility[:cut])


@MANY
@given(cases(least=120), st.data())
def test_late_start_is_forgotten_after_the_warm_up(case: Case, data: st.DataObject) -> None:
    """What remembers finitely is equal to the bit, what fades to a millionth of the prices' range."""
    late = data.draw(st.integers(1, case.bars.size - 1))
    warm = int(case.windows["warm_up"][0])
    whole, part = case.compute(), case.compute(late)
    from_row = late + warm
    assert same(whole.volatility[from_row:], part.volatility[warm:])
    scale = max(1.0, float(np.ptp(case.bars["close"])))
    for column, feature in enumerate(catalogue(case.settings, case.bar_ns)):
        a, b = whole.x[from_row:, column], part.x[warm:, column]
        if feature.kind == "finite":
            assert same(a.copy(), b.copy()), feature.name
        elif feature.kind == "recursive":
            assert np.allclose(a, b, rtol=2e-7, atol=1e-6 * scale), feature.name


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
    from tests.features.support import WINDOWS

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
    lane = load_lane(REPOSITORY / "config" / "es_5m.yaml")
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
        assert assert_formulas(Case(day, "5m", lane.features, bars)) > 180


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
    from scalper.features.kernel import scan
    from tests.features.support import WINDOWS

    day = session("MES", date(2021, 7, 14))
    step_ns = {"1m": 60, "1s": 1, "5m": 300}[name] * 10**9
    case = Case(day, name, WINDOWS[name], walk(np.random.default_rng(1), day.ny(9, 30) + np.arange(3) * step_ns))
    out, ranges = np.full((3, len(case.names) + 4), 7.0, np.float32), np.empty(3)
    with np.errstate(all="ignore"):
        scan(case.state(), case.windows, case.bars, case.table, out, ranges)
    assert np.isnan(out[:, : len(case.names)]).all() and (out[:, len(case.names) :] == 7.0).all()
