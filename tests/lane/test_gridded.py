"""The grid over a lane's out-of-sample path: its sets, its page, and the trials that it spends."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from scalper import lane as stages
from scalper.cli.grid import axes_of
from scalper.errors import BadInput, DataUnavailable
from scalper.gate.evidence import Evidence
from scalper.lane.gridded_page import Gridded, page
from scalper.lane.stage import evidence_folder, ledger_path, seen_path
from scalper.learn import ledger
from scalper.settings import Home
from tests.conftest import Verb
from tests.lane.support import Ran

pytestmark = pytest.mark.xdist_group("lane")
TWO = ("--vary", "policy.confidence=0.6,0.65,0.7", "--vary", "policy.stop.atr_multiple=1.0,2.0")


@pytest.fixture
def copied(ran: Ran, tmp_path: Path) -> Home:
    """The small lane's home, to write into."""
    shutil.copytree(ran.home.root, tmp_path / "home")
    return Home(root=tmp_path / "home")


def test_every_set_is_a_trial_once(ran: Ran, copied: Home, scalper: Verb) -> None:
    path = ledger_path(ran.lane, copied)
    before = ledger.verify(path).records
    code, out, err = scalper("grid", "--config", ran.path, *TWO, "--json", home=copied.root)
    assert code == 0, err
    found = json.loads(out)
    assert (found["trials_added"], found["trials"]) == (6, before + 6)
    assert [one["sharpe"] for one in found["sets"]] == sorted((one["sharpe"] for one in found["sets"]), reverse=True)
    assert {(one["policy.confidence"], one["policy.stop.atr_multiple"]) for one in found["sets"]} == {
        (a, b) for a in (0.6, 0.65, 0.7) for b in (1.0, 2.0)
    }
    made = ledger.read(path)[before:]
    folds = stages.folds(ran.lane, copied)
    assert all(len(one["daily"]) == len(folds.tested()) == found["sessions"] for one in made)
    assert {(one["kind"], one["status"], *one["sessions"]) for one in made} == {
        ("grid", "complete", *(day.isoformat() for day in folds.tested()))
    }
    assert made[0]["set"] == {"policy.confidence": 0.6, "policy.stop.atr_multiple": 1.0}
    assert ledger.read(seen_path(ran.lane, copied)) == ledger.read(seen_path(ran.lane, ran.home))  # seen before
    again = stages.grid(ran.lane, copied, {"policy.confidence": [0.6, 0.65, 0.7], "policy.stop.atr_multiple": [1, 2]})
    assert (again.detail["trials_added"], again.detail["trials"]) == (0, before + 6)


def test_the_lanes_own_numbers_give_its_own_simulation(ran: Ran, copied: Home) -> None:
    own, fewer = ran.lane.policy.max_trades, 1
    done = stages.grid(ran.lane, copied, {"policy.max_trades": [own, fewer]})
    evidence = Evidence.load(evidence_folder(ran.lane, ran.home), ran.lane)
    table = pl.read_parquet(Path(done.detail["page"]).with_name("grid.parquet"))
    mine = table.row(by_predicate=pl.col("policy.max_trades") == own, named=True)
    assert mine["net"] == pytest.approx(evidence.daily["net"].sum())
    assert (
        mine["trades"]
        == evidence.trades.height
        > table.row(by_predicate=pl.col("policy.max_trades") == fewer, named=True)["trades"]
    )
    assert done.done == 2


def test_the_page_stands_alone_and_says_what_was_spent(ran: Ran, copied: Home, scalper: Verb) -> None:
    code, out, err = scalper("grid", "--config", ran.path, *TWO, home=copied.root)
    assert code == 0, err
    text = Path(out.split()[-1]).read_text()
    assert "default-src 'none'" in text
    assert '"type":"heatmap"' in text
    for said in ("Every set is a trial: 6 of 6 sets were new", "used the out-of-sample path up", "around"):
        assert said in text
    assert "used the out-of-sample path up" in " ".join(err.split())
    assert "policy.confidence" in out


