"""`scalper simulate`: the files of a simulation, and one model over the sessions that it has not seen."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from scalper import lane as stages
from scalper.errors import DataUnavailable, Refused
from scalper.gate.evidence import Evidence
from scalper.lane.simulated import FILES
from scalper.lane.stage import evidence_folder, models_root, seen_path
from scalper.learn import ledger
from tests.conftest import Verb
from tests.lane.support import Ran

pytestmark = pytest.mark.xdist_group("lane")


def test_the_path_leaves_its_files(scalper: Verb, ran: Ran, tmp_path: Path) -> None:
    """Report without a verdict, trades and equity as the evidence has them, and what was refused by gate."""
    code, out, err = scalper("simulate", "--config", ran.path, "--out", tmp_path, "--json", home=ran.home.root)
    assert code == 0, err
    found: dict[str, Any] = json.loads(out)
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted(FILES)
    assert set(found) >= {"net", "sharpe", "trades", "stress", "metrics", "monte_carlo", "limits", "out", "seconds"}
    evidence = Evidence.load(evidence_folder(ran.lane, ran.home), ran.lane)
    for name, frame in (("trades", evidence.trades), ("equity", evidence.equity)):
        assert pl.read_parquet(tmp_path / f"{name}.parquet").equals(frame)
        assert pl.read_csv(tmp_path / f"{name}.csv").height == frame.height
    assert found["metrics"]["net"] == pytest.approx(evidence.daily["net"].sum())
    assert [one["kind"] for one in found["monte_carlo"]] == ["sessions", "trades"]
    refused = pl.read_csv(tmp_path / "refused.csv")
    counts = dict(refused.group_by("gate").len().iter_rows())
    assert counts and counts == {name: found["refusals"][name] for name in counts}
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "A simulation, not a verdict" in page and "Session filter" in page


def test_one_model_after_its_windows(ran: Ran, tmp_path: Path) -> None:
    """The first fold's model trades from its test window on, up to the hold-out, and these sessions count as seen."""
    found = stages.folds(ran.lane, ran.home)
    fold = found.folds[0]
    done = stages.simulate_model(ran.lane, ran.home, fold.name, tmp_path)
    days = [day for day in stages.learnable(ran.lane, ran.home) if fold.test[0] <= day < found.holdout[0]]
    assert (done.detail["model"], done.detail["from"], done.detail["to"]) == (fold.name, days[0], days[-1])
    assert done.done == len(days)
    path = Evidence.load(evidence_folder(ran.lane, ran.home), ran.lane)
    mine = pl.read_parquet(tmp_path / "trades.parquet").filter(pl.col("session").is_in(list(fold.test)))
    whole = path.trades.filter(pl.col("fold") == fold.number)
    assert mine.equals(whole), "the fold's test window is traded as on the walk-forward path"
    last = ledger.read(seen_path(ran.lane, ran.home))[-1]
    assert (last["first"], last["last"]) == (days[0].isoformat(), days[-1].isoformat())


def test_another_model_begins_after_a_validation_window(ran: Ran, tmp_path: Path) -> None:
    """A model that no fold has is given as many sessions after its training as the lane validates on."""
    fold = stages.folds(ran.lane, ran.home).folds[0]
    folder = models_root(ran.lane, ran.home) / fold.name
    other = tmp_path / "other.onnx"
    import onnx

    model = onnx.load(folder / "model.onnx")
    model.doc_string = "another file"
    onnx.save(model, other)
    done = stages.simulate_model(ran.lane, ran.home, str(other), tmp_path / "out")
    assert done.detail["from"] == fold.test[0] and done.detail["model"] not in ("", fold.name)


def test_what_cannot_be_simulated_is_told(ran: Ran) -> None:
    """No such model: the folds are named. The final model has nothing left but the hold-out."""
    with pytest.raises(DataUnavailable, match=r"nothing: no such model; .*final, fold_01"):
        stages.simulate_model(ran.lane, ran.home, "nothing")
    with pytest.raises(Refused, match="take an earlier fold's model"):
        stages.simulate_model(ran.lane, ran.home, "final")
    assert not (ran.home.state / "simulations").exists() and isinstance(ran.lane.start, date)


def test_a_place_that_cannot_be_written_is_refused_before_the_simulation(
    ran: Ran, tmp_path: Path, scalper: Verb
) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full" / "trades.csv").mkdir(parents=True)
    before = seen_path(ran.lane, ran.home).read_bytes(), evidence_folder(ran.lane, ran.home).stat().st_ino
    cases = [("file", "is not a folder"), ("file/below", "is not a folder"), ("full", "name of a file to be written")]
    cases += [("/proc/none", "cannot be written")] if Path("/proc/self").exists() else []
    for place, said in cases:
        for more in ((), ("--model", "fold_01")):
            words = ("simulate", "--config", ran.path, "--out", tmp_path / place, *more)
            code, _, err = scalper(*words, home=ran.home.root)
            assert (code, said in " ".join(err.split())) == (3, True), err
    assert (seen_path(ran.lane, ran.home).read_bytes(), evidence_folder(ran.lane, ran.home).stat().st_ino) == before
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file", "full"]


def test_a_broken_model_is_bad_input(ran: Ran, tmp_path: Path, scalper: Verb) -> None:
    whole = (models_root(ran.lane, ran.home) / "fold_01" / "model.onnx").read_bytes()
    for content in (b"", b"no model", whole[: len(whole) // 2]):
        (tmp_path / "broken.onnx").write_bytes(content)
        words = ("simulate", "--config", ran.path, "--model", tmp_path / "broken.onnx", "--json")
        code, out, err = scalper(*words, home=ran.home.root)
        assert (code, json.loads(out)["error"]) == (3, "BadInput"), err
        assert "broken.onnx: not an ONNX model" in " ".join(err.split())


def test_pictures_of_the_evidence(ran: Ran) -> None:
    """Dagster shows what the report shows."""
    found = stages.pictures(ran.lane, ran.home)
    names = {"equity", "monte carlo, sessions", "monte carlo, trades", "by hour", "by confidence", "refusals"}
    assert set(found) == names and all(svg.startswith("<svg ") for svg in found.values())
