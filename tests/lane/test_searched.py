"""The search of the tiny lane by the real simulator: windows, variants, the ledger, kills, outcomes, page and verb."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
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
from scalper.files import write_json
from scalper.lake import Lake
from scalper.lane.learning import folds
from scalper.lane.searched import search
from scalper.lane.stage import calendar, ledger_path, models_root
from scalper.learn import ledger
from scalper.learn.digests import read_json
from scalper.learn.fitting import recipe
from scalper.learn.folds import Fold, walk_forward
from scalper.learn.search import choose
from scalper.learn.search.follows import unfounded
from scalper.learn.search.windows import drawdown, scored, windows_of
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
    assert second[1]["days"][-1] < second[0]["days"][0]
    whole = [one for one in records if one["fold"] == "fold_02" and one["status"] == "complete"]
    assert {len(one["sessions"]) for one in whole} == {sum(len(one["days"]) for one in second)}


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


EDITS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "another threshold": (lambda r: r["choice"].update(confidence=0.01), "its choice is not what one_error picks"),
    "another score": (lambda r: r.update(score=9.9), "its score is not what one_error picks"),
    "another model": (lambda r: r.update(model={"depth": 9}), "its model is not what one_error picks"),
    "another trial": (lambda r: r.update(number=(r["number"] + 1) % 8), "its number is not what one_error picks"),
    "a better score": (lambda r: r["trials"][0].update(score=9.9), "trial 0 has score 9.9, and in the ledger "),
    "a failure": (lambda r: r["trials"][1].update(status="failed: no"), "trial 1 has status failed: no, and in the"),
    "other numbers": (lambda r: r["trials"][2].update(stop_atr=77.0), "trial 2 is not in the ledger"),
    "a trial less": (lambda r: r["trials"].pop(), "the ledger has 1 more trials of its study"),
    "a trial more": (lambda r: r["trials"].append(r["trials"][0]), "is not in the ledger"),
    "another study": (lambda r: r.update(study="0" * 64), "trial 0 is not in the ledger"),
    "a refusal": (lambda r: r.update(outcome="refused: bad luck"), "it has no choice, and a trial of it is complete"),
    "no trials": (lambda r: r.update(trials=[]), "more trials of its study"),
}


@pytest.mark.parametrize("name", EDITS)
def test_a_choice_that_does_not_follow_from_the_ledger_is_told(name: str, wide: Searched) -> None:
    fold, (edit, words) = folds(wide.lane, wide.home).folds[1], EDITS[name]
    records, record = ledger.read(wide.ledger), wide.record("fold_02")
    assert unfounded(wide.lane, fold, record, records) is None
    edit(record)
    assert words in str(unfounded(wide.lane, fold, record, records))


def test_each_rule_is_held_against_the_ledger_s_daily_net(wide: Searched) -> None:
    """Another rule picks otherwise, by error and drawdown that the record need not tell."""
    fold, record, records = folds(wide.lane, wide.home).folds[1], wide.record("fold_02"), ledger.read(wide.ledger)
    for row in record["trials"]:
        line = next(one for one in records if one["score"] == row["score"] and one["net"] == row["net"])
        assert drawdown(wide.lane, line["daily"]) == row["drawdown"]
        assert scored(wide.lane, fold, line["daily"], line["trades"]) == (row["score"], row["error"])
        row |= {"drawdown": 0.0, "error": 99.0}
    assert unfounded(wide.lane, fold, record, records) is None


def test_a_model_of_an_earlier_window_that_is_another_now_is_refused(wide: Searched) -> None:
    lake, fold = Lake(wide.home.lake), folds(wide.lane, wide.home).folds[1]
    place, model = wide.folder / "fold_02", wide.folder / "fold_01" / "model.onnx"
    kept, record = model.read_bytes(), wide.record("fold_02")
    recipe(wide.lane, lake, fold, place)
    try:
        model.write_bytes(kept + b"\n")
        with pytest.raises(Refused, match="the choice was made on the search window of fold_01 too, whose sessions"):
            recipe(wide.lane, lake, fold, place)
        model.write_bytes(kept)
        for key, other in (("data", "0" * 64), ("days", record["windows"][1]["days"][1:]), ("onnx", "0" * 64)):
            changed = record["windows"][1] | {key: other}
            write_json(place / "choice.json", record | {"windows": [record["windows"][0], changed]})
            with pytest.raises(Refused, match="the search window of fold_01 too"):
                recipe(wide.lane, lake, fold, place)
        write_json(place / "choice.json", record | {"windows": record["windows"][:1]})
        with pytest.raises(Refused, match="windows that it does not name"):
            recipe(wide.lane, lake, fold, place)
        write_json(place / "choice.json", record | {"windows": [record["windows"][0], {"fold": "fold_01"}]})
        with pytest.raises(BadInput, match=r"choice\.json: damaged \(windows"):
            recipe(wide.lane, lake, fold, place)
    finally:
        model.write_bytes(kept)
        write_json(place / "choice.json", record)


DAMAGE: dict[str, dict[str, Any]] = {
    "an unknown key": {"choice": {"confidence": 0.6, "stop_atr": 1.0, "reward_to_risk": 2.0, "oracle": 1.0}},
    "a number that is missing": {"choice": {"confidence": 0.6, "stop_atr": 1.0}},
    "NaN": {"choice": {"confidence": float("nan"), "stop_atr": 1.0, "reward_to_risk": 2.0}},
    "a text": {"choice": {"confidence": "0.6", "stop_atr": 1.0, "reward_to_risk": 2.0}},
    "half a tick": {"choice": {"confidence": 0.6, "stop_atr": 1.0, "reward_to_risk": 2.0, "stop_ticks": 1.5}},
    "a list": {"choice": [0.6, 1.0, 2.0]},
    "no choice": {"choice": None},
    "a model that is a list": {"model": [1]},
    "trials that are texts": {"trials": ["a"]},
    "a trial that is no trial": {"trials": [{"number": 0}]},
    "a number of no trial": {"number": 99},
    "a plateau that tells nothing": {"plateau": {}},
    "importance in words": {"importance": {"confidence": "much"}},
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_choice_is_told_with_its_file(name: str, wide: Searched) -> None:
    record, place, lake = wide.record("fold_02"), wide.folder / "fold_02", Lake(wide.home.lake)
    words = r"fold_02/choice\.json: damaged \(.* is not what a search writes\); remove it and run the lane again"
    (place / "choice.json").write_text(json.dumps(record | DAMAGE[name]))
    try:
        with pytest.raises(BadInput, match=words):
            recipe(wide.lane, lake, folds(wide.lane, wide.home).folds[1], place)
        with pytest.raises(BadInput, match=words):
            search(wide.lane, wide.home, ["fold_01"])
    finally:
        write_json(place / "choice.json", record)


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


def test_what_does_not_follow_from_the_ledger_is_not_believed(plain: tuple[Searched, Sessions, Fold]) -> None:
    """An edited choice is not skipped, an edited study gives none; without both it is searched to the same again."""
    mine, sessions, fold = plain
    folder, studies, spent = mine.folder / fold.name, mine.home.state / "edited", mine.home.state / "edited.jsonl"
    kept, journal = folder / "choice.json", studies / f"{fold.name}.journal"
    record = choose(mine.lane, sessions, fold, folder, spent, studies=studies)
    assert choose(mine.lane, sessions, fold, folder, spent, studies=studies)["skipped"]
    first, study = kept.read_bytes(), journal.read_text()
    write_json(kept, json.loads(first) | {"choice": record["choice"] | {"confidence": 0.01}})
    remedy = rf"; remove {re.escape(str(kept))} and {re.escape(str(journal))} and search again"
    with pytest.raises(Refused, match=f"{fold.name}: its choice does not follow .*: its choice is not what.*{remedy}"):
        choose(mine.lane, sessions, fold, folder, spent, studies=studies)
    kept.unlink()
    worst = min(record["trials"], key=lambda row: row["score"])
    journal.write_text(study.replace(f'"scores":[{worst["score"]}', '"scores":[9.9', 1))
    assert journal.read_text() != study
    with pytest.raises(Refused, match=r"has score 9\.9, and in the ledger .*; remove "):
        choose(mine.lane, sessions, fold, folder, spent, studies=studies)
    assert not kept.exists()
    spoilt = mine.home.state / "other.jsonl"
    ledger.append(spoilt, [one | {"input": "other"} for one in ledger.read(spent)])
    journal.write_text(study)
    with pytest.raises(Refused, match="trial 0 is not in the ledger"):  # its trials are of other inputs there
        choose(mine.lane, sessions, fold, folder, spoilt, studies=studies)
    journal.unlink()
    before = ledger.verify(spent).records
    choose(mine.lane, sessions, fold, folder, spent, studies=studies)
    assert kept.read_bytes() == first
    assert ledger.verify(spent).records == before
    kept.unlink()


def test_a_search_that_was_edited_ends_the_stage(ran: Ran, tmp_path: Path) -> None:
    """It is not an outcome that lets the fold trade nothing, and a made-up refusal is none either."""
    mine = copied(ran, tmp_path)
    search(mine.lane, mine.home, ["fold_01"])
    kept, record = mine.folder / "fold_01" / "choice.json", mine.record("fold_01")
    write_json(kept, record | {"score": 9.9})
    with pytest.raises(Refused, match="does not follow from the ledger"):
        search(mine.lane, mine.home, ["fold_01"])
    few = {key: record[key] for key in ("input", "study", "trials", "windows")}
    write_json(kept, few | {"outcome": "refused: fold_01: bad luck"})
    with pytest.raises(Refused, match=r"does not follow from the ledger.*a trial of it is complete"):
        search(mine.lane, mine.home, ["fold_01"])


def test_data_that_change_during_the_search_give_no_choice(plain: tuple[Searched, Sessions, Fold]) -> None:
    mine, sessions, fold = plain
    keys = {"lane": mine.lane.name, "date": fold.search[0].isoformat()}
    lake, spent = sessions.lake, mine.home.state / "changed.jsonl"
    frame, told = lake.read("features", keys), lake.metadata("features", keys)

    def heard(done: int, _: int) -> None:
        if done == 2:
            lake.write("features", keys, frame, told | {"scalper.input": "other"})

    words = rf"{fold.name}: its model, or features or labels, changed while it was searched; run it again"
    try:
        with pytest.raises(Refused, match=words):
            choose(mine.lane, sessions, fold, mine.folder / fold.name, spent, heard=heard)
    finally:
        lake.write("features", keys, frame, told)
    assert not (mine.folder / fold.name / "choice.json").exists()


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
