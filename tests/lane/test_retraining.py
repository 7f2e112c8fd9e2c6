"""The nightly retrain: what it trains, what it may look at, what it leaves behind, and that it promotes nothing."""

from __future__ import annotations

import json
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scalper import lane as stages
from scalper.errors import BadInput, DataUnavailable, Refused
from scalper.files import write_json
from scalper.gate.evidence import Evidence
from scalper.lake import Lake
from scalper.lane.approved import APPROVED, keep
from scalper.lane.comparison import Comparison, Shown
from scalper.lane.retraining import RETRAINED, newest
from scalper.lane.stage import evidence_folder, ledger_path, models_root, seen_path
from scalper.learn import ledger, tracking
from scalper.learn.digests import read_json, recipe_digest, sha256
from scalper.learn.holdout import note_path
from scalper.learn.trials import Trials
from scalper.policy import Choice
from scalper.sandbox import SimulatedMarket
from scalper.sandbox.databento import DatabentoServer
from scalper.settings import Home, Lane
from tests.conftest import Verb
from tests.lane.support import Ran

pytestmark = pytest.mark.xdist_group("lane")


@pytest.fixture(scope="module")
def night(ran: Ran, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The small lane's home after one night."""
    home = Home(root=tmp_path_factory.mktemp("night") / "home")
    shutil.copytree(ran.home.root, home.root)
    keep(ran.lane, home)  # as a GO does, which so small a market does not get
    stages.retrain(ran.lane, home)
    return home


@pytest.fixture
def copied(night: Home, tmp_path: Path) -> Home:
    """That home, to write into."""
    shutil.copytree(night.root, tmp_path / "home")
    return Home(root=tmp_path / "home")


def folder(lane: Lane, home: Home) -> Path:
    (found,) = (models_root(lane, home) / RETRAINED).iterdir()
    return found


def test_it_trains_the_newest_fold_with_the_approved_recipe(ran: Ran, night: Home) -> None:
    lane, days = ran.lane, stages.learnable(ran.lane, night)
    fold, recipe = newest(lane, days), stages.approved(lane, night).recipe
    assert fold.search[-1] == days[-1]
    assert (*fold.train, *fold.calibrate, *fold.search) == tuple(
        day
        for at, day in enumerate(days[-17:])
        if at not in (9, 12)  # the embargoes
    )
    made = folder(lane, night)
    assert made.name == days[-1].isoformat()
    final = models_root(lane, night) / "final"
    assert [Choice(**read_json(one / "choice.json")["choice"]) for one in (made, final)] == [recipe.choice] * 2
    record = read_json(made / "retrain.json")
    assert record["windows"]["train"] == [str(fold.train[0]), str(fold.train[-1])]
    assert record["onnx"] == sha256(made / "model.onnx") != sha256(final / "model.onnx")


def test_it_is_one_trial_notes_what_it_saw_and_promotes_nothing(ran: Ran, night: Home) -> None:
    fold = newest(ran.lane, stages.learnable(ran.lane, night))
    before = ledger.verify(ledger_path(ran.lane, ran.home)).records
    every = Trials.read(ledger_path(ran.lane, night))
    assert every.number == before + 1
    mine = every.every[-1]
    assert (mine.kind, mine.fold, mine.status, mine.sessions) == ("retrain", RETRAINED, "complete", fold.search)
    assert len(mine.daily) == len(fold.search) and sum(mine.daily) == pytest.approx(mine.net)
    rows = ledger.read(seen_path(ran.lane, night))
    assert rows[-1] == {
        "kind": "path",
        "lane": ran.lane.name,
        "recipe": recipe_digest(ran.lane),
        "first": str(fold.search[0]),
        "last": str(fold.search[-1]),
    }
    assert [row for row in rows if row["kind"] == "holdout"] == [
        row for row in ledger.read(seen_path(ran.lane, ran.home)) if row["kind"] == "holdout"
    ]
    assert tracking.champion(night, ran.lane.name) is None
    version = tracking.versions(night, ran.lane.name)[0]
    assert version.number == read_json(folder(ran.lane, night) / "retrain.json")["version"]
    assert version.aliases == ("candidate",), "a person may promote it"
    assert version.tags["made_by"] == "retrain" and version.tags["recipe"] == recipe_digest(ran.lane)
    assert version.tags["trials_head"] == ledger.verify(ledger_path(ran.lane, night)).head
    assert "against approved recipe" in version.description


def test_a_full_verdict_needs_sessions_that_nobody_looked_at(
    ran: Ran, night: Home, tmp_path: Path, scalper: Verb
) -> None:
    code, out, err = scalper("trials", "--config", ran.path, "--json", home=night.root)
    assert code == 0, err
    found = json.loads(out)
    assert (found["unseen_sessions"], found["holdout_sessions"]) == (0, 5)
    assert {one["kind"]: one["trials"] for one in found["by"]}["retrain"] == 1
    shutil.copytree(night.root / "data_lake", tmp_path / "data_lake")  # where nobody has looked yet
    days = stages.learnable(ran.lane, Home(root=tmp_path))
    assert stages.unseen(ran.lane, Home(root=tmp_path)) == days
    note_path(seen_path(ran.lane, Home(root=tmp_path)), days[:-3], lane="another", recipe="r")
    assert stages.unseen(ran.lane, Home(root=tmp_path)) == days[-3:]


def test_the_comparison_is_of_both_on_the_same_sessions(ran: Ran, night: Home, scalper: Verb) -> None:
    code, out, err = scalper("retrain", "--config", ran.path, "--json", home=night.root)
    assert code == 0, err
    found = json.loads(out)
    assert found["skipped"] and found["version"] == tracking.versions(night, ran.lane.name)[0].number
    fold = newest(ran.lane, stages.learnable(ran.lane, night))
    both = found["comparison"]
    assert both["sessions"] == [str(day) for day in fold.search]
    assert both["rival"]["name"] == found["compared with"] == "approved recipe"
    assert both["candidate"]["rows"] == both["rival"]["rows"] > 0
    for one in (both["candidate"], both["rival"]):
        assert sum(one["daily"]) == pytest.approx(one["net"])
        assert 0 < one["logloss"] < 3 and 0 <= one["calibration_error"] < 1
    assert both["candidate"]["logloss"] != both["rival"]["logloss"]
    assert both["low"] <= found["comparison"]["high"]
    code, out, err = scalper("retrain", "--config", ran.path, home=night.root)
    said = " ".join(err.split())
    assert "candidate" in out and "approved recipe" in out and out.split()[-3:-1] == ["retrained", "version"]
    assert "nothing was promoted" in said and "sessions after 2025-03-21 that nobody has looked at" in said


def test_the_approved_recipes_own_days_are_those_of_its_hold_out(ran: Ran, night: Home) -> None:
    """The rival's sessions are the hold-out's, and it trades them as it did when it met them."""
    found = stages.folds(ran.lane, night)
    record = read_json(folder(ran.lane, night) / "retrain.json")["comparison"]
    assert set(record["sessions"]) <= {str(day) for day in found.holdout}


def test_another_night_trains_again_and_a_dead_one_goes_on(ran: Ran, copied: Home, tmp_path: Path) -> None:
    lane = ran.lane.model_copy(update={"end": date(2025, 3, 25)})
    market = SimulatedMarket("MES", 7, 2.0, start=date(2025, 2, 3), end=date(2025, 3, 25))
    with DatabentoServer(market) as server:
        stages.bars(lane, copied, gateway=server.url, key=server.key)
    stages.materialise(lane, copied)
    count = Trials.read(ledger_path(lane, copied)).number
    done = stages.retrain(lane, copied)
    assert (done.done, done.skipped) == (1, 0)
    assert done.picture is not None and done.preview is not None and done.preview["model"][0] == "candidate"
    assert sorted(one.name for one in (models_root(lane, copied) / RETRAINED).iterdir()) == ["2025-03-21", "2025-03-25"]
    assert Trials.read(ledger_path(lane, copied)).number == count + 1
    record = models_root(lane, copied) / RETRAINED / "2025-03-25" / "retrain.json"
    was = read_json(record)
    record.unlink()  # killed before its last step
    again = stages.retrain(lane, copied)
    assert (again.done, read_json(record)) == (1, was)
    assert Trials.read(ledger_path(lane, copied)).number == count + 1
    assert stages.retrain(lane, copied).skipped == 1


@pytest.mark.long
def test_a_run_on_the_second_night_meets_no_hold_out_and_leaves_the_approved_recipe_alone(
    ran: Ran, copied: Home
) -> None:
    """One session less moves the folds and the hold-out as one more does."""
    lane = ran.lane.model_copy(update={"end": date(2025, 3, 20)})
    last = copied.lake / "features" / f"lane={lane.name}" / "date=2025-03-21"
    last.rename(copied.root / "gone")
    kept = sha256(models_root(lane, copied) / APPROVED / "model.onnx")
    for stage in (stages.models, stages.search, stages.simulation):
        stage(lane, copied)
    assert "need" in str(Evidence.load(evidence_folder(lane, copied), lane).holdout["refused"])
    assert sha256(models_root(lane, copied) / "final" / "model.onnx") != kept
    assert sha256(models_root(lane, copied) / APPROVED / "model.onnx") == kept
    (copied.root / "gone").rename(last)
    assert stages.retrain(ran.lane, copied).skipped == 1


def test_a_champion_is_compared_with_unless_it_knows_the_sessions(ran: Ran, copied: Home) -> None:
    lane = ran.lane
    root = models_root(lane, copied)
    champion = tracking.register(copied, lane.name, (root / "fold_01" / "model.onnx").read_bytes(), {})
    tracking.promote(copied, lane.name, champion, who="a test", why="an older model")
    done = stages.retrain(lane, copied)
    assert (done.done, done.detail["compared with"]) == (1, f"champion, version {champion}")
    assert stages.retrain(lane, copied).skipped == 1
    mine = folder(lane, copied)
    own = tracking.register(copied, lane.name, (mine / "model.onnx").read_bytes(), {})
    tracking.promote(copied, lane.name, own, who="a test", why="the candidate")
    done = stages.retrain(lane, copied)  # it calibrated before the comparison
    assert done.detail["compared with"] == f"champion, version {own}"
    assert set(Comparison.read(done.detail["comparison"]).by_day) == {0.0}
    kept = read_json(mine / "choice.json")
    write_json(mine / "choice.json", kept | {"until": stages.learnable(lane, copied)[-1]})
    with pytest.raises(Refused, match="was made from sessions up to 2025-03-21"):
        stages.retrain(lane, copied)


def test_what_it_may_not_look_at_is_refused(ran: Ran, copied: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    lane, lake = ran.lane, Lake(copied.lake)
    days = stages.learnable(lane, copied)
    seen = seen_path(lane, copied).read_bytes()
    shutil.rmtree(models_root(lane, copied) / RETRAINED)
    for day in days[-2:]:  # quarantined: the newest fold now begins before the hold-out
        (copied.lake / "features" / f"lane={lane.name}" / f"date={day}").rename(copied.root / str(day))
    with pytest.raises(
        Refused, match=r"before the hold-out that the recipe has met .* retrain when 1 more have closed"
    ):
        stages.retrain(lane, copied)
    assert seen_path(lane, copied).read_bytes() == seen
    assert not (models_root(lane, copied) / RETRAINED).exists()
    shutil.rmtree(copied.lake / "features" / f"lane={lane.name}")
    with pytest.raises(BadInput, match="one fold needs"):
        stages.retrain(lane, copied)
    assert lake.dates("labels", {"lane": lane.name})


def test_a_no_go_approves_nothing(ran: Ran) -> None:
    assert ran.verdict.verdict == "NO-GO"
    assert Evidence.load(evidence_folder(ran.lane, ran.home), ran.lane).holdout["refused"] is None
    with pytest.raises(DataUnavailable, match="no verdict of it was GO"):
        stages.approved(ran.lane, ran.home)


def test_without_an_approved_recipe_there_is_nothing_to_repeat(ran: Ran, copied: Home, scalper: Verb) -> None:
    lane, kept = ran.lane, models_root(ran.lane, copied) / APPROVED
    other = lane.model_copy(update={"policy": lane.policy.model_copy(update={"max_trades": 7})})
    with pytest.raises(Refused, match=r"configuration or this program's code changed .* 5 sessions"):
        stages.approved(other, copied)
    choice = read_json(kept / "choice.json")
    write_json(kept / "choice.json", choice | {"choice": choice["choice"] | {"confidence": 0.99}})
    with pytest.raises(Refused, match="not the recipe that met a hold-out"):
        stages.retrain(lane, copied)
    shutil.rmtree(kept)
    with pytest.raises(DataUnavailable, match="no approved recipe"):
        stages.retrain(lane, copied)
    code, out, _ = scalper("retrain", "--config", ran.path, "--json", home=copied.root)
    assert code == 3 and "no verdict of it was GO" in json.loads(out)["message"]


def test_flat_sessions_count_and_tell_nothing(ran: Ran, copied: Home) -> None:
    lake, days = Lake(copied.lake), stages.learnable(ran.lane, copied)
    shutil.rmtree(models_root(ran.lane, copied) / RETRAINED)
    for day in newest(ran.lane, days).search:
        keys = {"lane": ran.lane.name, "date": day.isoformat()}
        for kind in ("features", "labels"):
            frame, papers = lake.read(kind, keys), lake.metadata(kind, keys)
            lake.write(
                kind, keys, frame.head(0), {name: one for name, one in papers.items() if name.startswith("scalper.")}
            )
        for path in copied.lake.glob(f"bars/**/date={day}"):
            shutil.rmtree(path)
    done = stages.retrain(ran.lane, copied)
    found = Comparison.read(done.detail["comparison"])
    assert (found.candidate.rows, found.candidate.logloss, found.candidate.trades) == (0, None, 0)
    assert found.by_day == [0.0] * len(found.sessions) and (found.low, found.high) == (0.0, 0.0)


def shown(name: str, daily: list[float]) -> Shown:
    return Shown(name, sum(daily), 0.0, 0.0, 1, None, None, 0, tuple(daily))


@pytest.mark.parametrize(
    ("mine", "theirs", "said"),
    [
        ([100.0] * 6, [1.0] * 6, "better beyond chance"),
        ([1.0] * 6, [100.0] * 6, "worse beyond chance"),
        ([100.0, -90.0] * 3, [0.0] * 6, "may be chance"),
        ([5.0], [1.0], "one session says nothing"),
    ],
)
def test_the_difference_in_words(ran: Ran, mine: list[float], theirs: list[float], said: str) -> None:
    days = [date(2025, 3, 3 + at) for at in range(len(mine))]
    found = Comparison.of(ran.lane, days, shown("candidate", mine), shown("approved recipe", theirs))
    assert found.judged().endswith(said)
    document: dict[str, Any] = json.loads(json.dumps(found.as_dict(), default=str))
    assert Comparison.read(document) == found
    assert found.table().height == 2 and "<svg" in found.picture()


def test_the_interval_is_that_of_resampled_sessions(ran: Ran) -> None:
    daily = [10.0, -4.0, 7.0, 1.0, -2.0, 12.0, 3.0, 0.0]
    found = Comparison.of(
        ran.lane, [date(2025, 3, 3 + at) for at in range(8)], shown("a", daily), shown("b", [0.0] * 8)
    )
    drawn = np.random.default_rng(9).choice(daily, (20_000, 8)).mean(axis=1)
    assert found.low == pytest.approx(np.quantile(drawn, 0.05), abs=0.25)
    assert found.high == pytest.approx(np.quantile(drawn, 0.95), abs=0.25)
