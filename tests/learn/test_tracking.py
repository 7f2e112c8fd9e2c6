"""MLflow on a real SQLite store: what a person finds there afterwards."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from scalper.learn import Dataset, Model, Trained
from scalper.learn.tracking import log_walk_forward, prepare
from scalper.settings import Home

FOLDS = pl.DataFrame(
    {
        "fold": [1, 2],
        "test_from": [date(2026, 1, 5), date(2026, 1, 19)],
        "trades": [120, 90],
        "net": [15.5, -3.0],
        "sharpe": [1.5, float("nan")],
    }
)
DAILY = [1.5, -2.0]
TRIALS = [
    {"fold": 1, "number": 0, "confidence": 0.7, "value": None, "daily": DAILY},
    {"fold": 2, "number": 1, "confidence": 0.6, "value": 1.5},
]


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory, trained: Trained) -> tuple[Home, str, list[str]]:
    """One whole run, then two more at once from two threads."""
    home = Home(root=tmp_path_factory.mktemp("home"))
    curves = {1: trained.curves}
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: prepare(home, "toy"), range(2)))
    run = log_walk_forward(
        home,
        "toy",
        folds=FOLDS,
        trials=TRIALS,
        model=trained.onnx,
        params={"seed": 1},
        metrics={"sharpe": 1.1},
        curves=curves,
    )
    with ThreadPoolExecutor(2) as pool:
        more = list(pool.map(lambda _: log_walk_forward(home, "toy", folds=FOLDS, trials=[]), range(2)))
    return home, run, more


def test_a_run_has_its_folds_trials_and_model(
    logged: tuple[Home, str, list[str]], trained: Trained, fit_rows: Dataset
) -> None:
    from mlflow import MlflowClient
    from mlflow import onnx as flavour

    home, run, more = logged
    client = MlflowClient(tracking_uri=f"sqlite:///{home.mlruns / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("toy")
    assert experiment is not None
    assert Path(experiment.artifact_location.removeprefix("file://")) == home.mlruns / "artifacts" / "toy"
    parent = client.get_run(run)
    assert (parent.data.params["seed"], parent.data.metrics["sharpe"], parent.info.status) == ("1", 1.1, "FINISHED")
    nested = client.search_runs([experiment.experiment_id], f"tags.`mlflow.parentRunId` = '{run}'")
    by_name = {one.info.run_name: one for one in nested}
    assert set(by_name) == {"fold 1", "fold 2"}
    assert by_name["fold 1"].data.metrics["net"] == 15.5
    assert by_name["fold 1"].data.params == {"fold": "1", "test_from": "2026-01-05"}
    assert "sharpe" not in by_name["fold 2"].data.metrics
    history = client.get_metric_history(by_name["fold 1"].info.run_id, "logloss_tail")
    assert [point.value for point in history] == trained.curves["tail"]
    folder = home.mlruns / "artifacts" / "toy" / run / "artifacts"
    table = json.loads((folder / "trials.json").read_text())
    assert table["columns"] == ["fold", "number", "confidence", "value", "daily"]
    assert len(table["data"]) == 2
    stored = flavour.load_model(str(folder / "model"))
    again = Model.load(stored.SerializeToString())
    assert np.array_equal(again.probabilities(fit_rows.x), Model.load(trained.onnx).probabilities(fit_rows.x))
    assert len({run, *more}) == 3


def test_nothing_is_pickled(logged: tuple[Home, str, list[str]]) -> None:
    home, _, _ = logged
    files = [file for file in home.mlruns.rglob("*") if file.is_file()]
    assert {file.suffix for file in files} <= {".db", ".json", ".onnx", ".yaml", ".txt", ""}
    for file in files:
        assert file.suffix == ".db" or not file.read_bytes().startswith(b"\x80")
        if file.name == "MLmodel":
            assert "pickle" not in file.read_text()
