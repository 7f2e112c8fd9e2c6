"""`scalper folds`: the windows of a lane's folds, what was seen of its hold-out, and the page."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from scalper import lane as stages
from scalper.errors import BadInput, Refused
from scalper.gate.audit_folds import folds as audited
from scalper.lake import Lake
from scalper.lane.stage import seen_path
from scalper.learn.holdout import note_path, open_holdout
from scalper.settings import Home, Lane, load_lane
from tests.conftest import Verb
from tests.lane.support import FOLDS, Ran, write_lane

pytestmark = pytest.mark.xdist_group("lane")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(root=tmp_path / "home")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_lane(tmp_path)


@pytest.fixture
def tiny(path: Path) -> Lane:
    return load_lane(path)


def opened(tiny: Lane, home: Home, days: tuple[date, ...], now: str = "2026-01-02T03:04:05Z") -> None:
    one = open_holdout(seen_path(tiny, home), days, lane="tiny", recipe="r" * 64, data="d", model="m", now=now)
    assert one.first_opening


def test_the_document_tells_every_window(path: Path, tiny: Lane, home: Home, scalper: Verb) -> None:
    """Without rows in the lake the folds are those of the calendar, and it says so."""
    code, out, err = scalper("folds", "--config", path, "--json", home=home.root)
    assert code == 0, err
    found = json.loads(out)
    sessions = [one.date for one in stages.calendar(tiny)]
    assert (found["planned"], found["sessions"]) == (True, len(sessions))
    assert "of the calendar: none has features and labels yet" in found["from"]
    assert [one["fold"] for one in found["folds"]] == ["fold_01", "fold_02", "fold_03", "fold_04", "final"]
    for one in found["folds"]:
        for name in ("train", "calibrate", "search", "test")[: 4 if one["fold"] != "final" else 3]:
            first, last = (sessions.index(date.fromisoformat(one[f"{name}_{end}"])) for end in ("from", "to"))
            assert last - first + 1 == one[f"{name}_sessions"]
    assert found["folds"][-1]["test_from"] is None
    assert found["tested"] == 12
    held = {"from": str(sessions[-5]), "to": str(sessions[-1]), "sessions": 5}
    assert found["holdout"] == held | {"opened": False, "opened_at": None, "seen": []}
    assert found["holdout seen"] == ["Nobody has opened it."]


def test_the_page_shows_every_fold_and_needs_no_script(path: Path, home: Home, scalper: Verb) -> None:
    code, out, err = scalper("folds", "--config", path, home=home.root)
    assert code == 0, err
    assert "fold_04" in out and "Nobody has opened it." in err
    page = Path(out.split()[-1])
    assert page == home.state / "folds" / "tiny" / "index.html"
    text = page.read_text()
    assert text.count("<title>fold_0") == 4 * 4 and "<script" not in text
    assert text.count("<tr>") == 1 + 5
    assert "Rolling: train 10 sessions, validate 7 sessions, test 3 sessions" in text


def test_of_a_lane_that_ran_it_shows_the_folds_that_were_trained_and_the_opening(ran: Ran) -> None:
    found = stages.draw_folds(ran.lane, ran.home).detail
    folds = stages.folds(ran.lane, ran.home)
    assert (found["planned"], found["sessions"]) == (False, len(stages.learnable(ran.lane, ran.home)))
    assert [one["train_from"] for one in found["folds"]] == [fold.train[0] for fold in folds.all()]
    assert found["holdout"]["opened_at"] in Path(found["page"]).read_text()
    (opening,) = found["holdout"]["seen"]
    assert (opening["lane"], opening["first"], opening["sessions"]) == ("tiny", str(folds.holdout[0]), 5)


def test_the_audit_takes_expanding_folds_and_finds_one_that_reaches_too_far(ran: Ran) -> None:
    lane = ran.lane.model_copy(update={"folds": ran.lane.folds.model_copy(update={"kind": "expanding"})})
    found, lake = stages.folds(lane, ran.home), Lake(ran.home.lake)
    daily = pl.DataFrame({"session": found.tested(), "fold": [one.number for one in found.folds for _ in one.test]})
    judged = audited(lake, lane, found, daily, dict.fromkeys(stages.learnable(lane, ran.home), 1))
    assert judged.wrong is None and judged.counts["folds"] == len(found.all())
    last = found.folds[-1]
    days = stages.learnable(lane, ran.home)
    further = replace(last, train=tuple(days[: days.index(last.train[-1]) + 2]))
    judged = audited(lake, lane, replace(found, folds=(*found.folds[:-1], further)), daily, {})
    assert "between train" in str(judged.wrong) and "lies no embargo" in str(judged.wrong)


def test_it_says_when_the_holdout_was_opened_and_by_whom(tiny: Lane, home: Home, path: Path, scalper: Verb) -> None:
    days = tuple(one.date for one in stages.calendar(tiny))
    note_path(seen_path(tiny, home), days[-12:-5], lane="tiny", recipe="r" * 64)  # the path before it
    note_path(seen_path(tiny, home), [date(2025, 6, 2)], lane="later", recipe="r" * 64)  # and what came after
    assert stages.draw_folds(tiny, home).detail["holdout seen"] == ["Nobody has opened it."]
    opened(tiny, home, days[-5:])
    note_path(seen_path(tiny, home), days[-2:], lane="other", recipe="x" * 64)
    found = stages.draw_folds(tiny, home).detail
    assert (found["holdout"]["opened"], found["holdout"]["opened_at"]) == (True, "2026-01-02T03:04:05Z")
    assert found["holdout seen"] == [
        f"{days[-5]} to {days[-1]}: opened on 2026-01-02T03:04:05Z by recipe {'r' * 12} of lane tiny.",
        f"{days[-2]} to {days[-1]}: walked over, so seen, by recipe {'x' * 12} of lane other.",
    ]
    assert "<dd>2026-01-02</dd>" in Path(found["page"]).read_text()
    record = seen_path(tiny, home)
    record.write_text(record.read_text().replace("other", "tiny_"))
    with pytest.raises(Refused, match="not what was written there"):
        stages.draw_folds(tiny, home)
    code, out, _ = scalper("folds", "--config", path, "--json", home=home.root)
    assert (code, json.loads(out)["error"]) == (4, "Refused")


def test_walked_over_is_not_opened(tiny: Lane, home: Home) -> None:
    days = tuple(one.date for one in stages.calendar(tiny))
    note_path(seen_path(tiny, home), days[:-3], lane="tiny", recipe="r" * 64)
    found = stages.draw_folds(tiny, home).detail
    assert (found["holdout"]["opened"], len(found["holdout seen"])) == (False, 1)
    assert found["holdout seen"][0].startswith(f"{days[-5]} to {days[-4]}: walked over")


def test_expanding_folds_and_no_holdout(tmp_path: Path, home: Home) -> None:
    lane = load_lane(write_lane(tmp_path, folds=FOLDS | {"kind": "expanding", "holdout_sessions": 0}))
    found = stages.draw_folds(lane, home).detail
    first = found["folds"][0]["train_from"]
    assert all(one["train_from"] == first for one in found["folds"])
    assert "train 10 sessions or more" in found["cut"]
    assert found["holdout seen"] == ["There is no hold-out: folds.holdout_sessions is 0."]
    assert found["holdout"]["from"] is None


def test_too_few_sessions_are_a_clear_refusal(tmp_path: Path, home: Home, scalper: Verb) -> None:
    path = write_lane(tmp_path, folds=FOLDS | {"train": 40})
    code, out, _ = scalper("folds", "--config", path, "--json", home=home.root)
    said = json.loads(out)
    assert (code, said["error"]) == (3, "BadInput")
    assert "one fold needs 56 sessions (train 40, validate 7, test 3 sessions" in said["message"]
    assert not (home.state / "folds").exists()
    with pytest.raises(BadInput, match="add data or shorten the windows"):
        stages.draw_folds(load_lane(path), home)
