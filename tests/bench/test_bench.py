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
from bench import grid, importing, simulate, simulate_versus
from bench import tape as tape_of
from bench.features import ohlcv
from bench.features_peers import with_pandas, with_polars
from scalper.errors import BadInput
from scalper.features import catalogue
from scalper.lake import Lake, import_files
from scalper.policy import DECISION, Action, Gate
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


def test_simulate_document_says_that_it_traded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(simulate_versus, "PEERS_PYTHON", tmp_path / "python")
    monkeypatch.setattr(simulate_versus, "PEER_BARS", 1500)
    found = bench.run("simulate", 80_000)
    assert set(found) >= RATES | {"bars", "bars_per_second", "processor_seconds"}
    assert found["bars_per_trade"] <= 1000
    assert found["halted"] is False
    assert found["live_path_trades_the_same"] is True
    assert set(found["exits"]) >= {"stop", "target", "time", "signal", "reversal", "with a partial"}
    assert set(found["moved_stops"]) >= {"breakeven", "trailing"}
    assert {"spread", "pause", "cooldown"} <= set(found["holds"])
    assert found["missing"][0] == "vectorbt and backtesting.py are not here: make peers"
    assert not any("vectorbt" in name for name in found["peers"])
    _sound(found, "bars")


def test_broken_peers_are_said_to_be_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no module named vectorbt >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(simulate_versus, "PEERS_PYTHON", broken)
    monkeypatch.setattr(simulate_versus, "PEER_BARS", 300)
    lane = simulate.every_rule()
    found, missing = simulate_versus.others(lane, simulate.scripts(lane, 1))
    assert "simulate_peers.py failed (no module named vectorbt); make it anew: rm -r .peers; make peers" in missing
    assert not any("vectorbt" in name for name in found)


@pytest.mark.long
def test_other_backtesters_trade_the_same_signals() -> None:
    if not simulate_versus.PEERS_PYTHON.is_file():
        pytest.skip("no .peers: make peers")
    lane = simulate.every_rule()
    found, _ = simulate_versus.others(lane, simulate.scripts(lane))
    assert set(found) >= {"vectorbt, rust", "vectorbt, numba", "backtesting.py"}
    assert all(one["processor_seconds"] > 0 for one in found.values())
    assert found["vectorbt, rust"]["trades"] == found["vectorbt, numba"]["trades"]
    for one in found.values():
        assert one["bars"] / one["trades"] < 1000
        assert one["bars_per_second"] > 0


def test_signals_are_the_entries_that_the_policy_allows() -> None:
    """What the peers are told to enter, our own rules let pass prediction, confidence and expected move."""
    lane = simulate.every_rule()
    script = simulate.scripts(lane, 1)[0]
    told = simulate_versus.signals(lane, [script])
    decisions = np.zeros(script.bars.size, DECISION)
    assert simulate.compiled(lane, [script], decisions=decisions).trades > 0
    entered = np.flatnonzero(np.isin(decisions["action"], (Action.ENTER, Action.REVERSE)))
    usual = entered[decisions["slippage"][entered] == lane.simulation.slippage_ticks]
    assert usual.size > 20
    for name, field in (("side", "side"), ("stop", "stop_ticks"), ("target", "target_ticks")):
        assert told[name][usual].tolist() == decisions[field][usual].tolist(), name
    usual = decisions["slippage"] == lane.simulation.slippage_ticks
    for gate in (Gate.CONFIDENCE, Gate.EXPECTED_MOVE, Gate.FLAT, Gate.PREDICTION):
        refused = usual & (decisions["gate"] == gate)
        assert refused.any(), gate
        assert not told["side"][refused].any(), gate


def test_grid_document(monkeypatch: pytest.MonkeyPatch) -> None:
    few = {"policy.confidence": [0.6, 0.65], "policy.stop.atr_multiple": [1.0, 2.0]}
    monkeypatch.setattr(grid, "AXES", few)
    found = bench.run("grid", 2000)
    assert set(found) >= RATES | {"bars", "bars_per_second", "peak_mib_of_10_sets", "processor_seconds"}
    assert (found["sets"], found["bars_of_a_set"], found["bars"]) == (4, 2000, 8000)
    assert found["trades"] > 0
    assert found["stopped"] == 0
    assert found["simulate_gives_the_same"] is True
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


@pytest.mark.long
def test_learn_document() -> None:
    found = bench.run("learn", 25_000, features=10)
    assert set(found) >= RATES | {"rows", "rows_per_second", "times_the_binned", "on_disk", "fold", "search", "live"}
    assert (found["trees"], found["peer"]["trees"], found["live"]["trees"]) == (300, 300, 600)
    assert found["on_disk"]["peak_mib_of_training"] > 0
    assert set(found["with_missing_values"]) == {"ram", "disk"}
    assert found["fold"]["rows"] == 100_000
    assert found["fold"]["parity"] < 1e-6
    assert 100 < found["search"]["trials"] <= 200
    assert found["search"]["failed"] == 0
    assert 0 < found["live"]["p50_ms"] <= found["live"]["p99_ms"]
    _sound(found, "rows")


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
    script = simulate_versus.first(simulate.scripts(lane, 1)[0], 5000)
    assert simulate_versus.fixed_horizon(lane, script) != 0


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
    assert scalper("bench", "ticks", "--features", "9", home=tmp_path)[0] == 3
    assert scalper("bench", "import", "--rows", "999000000", home=tmp_path)[0] == 3
    assert not list(tmp_path.iterdir())  # a benchmark leaves nothing in the home
