"""The search of the tiny lane by the real simulator: windows, variants, the ledger, kills, outcomes, page and verb."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scalper import lane as stages
from scalper.errors import BadInput, Refused
from scalper.lake import Lake
from scalper.lane.learning import folds
from scalper.lane.searched import search
from scalper.lane.stage import calendar, ledger_path, models_root
from scalper.learn import ledger
from scalper.learn.digests import read_json
from scalper.learn.fitting import recipe
from scalper.learn.folds import Fold, walk_forward
from scalper.learn.search import choose
from scalper.learn.search.windows import windows_of
from scalper.learn.session import Sessions
from scalper.learn.trials import OF_EVERY, Trials
from scalper.settings import FoldSettings, Home, Lane, load_lane
from tests.conftest import Verb
from tests.lane.support import Ran, write_lane

WIDE: dict[str, Any] = {
    "trials": 8,
    "sampler": "nsga2",
    "batch": 4,
    "objectives": ["sharpe", "drawdown"],
    "rule": "one_error",
    "windows": 2,
    "prune": True,
    "model": {"depth": [2, 4]},
    "risk": {"low": 0.01, "high": 0.03, "step": 0.01},
}


@dataclass(frozen=True)
class Searched:
    """A lane of its own search in a home of its own."""

    path: Path
    lane: Lane
    home: Home

    @property
    def folder(self) -> Path:
        return models_root(self.lane, self.home)

    @property
    def ledger(self) -> Path:
        return ledger_path(self.lane, self.home)

    def record(self, fold: str) -> dict[str, Any]:
        return read_json(self.folder / fold / "choice.json")


def copied(ran: Ran, folder: Path, **lane: object) -> Searched:
    """The tiny lane with another configuration, nothing tried yet."""
    shutil.copytree(ran.home.root, folder / "home")
    path = write_lane(folder, **lane)
    own = Searched(path, load_lane(path), Home(root=folder / "home"))
    shutil.rmtree(own.home.state / "studies")
    own.ledger.unlink()
    for path in own.folder.glob("*/choice.json"):
        path.unlink()
    for name in (".head", ".lock"):
        own.ledger.with_name(own.ledger.name + name).unlink(missing_ok=True)
    return own


@pytest.fixture(scope="module")
def wide(ran: Ran, tmp_path_factory: pytest.TempPathFactory) -> Searched:
    """Two folds of the tiny lane, searched over model and policy on two windows each."""
    mine = copied(ran, tmp_path_factory.mktemp("wide"), search=WIDE)
    search(mine.lane, mine.home, ["fold_01", "fold_02"])
    return mine


def test_every_trial_stands_in_the_ledger(wide: Searched) -> None:
    records = ledger.read(wide.ledger)
    told = {name: wide.record(name)["trials"] for name in ("fold_01", "fold_02")}
    assert len(records) == sum(map(len, told.values())) > 8
    for fold, rows in told.items():
        mine = [one for one in records if one["fold"] == fold]
        assert [one["score"] for one in mine] == [row["score"] for row in rows]
        assert [one["status"] for one in mine] == [row["status"] for row in rows]
        for one in mine:
            assert set(OF_EVERY) | {"confidence", "stop_atr", "reward_to_risk", "risk", "model"} == set(one)
            assert len(one["sessions"]) == len(one["daily"]) > 0
            assert one["net"] == pytest.approx(sum(one["daily"]))
    assert Trials.read(wide.ledger).number == len(records)


def test_no_trial_saw_the_fold_s_test(wide: Searched) -> None:
    tests = {fold.name: fold.test[0].isoformat() for fold in folds(wide.lane, wide.home).folds}
    records = ledger.read(wide.ledger)
    assert all(max(one["sessions"]) < tests[one["fold"]] for one in records)
    first, second = (wide.record(name)["windows"] for name in ("fold_01", "fold_02"))
    assert [one["fold"] for one in first] == ["fold_01"]
    assert [one["fold"] for one in second] == ["fold_02", "fold_01"]
    assert second[1]["last"] < second[0]["first"]
    whole = [one for one in records if one["fold"] == "fold_02" and one["status"] == "complete"]
    assert {len(one["sessions"]) for one in whole} == {sum(one["sessions"] for one in second)}


def test_each_model_was_trained_once_a_fold_and_the_recipe_opens_the_chosen_one(wide: Searched) -> None:
    for fold in folds(wide.lane, wide.home).folds[:2]:
        variants = sorted((wide.folder / fold.name / "variants").glob("*/model.onnx"))
        assert 1 <= len(variants) <= 2
        record, used = wide.record(fold.name), recipe(wide.lane, Lake(wide.home.lake), fold, wide.folder / fold.name)
        chosen = record["trials"][record["number"]]
        assert used.choice.risk == chosen["risk"]
        assert record["model"] == ({"depth": 2} if chosen["model"]["depth"] == 2 else {})
        contents = {path.read_bytes() for path in variants}
        assert (used.model.content in contents) == bool(record["model"])


def test_it_is_done_once(wide: Searched) -> None:
    before = ledger.verify(wide.ledger)
    again = search(wide.lane, wide.home, ["fold_01", "fold_02"])
    assert (again.done, again.skipped, again.detail["trials"]) == (0, 2, 0)
    assert ledger.verify(wide.ledger) == before


def test_the_page_and_the_table_tell_how_it_was_chosen(wide: Searched) -> None:
    done = search(wide.lane, wide.home, ["fold_01", "fold_02"])
    table = done.preview
    assert table is not None
    assert table["fold"].to_list() == ["fold_01", "fold_02"]
    assert {"score", "around", "lonely", "confidence", "risk", "model.depth", "drawdown", "pruned"} <= set(
        table.columns
    )
    page = Path(done.detail["page"])
    assert page == wide.home.state / "search" / "tiny" / "index.html"
    text = page.read_text()
    for words in ("What mattered", "Where the choice stands", "Sharpe ratio against drawdown", "one_error picks"):
        assert words in text
    figures = json.loads(text.split('id="figures">')[1].split("</script>")[0])
    assert set(figures) == {"importance", "history", "plateau", "front"}
    assert [one["label"] for one in figures["plateau"]["layout"]["updatemenus"][0]["buttons"]] == ["fold_01", "fold_02"]
    lonely = [name for name in ("fold_01", "fold_02") if wide.record(name)["plateau"]["lonely"]]
    assert done.detail["lonely"] == lonely
    assert ("lonely peak" in done.detail["verdict"]) == bool(lonely)


class Halt(Exception):
    """Ends a search in the middle."""


@pytest.fixture(scope="module")
def plain(ran: Ran, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Searched, Sessions, Fold]]:
    mine = copied(ran, tmp_path_factory.mktemp("plain"))
    sessions = Sessions(mine.lane, Lake(mine.home.lake), calendar(mine.lane))
    yield mine, sessions, folds(mine.lane, mine.home).folds[0]


def cut_off(mine: Searched, sessions: Sessions, fold: Fold, cut: int, **search: object) -> None:
    """A search that stops after some trials and goes on, against one that never stopped: the same, counted once."""
    lane = mine.lane.model_copy(update={"search": mine.lane.search.model_copy(update=search)})
    spent, folder, studies = mine.home.state / "cut.jsonl", mine.folder / fold.name, mine.home.state / "cut"
    kept = folder / "choice.json"

    def heard(done: int, _: int) -> None:
        if done == cut:
            raise Halt

    with suppress(Halt):
        choose(lane, sessions, fold, folder, spent, studies=studies, heard=heard)
    assert kept.exists() == (ledger.verify(spent).records < cut or not cut)
    record = choose(lane, sessions, fold, folder, spent, studies=studies)
    records, first = ledger.read(spent), kept.read_bytes()
    assert len(records) == len(record["trials"])
    assert sorted(one["score"] for one in records) == sorted(one["score"] for one in record["trials"])
    assert all(max(one["sessions"]) < fold.test[0].isoformat() for one in records)
    kept.unlink()
    choose(lane, sessions, fold, folder, spent)
    assert kept.read_bytes() == first, "in one go and in memory it is the same"
    assert ledger.read(spent) == records, "what is the same is counted once"
    kept.unlink()
    shutil.rmtree(studies)
    for path in mine.home.state.glob("cut.jsonl*"):
        path.unlink()


@pytest.mark.parametrize(("sampler", "cut"), [("random", 2), ("tpe", 1), ("nsga2", 4)])
def test_the_ledger_has_a_record_a_trial_also_after_a_cut(
    plain: tuple[Searched, Sessions, Fold], sampler: str, cut: int
) -> None:
    cut_off(*plain, cut, sampler=sampler, trials=6)


@pytest.mark.long
@settings(max_examples=100, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 10**6),
    trials=st.integers(1, 5),
    cut=st.integers(0, 5),
    sampler=st.sampled_from(("random", "qmc", "tpe", "nsga2")),
)
def test_every_search_that_is_cut_off_goes_on_to_the_same(
    plain: tuple[Searched, Sessions, Fold], seed: int, trials: int, cut: int, sampler: str
) -> None:
    cut_off(*plain, cut, seed=seed, trials=trials, sampler=sampler)


def test_a_contradiction_is_a_trial_that_failed(ran: Ran, tmp_path: Path) -> None:
    policy = {"max_trades": 40, "partial": 0.5}  # what is taken at one stop needs a target beyond it
    spans = {"reward_to_risk": {"low": 1.0, "high": 1.5, "step": 0.5}, "sampler": "random", "trials": 6}
    mine = copied(ran, tmp_path, policy=policy, search=spans)
    search(mine.lane, mine.home, ["fold_01"])
    record = mine.record("fold_01")
    ends = {row["status"] for row in record["trials"]}
    why = "failed: policy.partial: is taken at a gain of one stop, but the target is at 1 stops already"
    assert ends == {"complete", why}
    assert record["choice"]["reward_to_risk"] == 1.5
    failed = [one for one in ledger.read(mine.ledger) if one["status"] != "complete"]
    assert failed
    assert all((one["score"], one["sessions"], one["daily"]) == (None, [], []) for one in failed)


def test_a_fold_whose_trials_all_fail_says_so_and_the_others_go_on(ran: Ran, tmp_path: Path) -> None:
    policy = {"max_trades": 40, "partial": 0.5}
    spans = {"reward_to_risk": {"low": 1.0, "high": 1.0}, "sampler": "random", "trials": 3}
    mine = copied(ran, tmp_path, policy=policy, search=spans)
    for _ in range(2):  # and it is not tried again
        done = search(mine.lane, mine.home, ["fold_01", "fold_02"])
        assert done.detail["without a choice"] == ["fold_01", "fold_02"]
        assert done.preview is not None
        assert all("trials failed, the first: policy.partial" in one for one in done.preview["outcome"].to_list())
        assert ledger.verify(mine.ledger).records == 6
    assert "No fold has a choice" in Path(done.detail["page"]).read_text()
    with pytest.raises(Refused, match="final: all 3 trials failed"):
        search(mine.lane, mine.home, ["final"])


def test_a_model_that_cannot_be_trained_is_a_trial_that_failed(ran: Ran, tmp_path: Path) -> None:
    mine = copied(
        ran, tmp_path, search={"trials": 2, "sampler": "grid", "model": {"estimator": ["xgboost", NOBODY]}} | fixed()
    )
    search(mine.lane, mine.home, ["fold_01"])
    ends = [row["status"] for row in mine.record("fold_01")["trials"]]
    assert ends[0] == "complete"
    assert ends[1].startswith("failed: ")
    assert NOBODY in ends[1]


NOBODY = "no.such:Estimator"


def fixed() -> dict[str, object]:
    return {key: {"low": 1.0, "high": 1.0, "step": 1.0} for key in ("stop_atr", "reward_to_risk")} | {
        "confidence": {"low": 0.6, "high": 0.6, "step": 1.0}
    }


# Windows.

DAYS = [date(2024, 1, 1) + timedelta(days=number) for number in range(120)]


@settings(max_examples=200)
@given(
    train=st.integers(1, 20),
    validate=st.integers(4, 20),
    test=st.integers(1, 10),
    step=st.integers(1, 10),
    holdout=st.integers(0, 20),
    kind=st.sampled_from(("rolling", "expanding")),
    count=st.integers(1, 6),
)
def test_no_window_reaches_the_test(
    train: int, validate: int, test: int, step: int, holdout: int, kind: str, count: int
) -> None:
    by = FoldSettings(
        unit="sessions", train=train, validate=validate, test=test, step=step, holdout_sessions=holdout, kind=kind
    )
    try:
        every = walk_forward(DAYS, by)
    except BadInput:
        return
    for fold in every.all():
        before = [(one, Path(one.name)) for one in every.folds if not fold.number or one.number < fold.number]
        found = windows_of(fold, Path(fold.name), before, count)
        seen = [day for one in found for day in one.days]
        limit = fold.test[0] if fold.test else (*every.holdout, DAYS[-1] + timedelta(days=1))[0]
        assert max(seen) < limit
        assert len(set(seen)) == len(seen), "a session is scored once"
        assert found[0].days == fold.search
        assert len(found) <= count
        assert [one.days[-1] for one in found] == sorted((one.days[-1] for one in found), reverse=True)
        for one in found:
            assert set(one.days) <= set(one.fold.search)
            assert not set(one.days) & {*one.fold.train, *one.fold.calibrate}


def test_a_window_that_reaches_the_test_is_refused() -> None:
    fold = Fold(2, tuple(DAYS[:5]), tuple(DAYS[5:7]), tuple(DAYS[7:9]), tuple(DAYS[9:12]))
    later = Fold(1, tuple(DAYS[:5]), tuple(DAYS[5:7]), tuple(DAYS[8:10]), tuple(DAYS[12:13]))
    with pytest.raises(Refused, match="a search window reaches 2024-01-10, and the fold's test begins on 2024-01-10"):
        windows_of(fold, Path(), [(later, Path())], 2)


# The verb.


def test_the_verb_and_its_workers(ran: Ran, tmp_path: Path, scalper: Verb) -> None:
    mine = copied(ran, tmp_path)
    code, out, err = scalper("search", "--config", mine.path, "--fold", "fold_01", "--json", home=mine.home.root)
    found = json.loads(out)
    assert code == 0, err
    assert [one["fold"] for one in found["folds"]] == ["fold_01"]
    assert found["trials"] == len(mine.record("fold_01")["trials"])
    code, out, err = scalper("search", "--config", mine.path, "--fold", "fold_01", home=mine.home.root)
    assert code == 0
    assert "what mattered" in err or "plateau" in err or "lonely" in err
    memory = {"SCALPER_LANE__SEARCH__STORAGE": "memory"}
    code, _, err = scalper("search", "--config", mine.path, "--workers", 2, home=mine.home.root, **memory)
    assert code == 3
    assert "a study in memory has one worker" in err


@pytest.mark.long
def test_two_workers_find_what_one_finds(ran: Ran, tmp_path: Path, scalper: Verb) -> None:
    """Two that are started by hand, and then the verb's own."""
    by = WIDE | {"trials": 40}
    alone, both, own = (copied(ran, tmp_path / name, search=by) for name in ("alone", "both", "own"))
    search(alone.lane, alone.home, ["fold_02"])
    words = [sys.executable, "-m", "scalper.cli", "search", "--config", str(both.path), "--fold", "fold_02"]
    place = os.environ | {"SCALPER_HOME": str(both.home.root)}
    workers = [subprocess.Popen(words, env=place, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [one.wait() for one in workers] == [0, 0]
    lines = (both.home.state / "studies" / "tiny" / "fold_02.journal").read_text().splitlines()
    tried = {one["worker_id"] for one in map(json.loads, lines) if one["op_code"] == CREATE_TRIAL}
    assert len(tried) == 2, "one of them did all the work"
    code, _, err = scalper("search", "--config", own.path, "--fold", "fold_02", "--workers", 3, home=own.home.root)
    assert code == 0, err
    assert "workers ended" not in err
    for mine in (both, own):
        assert mine.record("fold_02") == alone.record("fold_02")
        assert ledger.verify(mine.ledger).records == len(mine.record("fold_02")["trials"])


CREATE_TRIAL = 4
"""What Optuna's journal calls it."""


def test_stages_search_is_this_one() -> None:
    assert stages.search is search
