"""MLflow: a lane run and its folds, its trials as one table, its final model; for people to compare runs in the UI.

Nothing reads decisions back from here: bundles and ledgers are the record. Needs no server: one SQLite file.
"""

from __future__ import annotations

import fcntl
import logging
import math
import os
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from scalper.settings import Home

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param

BATCH = 900
"""Metrics in one call; MLflow takes 1,000."""
Curves = Mapping[Any, Mapping[str, Sequence[float]]]


def log_walk_forward(
    home: Home,
    lane: str,
    *,
    folds: pl.DataFrame,
    trials: Sequence[Mapping[str, Any]],
    model: bytes | None = None,
    params: Mapping[str, object] | None = None,
    metrics: Mapping[str, float] | None = None,
    curves: Curves | None = None,
    tags: Mapping[str, str] | None = None,
) -> str:
    """Log one lane run into <home>/mlruns; returns its MLflow run id.

    folds: a row a fold with a column `fold`; its numbers become metrics, the rest parameters, of a nested run.
    trials: one table `trials.json` of the parent. model: the final ONNX bytes, in MLflow's own layout under `model/`.
    curves: fold (as in `folds`) to name to a value a round. Values that are not finite are left out, as MLflow has no
    place for them. Several processes and threads may log at once.
    """
    client, experiment = _client(home, lane)
    parent = client.create_run(experiment, run_name=lane, tags=dict(tags or {})).info.run_id
    _write(client, parent, params or {}, metrics or {})
    for row in folds.iter_rows(named=True):
        name = str(row["fold"])
        nested = {"mlflow.parentRunId": parent}
        run = client.create_run(experiment, run_name=f"fold {name}", tags=nested).info.run_id
        numbers = {key: float(value) for key, value in row.items() if _number(value) and key != "fold"}
        words = {key: value for key, value in row.items() if not _number(value) or key == "fold"}
        _write(client, run, words, numbers, (curves or {}).get(row["fold"], {}))
        client.set_terminated(run)
    if trials:
        columns = list(dict.fromkeys(key for row in trials for key in row))
        client.log_table(parent, {name: [row.get(name) for row in trials] for name in columns}, "trials.json")
    if model is not None:
        _log_model(client, parent, model)
    client.set_terminated(parent)
    return parent


def prepare(home: Home, lane: str) -> None:
    """Import MLflow and make its tables: seconds in a new home. May run in a thread beside the training."""
    _client(home, lane)


def _client(home: Home, lane: str) -> tuple[MlflowClient, str]:
    """A client of the database below `home`, and the lane's experiment, made once."""
    # MLflow would otherwise report its use to its makers
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow import MlflowClient

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    home.mlruns.mkdir(parents=True, exist_ok=True)
    store = f"sqlite:///{home.mlruns / 'mlflow.db'}"
    with _locked(home.mlruns / ".lock"):  # two processes must not make the tables at once
        client = MlflowClient(tracking_uri=store, registry_uri=store)
        found = client.get_experiment_by_name(lane)
        if found is not None:
            return client, str(found.experiment_id)
        artifacts = (home.mlruns / "artifacts" / lane).resolve()
        return client, client.create_experiment(lane, artifact_location=artifacts.as_uri())


def _write(
    client: MlflowClient,
    run: str,
    words: Mapping[str, object],
    numbers: Mapping[str, float],
    curves: Mapping[str, Sequence[float]] | None = None,
) -> None:
    """Parameters, metrics and stepwise metrics of a run in as few calls as MLflow allows."""
    from mlflow.entities import Param

    spelled: list[Param] = [Param(key, str(value)) for key, value in words.items()]
    points = [_metric(key, value, 0) for key, value in numbers.items() if math.isfinite(value)]
    for name, values in (curves or {}).items():
        points += [_metric(f"logloss_{name}", value, step) for step, value in enumerate(values) if math.isfinite(value)]
    client.log_batch(run, metrics=points[:BATCH], params=spelled)
    for start in range(BATCH, len(points), BATCH):
        client.log_batch(run, metrics=points[start : start + BATCH])


def _metric(key: str, value: float, step: int) -> Metric:
    from mlflow.entities import Metric

    from scalper.clock import now_ns

    return Metric(key, float(value), now_ns() // 1_000_000, step)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _log_model(client: MlflowClient, run: str, content: bytes) -> None:
    """The model in MLflow's ONNX flavour: the graph itself and text beside it, no pickle."""
    import onnx
    from mlflow import onnx as flavour

    needs = [f"{name}=={version(name)}" for name in ("onnx", "onnxruntime", "numpy")]
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "model"
        writer: Any = flavour
        writer.save_model(onnx.load_model_from_string(content), str(target), pip_requirements=needs)
        client.log_artifacts(run, str(target), "model")


@contextmanager
def _locked(path: Path) -> Generator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
