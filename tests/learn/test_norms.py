"""Norms: the medians of each minute of a session, by the policy's own minutes; they travel with the model."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from functools import cache

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalper.errors import DataUnavailable, Refused
from scalper.features import AUX
from scalper.lake import Lake, bar_keys
from scalper.learn import Dataset, Fold, Model, Trained, digests
from scalper.learn.norms import FEWEST, Norms, medians, seen
from scalper.market import BAR, INTERVALS, carry, from_ticks, front_contract, session, sessions
from scalper.policy import MINUTES, NORM, unknown_norms
from scalper.settings import FeatureSettings, Lane

DAY = session("MES", date(2021, 6, 24))  # pauses at 16:15
MINUTE = 60_000_000_000
UNKNOWN = unknown_norms().tobytes()


SMALL = FeatureSettings(ema=(3,), volatility=(5,), volume=(5,), higher=("15m",), groups=("time",), atr=5)


@cache
def lane_of(interval: str) -> Lane:
    return Lane(name="n", symbol="MES", source="import", interval=interval, start=date(2021, 6, 1), features=SMALL)  # type: ignore[arg-type]


def tape(interval: str, ends_min: int, share: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bars of the last minutes before `ends_min` after the open, some missing; aux and timetable."""
    draw, lane = np.random.default_rng(seed), lane_of(interval)
    step = lane.interval_ns
    count = max(int(12 * MINUTE // step), 12)
    ts = DAY.open_ns + ends_min * MINUTE // step * step + np.arange(-count, count) * step
    inside = (ts >= DAY.open_ns) & (ts < DAY.close_ns)
    for start, end in DAY.halts:
        inside &= (ts < start) | (ts >= end)
    ts = ts[inside & (draw.random(ts.size) < share)]
    bars = np.zeros(ts.size, BAR)
    bars["ts_ns"], bars["volume"] = ts, draw.integers(1, 50, ts.size)
    for name in ("open", "high", "low", "close"):
        bars[name] = 4000
    bars = carry(bars, DAY, step) if interval == "1s" else bars
    aux = np.zeros(bars.size, AUX)
    aux["volatility_ticks"] = draw.uniform(1, 9, bars.size)
    aux["volatility_ticks"][: bars.size // 8] = np.nan
    return bars, aux, lane.timetable(DAY)


def by_hand(bars: np.ndarray, aux: np.ndarray, step: int) -> dict[int, tuple[float, float]]:
    """Minute from the open to volatility and volume, where the policy gets to know them."""
    length = max(step, MINUTE)
    at = (bars["ts_ns"] - DAY.open_ns) // length
    ends = (bars["ts_ns"] + step - DAY.open_ns) % length == 0
    found: dict[int, tuple[float, float]] = {}
    for one in np.unique(at):
        rows = np.flatnonzero(at == one)
        known = int(rows[-1]) if ends[rows[-1]] else int(rows[-1]) + 1
        told_late = known != rows[-1]
        if known == bars.size or (told_late and ends[known]):  # no more bars, or that bar tells of its own minute
            continue
        place = int(one + 1) * length // MINUTE - 1
        found[place] = (float(aux["volatility_ticks"][known]), float(bars["volume"][rows].sum()))
    return found


@settings(max_examples=120)
@given(
    interval=st.sampled_from(["1s", "15s", "1m", "5m"]),
    ends_min=st.sampled_from([0, 3, 12, 930, 1334, 1350, 1379]),
    share=st.sampled_from([0.02, 0.3, 1.0]),
    seed=st.integers(0, 10**6),
)
def test_a_session_s_minutes(interval: str, ends_min: int, share: float, seed: int) -> None:
    bars, aux, table = tape(interval, ends_min, share, seed)
    found, wanted = seen(bars, aux, table), by_hand(bars, aux, INTERVALS[interval])
    assert found.shape == (MINUTES,) and found.dtype == NORM
    assert np.flatnonzero(~np.isnan(found["volume"])).tolist() == sorted(wanted)
    expected = unknown_norms()
    for minute, one in wanted.items():
        expected[minute] = one
    for name in NORM.names or ():
        assert np.array_equal(found[name], expected[name], equal_nan=True)


def test_carried_seconds_are_part_of_a_minute() -> None:
    bars = np.zeros(2, BAR)
    bars["ts_ns"], bars["volume"] = DAY.open_ns + np.array([59, 125]) * 10**9, (7, 3)
    filled = carry(bars, DAY, 10**9)
    found = seen(filled, np.ones(filled.size, AUX), lane_of("1s").timetable(DAY))
    assert found["volume"][:3].tolist()[:2] == [7, 0] and np.isnan(found["volume"][2])


def some(volatility: float, volume: float) -> np.ndarray:
    out = unknown_norms()
    out["volatility_ticks"][9], out["volume"][9] = volatility, volume
    return out


def test_a_median_needs_five_sessions_that_had_the_minute() -> None:
    assert FEWEST == 5
    four = [some(value, 10 * value) for value in (1.0, 9.0, 2.0, 4.0)]
    assert medians(four).tobytes() == medians([]).tobytes() == UNKNOWN
    assert medians([*four, unknown_norms()]).tobytes() == UNKNOWN
    five = medians([*four, unknown_norms(), some(3.0, 5.0)])
    assert five[9].tolist() == (3.0, 20.0) and np.isnan(five["volume"]).sum() == MINUTES - 1
    half = medians([*four, some(np.nan, 50.0)])[9]
    assert np.isnan(half["volatility_ticks"]) and half["volume"] == 40.0, "each of the two is counted by itself"


def test_the_model_carries_them(
    run: Callable[..., Trained], fit_rows: Dataset, later_rows: Dataset, trained: Trained
) -> None:
    assert Model(trained.onnx).norms.tobytes() == UNKNOWN
    given_ = medians([some(value / 3, value * 7) for value in range(1, 6)])
    told = run(fit_rows, later_rows, norms=given_)
    model = Model(told.onnx)
    assert model.norms.tobytes() == given_.tobytes(), "bit for bit, through JSON"
    assert model.papers.minute_volume[9] == 21.0 and model.papers.minute_volume[8] is None
    assert told.onnx != trained.onnx
    json.dumps(model.metadata, allow_nan=False)


def test_papers_of_another_length_are_refused(trained: Trained) -> None:
    bare = onnx.load_model_from_string(trained.onnx)
    kept = {one.key: one.value for one in bare.metadata_props} | {"scalper.minute_volume": "[1.0, 2.0]"}
    onnx.helper.set_model_props(bare, kept)
    with pytest.raises(Refused, match="minute_volume of its papers has 2 minutes"):
        Model(bare.SerializeToString())


DAYS = sessions("MES", date(2021, 6, 14), date(2021, 6, 22))


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Five sessions of five-minute bars, one flat session, and one that has lost its bars."""
    found, lane = Lake(tmp_path_factory.mktemp("norms")), lane_of("5m")
    for index, one in enumerate(DAYS[:5]):
        bars = np.zeros(40, BAR)
        bars["ts_ns"] = one.open_ns + np.arange(40) * lane.interval_ns
        for name, off in (("open", 0), ("close", 0), ("low", -1 - index), ("high", 1 + index)):
            bars[name] = 16000 + off
        bars["volume"] = 100 + 10 * index
        frame = from_ticks(bars, lane.instrument.tick, front_contract("MES", one.date, "monday"))
        found.write("bars", bar_keys("import", "MES", "5m", one.date), frame)
    for one, rows in ((DAYS[5], 0), (DAYS[6], 3)):
        columns = {"ts_ns": np.arange(rows), "volatility_ticks": np.ones(rows, np.float32)}
        found.write("features", {"lane": "n", "date": one.date.isoformat()}, columns, {})
    return found


def test_norms_of_a_window(lake: Lake) -> None:
    lane = lane_of("5m")
    norms = Norms(lane, lake)
    days = [one.date for one in DAYS]
    found = norms.of(days[:6])  # the flat one tells nothing
    assert found["volume"][4] == 120.0 and np.isnan(found["volume"][[3, 5]]).all()
    assert found["volatility_ticks"][199] == 6.0  # ranges of 2, 4, 6, 8 and 10 ticks
    assert np.isnan(found["volatility_ticks"][4]) and np.isnan(found["volume"][204]), "not warm; no bar"
    assert norms.of(days[:4]).tobytes() == UNKNOWN
    assert norms.of(days[:6]).tobytes() == Norms(lane, lake).of(days[5::-1]).tobytes()
    with pytest.raises(DataUnavailable):
        norms.of(days)


def test_a_session_is_scanned_once(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    norms = Norms(lane_of("5m"), lake)
    first = norms.of([one.date for one in DAYS[:5]])
    monkeypatch.setattr(lake, "read", None)
    assert norms.of([one.date for one in DAYS[:5]]).tobytes() == first.tobytes()


@pytest.mark.parametrize("floor", ["market", "features", "policy", "learn"])
def test_the_digest_of_a_fit_covers_what_makes_norms(lake: Lake, floor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    day = (DAYS[6].date,)
    fold, lane = Fold(1, day, day, day, ()), lane_of("5m")
    monkeypatch.setattr(digests, "data_digest", lambda *_: "the same data")
    before = digests.fit_input(lane, lake, fold)
    monkeypatch.setattr(digests, "source_digest", lambda *floors: "edited" if floor in floors else "as it was")
    edited = digests.fit_input(lane, lake, fold)
    monkeypatch.setattr(digests, "source_digest", lambda *floors: "as it was")
    assert len({before[0], edited[0], digests.fit_input(lane, lake, fold)[0]}) == 3
