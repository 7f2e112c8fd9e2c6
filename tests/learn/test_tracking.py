"""MLflow on a real SQLite store: what a person finds there afterwards, and what is left when it fails."""

from __future__ import annotations

import json
import math
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import polars as pl
import pytest

from scalper.errors import TrackingFailed
from scalper.learn.tracking import Entry, flat, log_run
from scalper.learn.tracking.pictures import confusion, importance, importance_pictures
from scalper.learn.tracking.runs import KEY
from scalper.learn.tracking.store import PARENT, experiment, opened
from scalper.settings import Home

pytestmark = pytest.mark.xdist_group("mlflow")

TAIL = [1.1, 1.0, 0.9]
MANY: dict[str, object] = {f"p{one}": one for one in range(150)}
FOLDS = [
    Entry("fold_01", params={"test_from": "2026-01-05"}, metrics={"net": 15.5}, curves={"logloss_tail": TAIL}),
    Entry(
        "fold_02",
        params={f"p{one}": one for one in range(150)},
        metrics={"net": -3.0, "sharpe": math.nan},
        curves={"logloss_tail": [1.0, math.inf]},
    ),
]
RUN = Entry(
    "GO to 2026-02-02",
    description="**GO**",
    params={"model.seed": 1, "features.higher": ["5m", "15m"], "search.storage": "postgresql://me:s3cret@host/trials"},
    metrics={"wf.sharpe": 1.5, "odd: (ä)": 1.0, "nothing": math.nan},
    tags={"verdict": "GO"},
    files={"report.html": b"<html></html>"},
    tables={"trials": [{"line": 1, "score": 0.5}, {"line": 2, "score": math.nan, "error": "threw"}]},
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(root=tmp_path_factory.mktemp("a home"))  # with a space, as addresses have to stand it


@pytest.fixture(scope="module")
def logged(home: Home) -> str:
    """Two processes' worth of threads that start at once in a new home, then the run that is looked at."""
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda number: log_run(home, "early", Entry(f"run {number}")), range(2)))
    return log_run(home, "toy", RUN, FOLDS, key="bundle-1")


def runs(home: Home, lane: str, where: str = "") -> list[Any]:
    with opened(home, lane) as store:
        return list(store.client.search_runs([experiment(store)], where))


def folder(run: Any) -> Path:
    return Path(urlparse(run.info.artifact_uri).path.replace("%20", " "))


def test_a_run_has_its_folds_parameters_curves_and_tables(home: Home, logged: str) -> None:
    parent = next(run for run in runs(home, "toy") if run.info.run_id == logged)
    nested = {run.info.run_name: run for run in runs(home, "toy", f"tags.`mlflow.parentRunId` = '{logged}'")}
    assert (parent.info.run_name, parent.info.status) == ("GO to 2026-02-02", "FINISHED")
    assert parent.data.params == {
        "model.seed": "1",
        "features.higher": '["5m", "15m"]',
        "search.storage": "postgresql://me:***@host/trials",
    }
    assert parent.data.metrics == {"wf.sharpe": 1.5, "odd: _ä_": 1.0}
    assert parent.data.tags["mlflow.note.content"] == "**GO**"
    assert folder(parent) == home.mlruns / "artifacts" / "toy" / logged / "artifacts"
    assert (folder(parent) / "report.html").read_bytes() == b"<html></html>"
    table = json.loads((folder(parent) / "trials.json").read_text())
    assert table == {"columns": ["line", "score", "error"], "data": [[1, 0.5, None], [2, None, "threw"]]}
    assert json.loads(parent.data.tags["mlflow.loggedArtifacts"]) == [{"path": "trials.json", "type": "table"}]
    assert set(nested) == {"fold_01", "fold_02"}
    assert nested["fold_01"].data.params == {"test_from": "2026-01-05"}
    assert (nested["fold_01"].data.metrics["net"], nested["fold_02"].data.metrics["net"]) == (15.5, -3.0)
    assert len(nested["fold_02"].data.params) == 150
    assert "sharpe" not in nested["fold_02"].data.metrics
    with opened(home, "toy") as store:
        history = store.client.get_metric_history(nested["fold_01"].info.run_id, "logloss_tail")
        short = store.client.get_metric_history(nested["fold_02"].info.run_id, "logloss_tail")
    assert [point.value for point in history] == TAIL
    assert [point.value for point in short] == [1.0]


