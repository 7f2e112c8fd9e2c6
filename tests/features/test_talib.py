"""The base set against two other hands: TA-Lib where it has the indicator, plain numpy where it has not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from types import ModuleType

import numpy as np
import pytest

from scalper.features import compute, params
from scalper.features.core import interval_ns
from scalper.market import session
from scalper.settings import REPOSITORY, FeatureSettings, load_lane
from tests.features.exact import VOLATILITY
from tests.features.real import SOURCES
from tests.features.reference import completed, reference
from tests.features.support import BEFORE, Case, walk

Columns = dict[str, np.ndarray]
BASE = FeatureSettings().groups
PLAIN = (
    "vwap", "vwap_slope",
    "to_close", "day_sin", "day_cos", "week_sin", "week_cos", "at_open", "at_lunch", "at_close",
    "direction", "upper_wick", "lower_wick", "gap", "range",
    "prior_close", "prior_high", "prior_low", "opening_gap", "prior_range", "prior_volatility",
)  # fmt: skip
"""What TA-Lib has not."""
FORGOTTEN = 14
"""TA-Lib's averages begin with a mean, ours with the first close: after 14 n bars nothing of either is left."""


@pytest.fixture(scope="module")
def talib() -> ModuleType:
    return pytest.importorskip("talib", reason="TA-Lib is not installed: make install brings it")


def generated(name: str) -> Case:
    """Seconds with the default windows, or minutes with the demo's."""
    day, lane = session("MES", date(2021, 7, 14)), load_lane(REPOSITORY / "config" / "demo.yaml")
    windows = FeatureSettings() if name == "1s" else lane.features.model_copy(update={"groups": BASE})
    first, n, bar_ns = (day.ny(9, 0), 7000, 10**9) if name == "1s" else (day.ny(0, 0), 1000, lane.interval_ns)
    return Case(day, name, windows, walk(np.random.default_rng(5), first + np.arange(n) * bar_ns))


@pytest.fixture(scope="module", params=["1s", "1m", "real 5m"])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    """A session of many bars."""
    if request.param != "real 5m":
        yield generated(request.param)
        return
    source, lane = SOURCES["five minutes"], load_lane(REPOSITORY / "config" / "es_5m.yaml")
    bars = source.read(request.getfixturevalue("real_data"), tmp_path_factory.mktemp("real"))
    yield Case(session("ES", source.day), "5m", lane.features.model_copy(update={"groups": BASE}), bars)


def ours(case: Case) -> Columns:
    """The kernel's columns, float64, from the first bar on; then the volatility of stops."""
    windows = params(case.settings, case.bar_ns, masked=False)
    block = compute(case.state(), windows, case.bars, case.table, len(case.names), np.float64)
    return dict(zip(case.names, block.x.T, strict=True)) | {VOLATILITY: block.volatility}


def agree(found: Columns, expected: Columns, n: int) -> None:
    """Every expected column to 1e-9, on a good part of n rows."""
    for name, other in expected.items():
        known = np.isfinite(other)
        assert known.sum() > n / 3, name
        assert np.abs(found[name] - other)[known].max() < 1e-9, name


def test_every_base_column_has_a_second_opinion(talib: ModuleType, case: Case) -> None:
    theirs = set(by_talib(talib, case)) - {VOLATILITY}
    assert not theirs & set(PLAIN)
    assert theirs | set(PLAIN) == set(case.names)


def test_indicators_are_those_of_talib(talib: ModuleType, case: Case) -> None:
    agree(ours(case), by_talib(talib, case), case.bars.size)


def test_the_others_are_those_of_plain_numpy(case: Case) -> None:
    found = reference(case.bars, case.session, case.bar_ns, case.settings, BEFORE)
    agree(ours(case), {name: found[name] for name in PLAIN}, case.bars.size)


