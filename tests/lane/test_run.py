"""A whole lane, small: what a run leaves behind; that it repeats, resumes and forgets nothing."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from scalper import lane as stages
from scalper.errors import BadInput, DataUnavailable, Refused
from scalper.features import catalogue
from scalper.gate.bundle import verify_bundle
from scalper.gate.evidence import Evidence
from scalper.lake import Lake
from scalper.lane.stage import evidence_folder
from scalper.learn import ledger
from scalper.sandbox.databento import DatabentoServer
from scalper.settings import Home, load_lane
from tests.lane.support import FOLDS, Ran, write_lane

pytestmark = pytest.mark.xdist_group("lane")


def files(root: Path, *below: str) -> dict[str, bytes]:
    """Every file below the folders, by its path."""
    found = (path for part in below for path in sorted((root / part).rglob("*")) if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in found}


def test_a_small_lane_is_refused_for_being_small_and_everything_that_can_be_shown_is(ran: Ran) -> None:
    status = {one.id: one.status for one in ran.verdict.checks}
    assert ran.verdict.verdict == "NO-GO"
    assert status["wf.folds"] == "FAIL"  # it has too few folds, whatever it earns
    for shown in ("parity.onnx", "parity.stream", "parity.replay", "eod", "audit", "latency", "data", "risk.day"):
        assert status[shown] == "PASS", shown
    assert ran.verdict.bundle is not None
    assert verify_bundle(ran.verdict.bundle) == []
    assert set(ran.verdict.seconds) >= {"bars", "check", "features", "labels", "models", "search", "simulation", "gate"}


def test_a_second_run_answers_from_the_record(ran: Ran, server: DatabentoServer) -> None:
    before = files(
        ran.home.root, "data_lake/features", "data_lake/labels", "state/models", "state/ledger", "state/holdout"
    )
    stages.bars(ran.lane, ran.home, gateway=server.url, key=server.key)
    for stage in (stages.materialise, stages.labels, stages.models, stages.search, stages.simulation):
        stage(ran.lane, ran.home)
    again = stages.gate(ran.lane, ran.home)
    after = files(
        ran.home.root, "data_lake/features", "data_lake/labels", "state/models", "state/ledger", "state/holdout"
    )
    assert after == before
    assert again.bundle == ran.verdict.bundle
    assert stages.features(ran.lane, ran.home).done == 0


def test_another_recipe_does_not_see_the_hold_out_again(ran: Ran, tmp_path: Path) -> None:
    root = tmp_path / "home"
    shutil.copytree(ran.home.root, root)
    other = load_lane(write_lane(tmp_path, model={"rounds": 31, "learning_rate": 0.2, "min_child_weight": 5}))
    home = Home(root=root)
    for stage in (stages.models, stages.search, stages.simulation):
        stage(other, home)
    evidence = Evidence.load(evidence_folder(other, home), other)
    assert "were opened on" in str(evidence.holdout["refused"])  # which the gate's check fails (tests/gate)
    assert evidence.holdout_daily.is_empty() and evidence.holdout_trades.is_empty()


def test_the_ledger_counts_every_trial_once(ran: Ran) -> None:
    records = ledger.read(next((ran.home.state / "ledger").glob("*.jsonl")))
    found = stages.folds(ran.lane, ran.home)
    assert {one["fold"] for one in records} == {fold.name for fold in found.all()}
    assert all(len(one["daily"]) == len(found.folds[0].search) or one["fold"] == "final" for one in records)


def test_no_window_is_seen_before_its_time(ran: Ran) -> None:
    """What a fold chose does not change when everything from its test window on does."""
    lake, found = Lake(ran.home.lake), stages.folds(ran.lane, ran.home)
    fold = found.folds[0]
    keys = {"lane": "tiny", "date": fold.test[0].isoformat()}
    last_seen = max(fold.search)
    assert last_seen < min(fold.test)
    assert fold.train[-1] < fold.calibrate[0] < fold.search[0]
    labels = lake.read("labels", {"lane": "tiny", "date": fold.train[-1].isoformat()})
    first = lake.read("features", {"lane": "tiny", "date": fold.calibrate[0].isoformat()})["ts_ns"][0]
    assert labels["end_ns"].max() <= first  # type: ignore[operator]
    assert lake.exists("features", keys)


def test_features_and_labels_are_the_same_rows_in_regular_hours(ran: Ran) -> None:
    lake = Lake(ran.home.lake)
    for day in stages.learnable(ran.lane, ran.home)[:3]:
        keys = {"lane": "tiny", "date": day.isoformat()}
        features, labels = lake.read("features", keys), lake.read("labels", keys)
        assert features["ts_ns"].equals(labels["ts_ns"])
        local = (
            pl.from_epoch(features["ts_ns"], "ns").dt.replace_time_zone("UTC").dt.convert_time_zone("America/New_York")
        )
        assert str(local.dt.time().min()) == "09:30:00"
        assert str(local.dt.time().max()) == "15:59:00"
        plain = features.drop(one.name for one in catalogue(ran.lane.features, ran.lane.interval_ns) if one.missing)
        assert plain.select(pl.all_horizontal(pl.all().is_not_nan())).to_series().all()


def test_prior_session_columns_are_empty_after_the_roll_only(ran: Ran) -> None:
    lake = Lake(ran.home.lake)
    roll = date(2025, 3, 17)
    for day in (date(2025, 3, 14), roll, date(2025, 3, 18)):
        frame = lake.read("features", {"lane": "tiny", "date": day.isoformat()})
        assert bool(frame["prior_close"].is_nan().all()) == (day == roll)


def test_replay_of_each_learned_session_has_no_difference(ran: Ran) -> None:
    for day in stages.learnable(ran.lane, ran.home)[-3:]:
        report = stages.replay(ran.lane, ran.home, day)
        assert (report.differences, report.decisions > 0) == (0, True)


def test_replay_of_a_day_without_a_session_is_refused(ran: Ran) -> None:
    with pytest.raises(BadInput, match="2025-03-15"):
        stages.replay(ran.lane, ran.home, date(2025, 3, 15))


def test_a_lane_without_bars_says_how_to_get_them(tmp_path: Path) -> None:
    lane = load_lane(write_lane(tmp_path, source="import"))
    with pytest.raises(DataUnavailable, match="scalper import"):
        stages.bars(lane, Home(root=tmp_path))


def test_a_quarantined_session_is_not_learned_from(ran: Ran, tmp_path: Path) -> None:
    root = tmp_path / "home"
    shutil.copytree(ran.home.root, root)
    home, day = Home(root=root), stages.learnable(ran.lane, ran.home)[4]
    lake = Lake(home.lake)
    keys = {"source": ran.lane.source_key, "symbol": "MES", "interval": "1m", "date": day.isoformat()}
    half = lake.read("bars", keys)
    lake.write("bars", keys, half.filter(pl.int_range(pl.len()) % 2 == 0))
    report = stages.check(ran.lane, home)
    assert list(report.quarantined) == [day]
    stages.features(ran.lane, home)
    stages.labels(ran.lane, home)
    assert day not in stages.learnable(ran.lane, home)


@pytest.mark.long
def test_one_second_bars_run_through_the_same_code(tmp_path: Path) -> None:
    from scalper.sandbox import SimulatedMarket

    path = write_lane(
        tmp_path,
        name="seconds",
        interval="1s",
        start="2025-02-03",
        end="2025-02-14",
        features={"higher": ["1m", "5m"]},
        labels={"horizon": 30},
        folds={"unit": "sessions", "train": 3, "validate": 4, "test": 1, "step": 1, "holdout_sessions": 0},
        model={"rounds": 10, "every": 5},
        search={"trials": 2},
    )
    lane, home = load_lane(path), Home(root=tmp_path / "home")
    with DatabentoServer(SimulatedMarket("MES", 7, 2.0, start=lane.start, end=date(2025, 2, 14))) as server:
        stages.bars(lane, home, gateway=server.url, key=server.key)
    stages.features(lane, home)
    stages.labels(lane, home)
    stages.models(lane, home, ["fold_01", "final"])
    stages.search(lane, home, ["final"])
    report = stages.replay(lane, home)
    assert report.bars > 80_000  # carried seconds included
    assert report.differences == 0


@pytest.mark.long
@pytest.mark.parametrize("seed", range(8))
def test_a_run_that_was_killed_goes_on_to_the_same_bundle(ran: Ran, tmp_path: Path, seed: int) -> None:
    """SIGKILL at a random moment, then the same command again: same data, same models, same bundle digest."""
    environment = os.environ | {"SCALPER_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-W", "ignore", "-m", "scalper.cli", "run", "--config", str(ran.path), "--json"]
    running = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        running.wait(timeout=random.Random(seed).uniform(4, 14))
    except subprocess.TimeoutExpired:
        running.send_signal(signal.SIGKILL)
        running.wait()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert ran.verdict.bundle is not None
    bundles = list((tmp_path / "home/state/bundles/tiny").iterdir())
    assert [one.name for one in bundles] == [ran.verdict.bundle.name]


def test_a_session_without_its_contract_is_flat_and_counts(ran: Ran, tmp_path: Path) -> None:
    """SPEC 2: if the new contract's data is missing the session is flat. It is in the daily P&L, with zero."""
    root = tmp_path / "home"
    shutil.copytree(ran.home.root, root)
    home, found = Home(root=root), stages.folds(ran.lane, ran.home)
    day = found.folds[0].test[1]
    lake = Lake(home.lake)
    keys = {"source": ran.lane.source_key, "symbol": "MES", "interval": "1m", "date": day.isoformat()}
    lake.write("bars", keys, lake.read("bars", keys).with_columns(contract=pl.lit("MESZ25")))
    assert stages.check(ran.lane, home).missing == [day]
    for stage in (stages.features, stages.labels, stages.models, stages.search, stages.simulation):
        stage(ran.lane, home)
    assert stages.folds(ran.lane, home) == found
    evidence = Evidence.load(home.state / "evidence" / "tiny", ran.lane)
    assert evidence.daily.filter(pl.col("session") == day)["net"].to_list() == [0.0]
    assert evidence.daily.height == len(found.tested())
    assert 0.9 < evidence.quality["coverage"] < 0.99  # and the gate's check of the data hears of it


