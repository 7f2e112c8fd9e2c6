"""A lane run in MLflow: what the run's page and the registry have of it, and that the verdict does not hang on it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scalper import lane as stages
from scalper.compiled import source_digest
from scalper.gate.evidence import Evidence
from scalper.lane.stage import evidence_folder, ledger_path, models_root
from scalper.learn import Model, ledger, tracking
from scalper.learn.digests import kernel_version, read_json
from scalper.learn.tracking.store import experiment, local, opened
from scalper.settings import Home
from tests.lane.support import Ran

pytestmark = pytest.mark.xdist_group("lane")


def beside(ran: Ran, folder: Path) -> Home:
    """The lane's lake and state, with an MLflow of their own."""
    for name in ("data_lake", "state"):
        (folder / name).symlink_to(ran.home.root / name)
    return Home(root=folder)


def runs(home: Home, lane: str) -> list[Any]:
    with opened(home, lane) as store:
        return list(store.client.search_runs([experiment(store)]))


def test_the_run_left_a_run_its_folds_and_a_version_without_a_name(ran: Ran) -> None:
    parent = next(run for run in runs(ran.home, "tiny") if "mlflow.parentRunId" not in run.data.tags)
    evidence = Evidence.load(evidence_folder(ran.lane, ran.home), ran.lane)
    nested = {run.info.run_name for run in runs(ran.home, "tiny")} - {parent.info.run_name}
    assert nested == {f"fold_{number:02d}" for number in evidence.folds["fold"]}
    assert parent.data.params["model.rounds"] == "30"
    assert parent.data.params["features.ema"] == "[9, 21, 40]"
    assert parent.data.params["folds.holdout_sessions"] == "5"
    assert "chosen.confidence" in parent.data.params
    assert len(parent.data.params) > 100
    values = {one.id: one.value for one in ran.verdict.checks}
    assert isinstance(sharpe := values["wf.sharpe"], dict)
    assert {f"wf.sharpe.{key}": one for key, one in sharpe.items()}.items() <= parent.data.metrics.items()
    folder = local(parent.info.artifact_uri)
    counts = json.loads((folder / "confusion.json").read_text())["counts"]
    assert sum(map(sum, counts)) == evidence.scored.height > 0
    assert {"report.html", "confusion.svg", "folds.json", "trials.json"} <= {one.name for one in folder.iterdir()}
    trials = json.loads((folder / "trials.json").read_text())
    mine = [one for one in ledger.read(ledger_path(ran.lane, ran.home)) if one.get("lane") == "tiny"]
    assert len(trials["data"]) == len(mine) > 0
    (version,) = tracking.versions(ran.home, "tiny")
    assert (version.aliases, version.run, version.tags["verdict"]) == ((), parent.info.run_id, "NO-GO")
    model = (models_root(ran.lane, ran.home) / "final" / "model.onnx").read_bytes()
    assert version.tags["onnx"] == Model.load(model).digest
    assert version.tags["trials"] == f"1 to {len(mine)} of {ledger_path(ran.lane, ran.home).name}"
    assert version.tags["trials_head"] == ledger.verify(ledger_path(ran.lane, ran.home)).head
    assert version.tags["recipe"] == evidence.digests["recipe"]
    assert (version.tags["kernel"], version.tags["code"]) == (kernel_version(), source_digest())
    assert ran.verdict.bundle is not None
    assert version.tags["bundle"] == ran.verdict.bundle.name


def test_importance_and_curves_are_those_of_the_records(ran: Ran) -> None:
    record = read_json(models_root(ran.lane, ran.home) / "final" / "model.json")
    parent = next(run for run in runs(ran.home, "tiny") if "mlflow.parentRunId" not in run.data.tags)
    with opened(ran.home, "tiny") as store:
        history = store.client.get_metric_history(parent.info.run_id, "logloss_tail")
    assert [point.value for point in history] == record["curves"]["tail"]
    table = json.loads((local(parent.info.artifact_uri) / "importance.json").read_text())
    assert table["columns"] == ["feature", "gain", "shap"]
    assert {row[0]: row[1] for row in table["data"]} == {
        name: record["importance"]["gain"].get(name) for name in record["importance"]["shap"]
    }


def test_tracked_twice_is_one_run_and_one_version(ran: Ran) -> None:
    before = len(runs(ran.home, "tiny"))
    first = stages.track(ran.lane, ran.home, ran.verdict)
    assert (first.version, first.problem) == (1, None)
    assert stages.track(ran.lane, ran.home, ran.verdict) == first
    assert len(runs(ran.home, "tiny")) == before


def test_a_go_is_the_candidate_until_it_is_judged_again(ran: Ran, tmp_path: Path) -> None:
    home, go = beside(ran, tmp_path), replace(ran.verdict, verdict="GO", bundle=None)
    found = stages.track(ran.lane, home, go, origin={"dagster_run": "d-1"})
    (version,) = tracking.versions(home, "tiny")
    assert (version.number, version.run, version.aliases) == (found.version, found.run, ("candidate",))
    assert (version.tags["dagster_run"], version.tags["verdict"]) == ("d-1", "GO")
    assert {run.info.run_id: run.data.tags.get("dagster_run") for run in runs(home, "tiny")}[found.run] == "d-1"
    stages.track(ran.lane, home, ran.verdict, origin={"dagster_run": "d-2"})
    (version,) = tracking.versions(home, "tiny")
    assert (version.aliases, version.tags["dagster_run"], version.tags["verdict"]) == ((), "d-1", "NO-GO")


def test_a_tracking_that_fails_leaves_the_verdict(ran: Ran, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = beside(ran, tmp_path)
    (tmp_path / "mlruns").write_text("no folder")
    found = stages.track(ran.lane, home, ran.verdict)
    assert found.run is found.version is None
    assert found.problem is not None and "MLflow cannot work there" in found.problem
    assert "the verdict stands" in capsys.readouterr().err
