"""The benchmarks on tiny sizes: their documents have the keys, and the work is real. No timings: machines are busy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import bench
from bench import importing, simulate
from bench import tape as tape_of
from bench.features import ohlcv
from bench.features_peers import with_pandas, with_polars
from scalper.errors import BadInput
from scalper.features import catalogue
from scalper.lake import Lake, import_files
from tests.conftest import Verb

RATES = {"seconds", "peak_mib", "peers", "ratios"}


@pytest.mark.long
def test_features_document() -> None:
    found = bench.run("features", 1000)
    assert found["sessions"] == 1
    assert set(found) >= RATES | {"rows", "rows_per_second", "in_memory", "one_session_seconds"}
    assert found["rows"] > found["rows_written"] > 10_000  # whole sessions
    assert found["rows"] > found["all_hours"]["rows_written"] > found["rows_written"]
    assert found["times_the_floor"] > 1
    assert set(found["ms_a_session"]) >= {"read", "features", "write features", "labels", "write labels", "rest"}
    assert found["stream_step_us"]["base"] > 0
    assert found["peer_columns"] == found["columns"] - len(found["peers_leave_out"].split(", "))
    _sound(found, "rows")


def test_tapes_are_spread_over_the_calendar() -> None:
    every = tape_of.tapes(2)
    held = list(tape_of.spread(every, 6 * every[0].bars.size))
    assert len({one.session.date for one in held}) == len(held) >= 6
    assert sum(one.bars.size for one in held) >= 6 * every[0].bars.size
    for number, one in enumerate(held):
        tape = every[number % 2]
        assert one.session.open_ns <= one.bars["ts_ns"][0] < one.bars["ts_ns"][-1] < one.session.close_ns
        assert np.array_equal(one.bars["close"], tape.bars["close"][: one.bars.size])
        assert (one.bars["ts_ns"] - one.session.open_ns).tolist() == (
            tape.bars["ts_ns"][: one.bars.size] - tape.session.open_ns
        ).tolist()
    with pytest.raises(BadInput, match=r"--rows 999000000: .* ask for fewer"):
        list(tape_of.spread([tape_of.Tape(one.session, "MESU1", one.bars[:1]) for one in every], 999_000_000))


def test_simulate_document_says_that_it_traded() -> None:
    found = bench.run("simulate", 80_000)
    assert set(found) >= RATES | {"bars", "bars_per_second"}
    assert found["bars_per_trade"] <= 1000
    assert found["halted"] is False
    assert found["live_path_trades_the_same"] is True
    assert set(found["exits"]) >= {"stop", "target", "time", "signal", "reversal"}
    _sound(found, "bars")


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_decide_document() -> None:
    found = bench.run("decide", 600)
    assert set(found) >= RATES | {"bars", "decision", "parts"}
    assert (found["bars"], found["trees"]) == (600, 600)
    for one in (found["decision"], *found["parts"].values(), *found["peers"].values()):
        assert 0 < one["p50_ms"] <= one["p99_ms"]
    assert set(found["parts"]) == {"features", "score", "policy"}


def test_ticks_document() -> None:
    found = bench.run("ticks", 3000)
    assert set(found) >= RATES | {"rows", "rows_per_second", "trades", "kernel"}
    for one in (found, found["trades"], found["kernel"]):
        _sound(one, "rows")


@pytest.mark.long
def test_import_document() -> None:
    found = bench.run("import", 3000)
    assert set(found) >= RATES | {"rows", "rows_per_second", "parquet", "text"}
    for one in (found, found["parquet"], found["text"]):
        assert one["rows"] == one["rows_kept"] == 3000
        _sound(one, "rows")


def _sound(found: dict[str, Any], unit: str) -> None:
    """Rates are counts over seconds, and ratios are against the peers."""
    assert found["peak_mib"] > 0
    assert found[f"{unit}_per_second"] == pytest.approx(found[unit] / found["seconds"], rel=0.05)
    for name, theirs in found["peers"].items():
        assert found["ratios"][name] == pytest.approx(found[f"{unit}_per_second"] / theirs, rel=0.05, abs=0.01)


def test_peers_make_the_features_of_the_kernel() -> None:
    """Where they share a column they agree on it; flat windows, which rolling sums of floats blur, are left out."""
    lane = tape_of.lane()
    tape, bars, block = next(iter(tape_of.features(lane, tape_of.tapes(1))))
    warm = np.flatnonzero(block.warm)
    names = [one.name for one in catalogue(lane.features, lane.interval_ns)]
    frame = ohlcv(bars)
    polars, pandas = with_polars(frame, lane), with_pandas(frame.to_pandas(), lane)
    assert polars.columns == list(pandas.columns)[: len(polars.columns)]
    for name in [one for one in polars.columns if one != "label"]:
        ours = block.x[warm, names.index(name)].astype(float)
        for theirs in (polars[name].to_numpy()[warm], pandas[name].to_numpy()[warm]):
            near = np.isclose(ours, theirs.astype(float), rtol=1e-3, atol=2e-2)
            assert near.mean() > 0.99, (tape.session.date, name)


def test_the_peer_of_the_simulation_trades() -> None:
    lane = tape_of.lane(labels={"horizon": simulate.HORIZON})
    script = simulate.scripts(lane, 1)[0].first(5000)
    assert simulate.fixed_horizon(lane, script) != 0


@pytest.mark.parametrize("kind", ["dbn", "parquet", "text"])
def test_importers_keep_the_same_rows(tmp_path: Path, kind: str) -> None:
    path, rows = tmp_path / {"dbn": "es.dbn.zst"}.get(kind, f"es.{kind}"), 60_000
    if kind == "text":
        paths, rows = importing.to_texts(4000, tmp_path)[0], 4000
        kept = importing.pandas_texts(paths, tmp_path / "peer")
    elif kind == "parquet":
        importing.to_parquet(rows, importing.SECOND_NS, path)
        paths, kept = [path], importing.pandas_parquet(path, tmp_path / "peer")
    else:
        importing.seconds_to_dbn(rows, path)
        paths, kept = [path], importing.pandas_dbn(path, tmp_path / "peer")
        assert importing.databento_parquet(path, tmp_path / "vendor") == rows
    report = import_files(Lake(tmp_path / "lake"), paths, symbol="ES", tz=importing.ZONE if kind == "text" else None)
    assert kept == report.rows_kept == rows
    theirs = {path.parent.name: len(pd.read_parquet(path)) for path in (tmp_path / "peer").rglob("part.parquet")}
    ours = {path.parent.name: len(pl.read_parquet(path)) for path in (tmp_path / "lake/bars").rglob("part.parquet")}
    assert ours == theirs


def test_command_line(tmp_path: Path, scalper: Verb) -> None:
    code, out, err = scalper("bench", "ticks", "--rows", "2000", "--json", home=tmp_path)
    assert code == 0, err
    assert json.loads(out)["bench"] == "ticks"
    code, out, err = scalper("bench", "ticks", "--rows", "2000", home=tmp_path)
    assert (code, out) == (0, "")
    assert "rows_per_second" in err
    assert scalper("bench", "nothing", home=tmp_path)[0] == 2
    assert scalper("bench", "import", "--rows", "999000000", home=tmp_path)[0] == 3
    assert not list(tmp_path.iterdir())  # a benchmark leaves nothing in the home