def test_what_cannot_be_gridded_is_refused(ran: Ran, copied: Home, scalper: Verb, tmp_path: Path) -> None:
    before = ledger_path(ran.lane, copied).read_bytes()
    for words, code, said in (
        (("--vary", "policy.confidence=0.6,0.8"), 3, "set 2 (policy.confidence 0.8): key `policy`: reverse_confidence"),
        (
            ("--vary", "policy.max_trades=" + ",".join(map(str, range(1, 10_002)))),
            3,
            "10,001 sets are more than 10,000",
        ),
        (("--vary", "policy.confidence"), 2, "write each key once, with its values"),
        (("--vary", "policy.confidence=[0.6"), 2, "write each key once, with its values"),
        ((), 2, "Missing option"),
    ):
        found, _, err = scalper("grid", "--config", ran.path, *words, home=copied.root)
        assert (found, said in " ".join(err.replace("│", " ").split())) == (code, True), err
    assert ledger_path(ran.lane, copied).read_bytes() == before
    with pytest.raises(BadInput, match="one fold needs"):
        stages.grid(ran.lane, Home(root=tmp_path / "nothing"), {"policy.confidence": [0.6]})
    shutil.rmtree(copied.state / "models")
    with pytest.raises(DataUnavailable, match="run the lane"):
        stages.grid(ran.lane, copied, {"policy.confidence": [0.6]})


def test_axes_are_read_like_yaml() -> None:
    assert axes_of(["policy.confidence=0.6,0.65", "policy.stop.kind=atr, fixed", "risk.firm={profile: own}"]) == {
        "policy.confidence": [0.6, 0.65],
        "policy.stop.kind": ["atr", "fixed"],
        "risk.firm": [{"profile": "own"}],
    }


def gridded(around: float | None, sharpe: float = 2.0) -> Gridded:
    table = pl.DataFrame(
        {
            "set": [2, 1], "policy.confidence": [0.65, 0.6], "net": [10.0, 5.0], "sharpe": [sharpe, 1.0],
            "around": [around, 1.0], "trades": [3, 4], "drawdown": [1.0, 2.0], "halts": [0, 1], "stopped": ["", "kill"],
        },
        schema_overrides={"around": pl.Float64},
    )  # fmt: skip
    return Gridded("hand", {"policy.confidence": [0.6, 0.65]}, table, [date(2025, 3, 3)], 2, 9)


def test_a_lonely_peak_is_called_one() -> None:
    assert gridded(0.9).lonely and "a lonely peak is luck" in gridded(0.9).judged()
    assert not gridded(1.0).lonely and "plateau" in gridded(1.0).judged()
    assert gridded(None).lonely and "no neighbours" in gridded(None).judged()
    assert gridded(1.0).cube().tolist() == [1.0, 2.0]
    assert "plateau" in page(gridded(1.0)).split("<script>")[0]
    text = page(replace(gridded(1.0), lane="<b>"))
    assert "<b>" not in text.split("<script>")[0].replace("<b>9", "")
    assert '"type":"scatter"' in text


@pytest.mark.parametrize(("sharpe", "trades"), [(0.0, 0), (1.5, 7), (-1.5, 7)])
def test_sets_that_do_not_differ_are_no_plateau(sharpe: float, trades: int) -> None:
    same = {"net": pl.lit(9.0), "sharpe": pl.lit(sharpe), "around": pl.lit(sharpe), "trades": pl.lit(trades)}
    table = gridded(1.0).table.with_columns(**same, drawdown=pl.lit(2.0), halts=pl.lit(0), stopped=pl.lit(""))
    equal = replace(gridded(1.0), table=table)
    assert not equal.lonely and equal.judged().startswith("The sets do not differ")
    assert "plateau" not in page(equal).split("<script>")[0]
    other = replace(equal, table=table.with_columns(net=pl.Series([9.0, 8.99])))
    assert "do not differ" not in other.judged()


def test_only_the_sets_around_the_best_are_compared() -> None:
    """Keys that do nothing at the best set are told, though a set further away differs."""
    table = gridded(2.0).table.head(1)
    far = table.with_columns(set=pl.lit(3, pl.Int64), net=pl.lit(1.0), sharpe=pl.lit(0.5))
    sets = [table.with_columns(set=pl.lit(1, pl.Int64)), table, far]
    found = replace(gridded(2.0), axes={"policy.confidence": [0.6, 0.65, 0.7]})
    assert replace(found, table=pl.concat(sets)).same
    assert not replace(found, table=pl.concat([table, *sets[::2]])).same  # the middle one has the other beside it