def test_one_writes_at_a_time(home: Home, logged: str) -> None:
    with ThreadPoolExecutor(1) as pool:
        with opened(home, "early"):
            other = pool.submit(log_run, home, "early", Entry("waits"))
            with pytest.raises(TimeoutError):
                other.result(timeout=0.5)
        assert other.result()


def test_no_experiment_but_the_lanes(home: Home, logged: str) -> None:
    with opened(home, "toy") as store:
        assert {one.name for one in store.client.search_experiments()} == {"early", "toy"}
    assert {run.info.run_name for run in runs(home, "early")} >= {"run 0", "run 1"}


def test_an_experiment_that_was_deleted_comes_back(home: Home, logged: str) -> None:
    with opened(home, "early") as store:
        store.client.delete_experiment(experiment(store))
    log_run(home, "early", Entry("later"))
    assert "later" in {run.info.run_name for run in runs(home, "early")}


def test_the_same_bundle_is_logged_once(home: Home, logged: str) -> None:
    before = len(runs(home, "toy"))
    assert log_run(home, "toy", RUN, FOLDS, key="bundle-1") == logged
    assert len(runs(home, "toy")) == before
    assert log_run(home, "toy", RUN, key="bundle-2") != logged


def test_a_run_that_was_cut_off_is_killed_at_the_next_start_and_made_anew(home: Home, logged: str) -> None:
    with opened(home, "toy") as store:  # what a process leaves that dies while it writes
        cut = store.client.create_run(experiment(store), run_name="cut off", tags={KEY: "bundle-3"}).info.run_id
        nested = store.client.create_run(experiment(store), tags={PARENT: cut}).info.run_id
    again = log_run(home, "toy", RUN, key="bundle-3")
    assert {run.info.run_id for run in runs(home, "toy", "attributes.status = 'KILLED'")} == {cut, nested}
    assert again not in (cut, nested)
    assert not runs(home, "toy", "attributes.status = 'RUNNING'")


@pytest.mark.long
def test_two_processes_at_once_lose_nothing(home: Home, logged: str) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from scalper.learn.tracking import Entry, log_run; from scalper.settings import Home\n"
        "for number in range(3):\n"
        "    folds = [Entry(f'fold_{one:02d}', metrics={'net': one}) for one in range(3)]\n"
        "    log_run(Home(root=Path(sys.argv[1])), 'busy', Entry(f'{sys.argv[2]} {number}'), folds)\n"
    )
    words = [[sys.executable, "-c", program, str(home.root), name] for name in ("a", "b")]
    started = [subprocess.Popen(one, stderr=subprocess.PIPE, text=True) for one in words]
    said = [one.communicate()[1] for one in started]
    assert [one.returncode for one in started] == [0, 0], said
    found = runs(home, "busy")
    assert {run.info.status for run in found} == {"FINISHED"}
    parents = [run.info.run_name for run in found if PARENT not in run.data.tags]
    assert sorted(parents) == [f"{name} {number}" for name in "ab" for number in range(3)]
    assert len(found) == 6 + 18


@pytest.mark.long
def test_a_process_that_is_killed_while_it_writes_frees_the_lane(home: Home, logged: str) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path\n"
        "from scalper.learn.tracking.store import experiment, opened; from scalper.settings import Home\n"
        "with opened(Home(root=Path(sys.argv[1])), 'killed') as store:\n"
        "    store.client.create_run(experiment(store), run_name='cut off')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(home.root)], capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
    log_run(home, "killed", RUN)
    assert {run.info.run_name: run.info.status for run in runs(home, "killed")} == {
        "cut off": "KILLED",
        "GO to 2026-02-02": "FINISHED",
    }