def test_models_of_other_windows_are_refused(ran: Ran, tmp_path: Path) -> None:
    """A stale model would have seen its test window: simulate alone, after the folds have moved, must not use it."""
    root = tmp_path / "home"
    shutil.copytree(ran.home.root, root)
    moved = load_lane(write_lane(tmp_path, folds={**FOLDS, "holdout_sessions": 4}))
    with pytest.raises(Refused, match="not made from this fold's windows"):
        stages.simulation(moved, Home(root=root))


def test_the_gate_judges_only_what_was_simulated(ran: Ran, tmp_path: Path) -> None:
    root = tmp_path / "home"
    shutil.copytree(ran.home.root, root)
    path = root / "state/models/tiny/fold_01/choice.json"
    document = json.loads(path.read_text())
    document["choice"]["confidence"] += 0.01
    path.write_text(json.dumps(document))
    with pytest.raises(Refused, match="models changed since the simulation"):
        stages.gate(ran.lane, Home(root=root))


def test_lost_bars_are_no_flat_session(ran: Ran, tmp_path: Path) -> None:
    root = tmp_path / "home"
    shutil.copytree(ran.home.root, root)
    day = stages.folds(ran.lane, ran.home).folds[0].test[0]
    keys = {"source": ran.lane.source_key, "symbol": "MES", "interval": "1m", "date": day.isoformat()}
    Lake(root / "data_lake").path("bars", keys).unlink()
    with pytest.raises(DataUnavailable, match="no bars"):
        stages.simulation(ran.lane, Home(root=root))


def test_a_path_over_the_hold_out_spends_it(ran: Ran, tmp_path: Path, server: DatabentoServer) -> None:
    """Walking over the last sessions without a hold-out, and calling them one afterwards, is found out."""
    home = Home(root=tmp_path / "home")
    shutil.copytree(ran.home.lake, home.lake)
    without = load_lane(write_lane(tmp_path, folds={**FOLDS, "holdout_sessions": 0}))
    for stage in (stages.features, stages.labels, stages.models, stages.search, stages.simulation):
        stage(without, home)
    for stage in (stages.models, stages.search, stages.simulation):
        stage(ran.lane, home)
    record = Evidence.load(home.state / "evidence" / "tiny", ran.lane).holdout
    assert "walked over" in record["refused"]
    with pytest.raises(Refused, match="lies in the hold-out"):
        stages.replay(ran.lane, home, stages.folds(ran.lane, home).holdout[-1])
    assert stages.replay(ran.lane, home).differences == 0  # of a session before it