def coarser(case: Case, length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """High, low and close of bars so long, and for each row how many of them have completed."""
    made, done = completed(case.bars, case.bar_ns, length)
    high, low, close = (made[key].astype(np.float64) for key in ("high", "low", "close"))
    return high, low, close, done


def mean_range(talib: ModuleType, high: np.ndarray, low: np.ndarray, close: np.ndarray, n: int) -> np.ndarray:
    """Mean true range: TA-Lib's own ATR is Wilder's, ours the plain mean."""
    return talib.SMA(talib.TRANGE(high, low, close), n)


def by_talib(talib: ModuleType, case: Case) -> Columns:
    """The columns that TA-Lib has, float64; NaN where it has none yet, or another value by convention."""
    s, n = case.settings, case.bars.size
    o, h, low, c, v = (case.bars[name].astype(np.float64) for name in ("open", "high", "low", "close", "volume"))
    out: Columns = {}
    for k in s.returns:
        out[f"return_{k}"] = 1e4 * talib.ROCP(c, k)
        out[f"log_return_{k}"] = 1e4 * talib.LN(talib.ROCR(c, k))
    for k in s.volume:
        out[f"volume_{k}"] = v / talib.SMA(v, k)
    out["volume_delta"] = np.sign(c - o) * v / talib.SMA(v, s.volume[-1])
    obv = talib.OBV(c, v)
    out["obv"] = (obv - np.concatenate([np.full(s.obv, np.nan), obv[: n - s.obv]])) / talib.SUM(v, s.obv)
    out["body"] = np.abs(talib.BOP(o, h, low, c))
    for name in s.higher:
        high, low_, close, done = coarser(case, interval_ns(name))
        values = {"trend": close - talib.SMA(close, 5), "momentum": talib.MOM(close, 3)}
        values["range"] = mean_range(talib, high, low_, close, 5)
        out |= {f"{key}_{name}": np.concatenate([[np.nan], value])[done] for key, value in values.items()}
    high, low_, close, done = coarser(case, max(case.bar_ns, 60 * 10**9))
    out[VOLATILITY] = np.concatenate([[np.nan], mean_range(talib, high, low_, close, s.atr)])[done]
    return out | averages(talib, s, c) | volatility(talib, s, h, low, c) | momentum(talib, s, h, low, c)


def averages(talib: ModuleType, s: FeatureSettings, c: np.ndarray) -> Columns:
    """Exponential averages, once their beginning is forgotten."""
    out: Columns = {}
    ema = {n: talib.EMA(c, n) for n in s.ema}
    for n in s.ema:
        ema[n][: FORGOTTEN * n] = np.nan
        out[f"ema_{n}"] = c - ema[n]
    for a, b in pairwise(s.ema):
        out[f"ema_{a}_{b}"] = ema[a] - ema[b]
        out[f"cross_{a}_{b}"] = np.diff(np.sign(ema[a] - ema[b]), prepend=np.nan) / 2
        assert np.unique(out[f"cross_{a}_{b}"][FORGOTTEN * b + 1 :]).tolist() == [-1, 0, 1]
    fast, slow, signal = s.macd
    lines = talib.MACD(c - c[0], fast, slow, signal)  # near 0 its sums lose less
    for name, line in zip(("macd", "macd_signal", "macd_histogram"), lines, strict=True):
        line[: FORGOTTEN * (slow + signal)] = np.nan
        out[name] = line
    return out


def volatility(talib: ModuleType, s: FeatureSettings, h: np.ndarray, low: np.ndarray, c: np.ndarray) -> Columns:
    """Ranges and deviations."""
    atr = mean_range(talib, h, low, c, s.atr)
    upper, middle, lower = talib.BBANDS(c - c[0], s.bollinger, 2, 2)
    width, flat = upper - lower, upper <= lower
    out = {"atr": atr, "atr_bp": 1e4 * atr / c, "bollinger_width": width}
    out["bollinger"] = np.where(flat, 0, 2 * (c - c[0] - middle) / np.where(flat, 1, width))
    change = np.diff(c, prepend=np.nan)
    return out | {f"volatility_{k}": talib.STDDEV(change, k) for k in s.volatility}


def momentum(talib: ModuleType, s: FeatureSettings, h: np.ndarray, low: np.ndarray, c: np.ndarray) -> Columns:
    """Relative strength in Cutler's form (TA-Lib's RSI is Wilder's) and the stochastic."""
    change = np.diff(c, prepend=np.nan)
    up, down = talib.SUM(np.maximum(change, 0), s.rsi), talib.SUM(np.maximum(-change, 0), s.rsi)
    still = up + down == 0
    out = {"rsi": np.where(still, 50, 100 * up / np.where(still, 1, up + down))}
    out["stochastic"], out["stochastic_3"] = talib.STOCHF(h, low, c, s.stochastic, 3)
    flat = talib.MAX(h, s.stochastic) == talib.MIN(low, s.stochastic)  # there it says 0, we 50
    out["stochastic"][flat] = np.nan
    out["stochastic_3"][talib.SUM(flat.astype(np.float64), 3) != 0] = np.nan
    return out