def test_a_home_that_was_copied_keeps_its_artefacts_to_itself(home: Home, logged: str, tmp_path: Path) -> None:
    shutil.copytree(home.root, tmp_path / "copy")
    before = sorted(home.mlruns.rglob("*"))
    copy = Home(root=tmp_path / "copy")
    fresh = log_run(copy, "toy", RUN)
    assert {run.info.run_id: folder(run) for run in runs(copy, "toy")}[logged] == copy.mlruns.joinpath(
        "artifacts", "toy", logged, "artifacts"
    )
    assert (copy.mlruns / "artifacts" / "toy" / fresh / "artifacts" / "report.html").is_file()
    assert sorted(home.mlruns.rglob("*")) == before


@contextmanager
def full_disk() -> Iterator[None]:
    """No file may grow beyond 4 KiB in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_the_machine_refuses_is_said_and_the_next_run_goes_on(home: Home, logged: str, tmp_path: Path) -> None:
    with full_disk(), pytest.raises(TrackingFailed, match=r"mlruns: MLflow cannot work there .*make space"):
        log_run(home, "toy", RUN, FOLDS)
    run = log_run(home, "toy", RUN, FOLDS)
    assert not runs(home, "toy", "attributes.status = 'RUNNING'")
    assert run in {one.info.run_id for one in runs(home, "toy")}
    (tmp_path / "mlruns").write_text("a file where the folder belongs")
    with pytest.raises(TrackingFailed, match="mlruns: MLflow cannot work there"):
        log_run(Home(root=tmp_path), "toy", RUN)


def test_a_damaged_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "mlruns").mkdir()
    (tmp_path / "mlruns" / "mlflow.db").write_bytes(b"not a database" * 100)
    with pytest.raises(TrackingFailed, match=r"not a database.*restore mlflow\.db"):
        log_run(Home(root=tmp_path), "toy", RUN)


def test_a_database_of_another_mlflow_is_left_alone(home: Home, logged: str, tmp_path: Path) -> None:
    (tmp_path / "mlruns").mkdir()
    shutil.copy(home.mlruns / "mlflow.db", tmp_path / "mlruns" / "mlflow.db")
    with sqlite3.connect(tmp_path / "mlruns" / "mlflow.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'of-the-future'")
    with pytest.raises(TrackingFailed, match="cannot work there"):
        log_run(Home(root=tmp_path), "toy", RUN)


def test_flat_names() -> None:
    assert flat({"a": {"b": {"c": 1}, "d": [1, 2]}, "e": None}) == {"a.b.c": 1, "a.d": [1, 2], "e": None}


def test_confusion_counts_every_labelled_row_once() -> None:
    rows = {
        "label": [0, 0, 1, 2, 2, 2],
        "down": [0.6, 0.2, 0.1, 0.1, 0.2, 0.5],
        "flat": [0.3, 0.5, 0.8, 0.1, 0.3, 0.3],
        "up": [0.1, 0.3, 0.1, 0.8, 0.5, 0.2],
    }
    files = confusion(pl.DataFrame(rows))
    assert json.loads(files["confusion.json"])["counts"] == [[1, 1, 0], [0, 1, 0], [1, 0, 2]]
    assert b"6 rows out of sample, 66.7% right" in files["confusion.svg"]
    none = confusion(pl.DataFrame(rows).clear())
    assert json.loads(none["confusion.json"])["counts"] == [[0] * 3] * 3
    assert b"no row out of sample" in none["confusion.svg"]


def test_importance_is_ranked_by_shap_and_survives_odd_numbers() -> None:
    record = {"gain": {"a": 1.0, "b": 3.0}, "shap": {"a": 0.5, "b": math.nan, "<c>": 0.1}}
    rows = importance(record)
    assert [row["feature"] for row in rows] == ["a", "<c>", "b"]
    assert rows[0] == {"feature": "a", "gain": 1.0, "shap": 0.5}
    pictures = importance_pictures(record)
    assert set(pictures) == {"importance_gain.svg", "importance_shap.svg"}
    assert b"&lt;c&gt;" in pictures["importance_shap.svg"]
    assert importance({}) == []
