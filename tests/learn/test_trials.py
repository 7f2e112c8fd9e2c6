"""The ledger as trials: all of them count, and their returns cannot be mixed up."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalper.errors import BadInput, Refused
from scalper.learn import ledger
from scalper.learn.trials import Returns, Trials
from scalper.settings import load_lane
from tests.conftest import REPOSITORY, Verb

DAYS = [date(2025, 3, 3) + timedelta(days=i) for i in range(8)]
CONFIG = REPOSITORY / "config" / "demo.yaml"


def record(days: list[date], **keys: Any) -> dict[str, Any]:
    """A record as the search writes it."""
    daily = [float(10 * len(days) + i) for i in range(len(days))]
    found = {"lane": "es_5m", "fold": "fold_01", "kind": "trial", "status": "complete", "data": "d", "input": "i"}
    found |= {"sessions": [day.isoformat() for day in days], "daily": daily, "score": 1.0, "trades": 3}
    return found | {"net": sum(daily), "confidence": 0.6} | keys


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ES.jsonl"


def test_trials_of_every_lane_count_where_their_sessions_overlap(path: Path) -> None:
    early, late = record(DAYS[:3]), record(DAYS[4:], lane="mes_1m", kind="grid", fold="path")
    ledger.append(path, [early, late, record(DAYS[2:5], kind="retrain", fold="retrained")])
    ledger.append(path, [{"lane": "es_5m", "fold": "fold_02", "score": 0.5, "daily": [1.0]}])
    found = Trials.read(path)
    assert found.number == 4
    assert [one.number for one in found.overlapping(DAYS[0], DAYS[1]).every] == [1, 4]
    assert [one.number for one in found.overlapping(DAYS[2], DAYS[2]).every] == [1, 3, 4]
    assert [one.number for one in found.overlapping(DAYS[3], DAYS[3]).every] == [3, 4]
    assert [one.number for one in found.overlapping(DAYS[7], DAYS[7] + timedelta(days=90)).every] == [2, 4]
    assert [one.number for one in found.of_kind("grid", "retrain").every] == [2, 3]
    assert found.span() == (DAYS[0], DAYS[7])
    assert found.every[0].numbers == {"confidence": 0.6}
    assert (found.every[3].kind, found.every[3].status, found.every[3].sessions) == ("trial", "complete", ())


def test_a_search_counts_across_restarts_and_edits_of_its_lane(path: Path) -> None:
    study = [record(DAYS[:4], confidence=0.6 + i / 100) for i in range(3)]
    ledger.append(path, study[:2])
    ledger.append(path, study)  # started again: what was tried is tried once
    assert Trials.read(path).number == 3
    ledger.append(path, [one | {"input": "edited"} for one in study])
    assert Trials.read(path).number == 6
    assert Trials.read(path).overlapping(DAYS[3], DAYS[3]).number == 6


def test_the_best_and_the_table(path: Path) -> None:
    assert Trials.read(path).best() is None
    assert Trials.read(path).span() is None
    assert Trials.read(path).table().height == 0
    rows = [
        record(DAYS[:2], score=2.0),
        record(DAYS[:2], score=2.0, confidence=0.7),
        record(DAYS[:3], score=None, status="failed: no rows"),
        record(DAYS[1:3], score=None, status="failed: too deep", confidence=0.7),
        record(DAYS, score=1.5, kind="grid"),
    ]
    ledger.append(path, rows)
    found = Trials.read(path)
    best = found.best()
    assert best is not None and best.number == 1
    assert found.table().rows() == [
        ("es_5m", "grid", "complete", 1, DAYS[0], DAYS[7], 1.5),
        ("es_5m", "trial", "complete", 2, DAYS[0], DAYS[1], 2.0),
        ("es_5m", "trial", "failed", 2, DAYS[0], DAYS[2], None),
    ]


def test_returns_are_of_the_trials_on_the_same_sessions(path: Path) -> None:
    wanted = DAYS[:4]
    ledger.append(path, [record(wanted, confidence=one) for one in (0.6, 0.7)])
    ledger.append(path, [record(DAYS[:5]), record(DAYS[1:5])])  # on other sessions
    ledger.append(path, [record(wanted, daily=[1.0, 2.0], status="pruned", confidence=0.8)])
    ledger.append(path, [record(wanted, daily=[9.0, 8.0, 7.0, 6.0], kind="grid")])
    found = Trials.read(path)
    assert next(iter(found.windows().items())) == (tuple(wanted), 4)
    returns = found.returns(wanted)
    assert (returns.sessions, returns.trials) == (tuple(wanted), (1, 2, 6))
    assert returns.values.shape == (4, 3)
    assert returns.values[:, 2].tolist() == [9.0, 8.0, 7.0, 6.0] == list(returns.of[6])
    assert found.of_kind("trial").returns(wanted).trials == (1, 2)
    assert found.returns(DAYS).values.shape == (8, 0)


@given(
    st.tuples(st.integers(1, 6), st.integers(0, 6)),
    st.randoms(use_true_random=False),
)
def test_a_row_is_a_session_and_a_column_a_trial(shape: tuple[int, int], random: Any) -> None:
    days, count = shape
    daily = {7 + 3 * n: [random.gauss(0, 100) for _ in range(days)] for n in range(count)}
    found = Returns(tuple(DAYS[:days]), daily)
    assert found.values.shape == (days, count)
    for n, trial in enumerate(found.trials):
        for t in range(days):
            assert found.values[t, n] == daily[trial][t]
    with pytest.raises(ValueError, match="read-only"):
        found.values[...] = 0.0
    if count and days != 6:
        with pytest.raises(BadInput, match="one value a session"):
            Returns(tuple(DAYS[: days + 1]), daily)


def test_the_verb(path: Path, tmp_path: Path, scalper: Verb) -> None:
    lane = load_lane(CONFIG)
    where = tmp_path / "state" / "ledger" / f"ES-{lane.source_key}.jsonl"
    code, out, _ = scalper("trials", "--config", CONFIG, "--json", home=tmp_path)
    assert (code, json.loads(out)["number"], json.loads(out)["best"]) == (0, 0, None)
    ledger.append(where, [record(DAYS, lane="demo"), record(DAYS[:3], lane="other", score=3.0)])
    code, out, _ = scalper("trials", "--config", CONFIG, "--json", home=tmp_path)
    found = json.loads(out)
    assert (code, found["number"], found["verified"], found["problem"]) == (0, 2, True, None)
    assert found["head"] == ledger.verify(where).head
    assert (found["best"]["number"], found["span"]) == (2, [str(DAYS[0]), str(DAYS[7])])
    assert [one["trials"] for one in found["by"]] == [1, 1]
    code, out, err = scalper("trials", "--config", CONFIG, home=tmp_path)
    assert code == 0
    assert "other" in out and str(where) in out
    said = " ".join(err.split())
    assert "2 trials on sessions from 2025-03-03 to 2025-03-10" in said and "best: trial 2" in said


def test_a_ledger_that_was_tampered_with_is_no_trials(tmp_path: Path, scalper: Verb) -> None:
    where = tmp_path / "state" / "ledger" / f"ES-{load_lane(CONFIG).source_key}.jsonl"
    ledger.append(where, [record(DAYS), record(DAYS[:3]), record(DAYS[:4])])
    lines = where.read_bytes().splitlines(keepends=True)
    where.write_bytes(b"".join(lines[:1] + lines[2:]))
    with pytest.raises(Refused, match="line 2 is not what was written"):
        Trials.read(where)
    code, out, _ = scalper("trials", "--config", CONFIG, "--json", home=tmp_path)
    found = json.loads(out)
    assert (code, found["verified"], found["number"]) == (4, False, 1)
    assert "line 2 is not what was written" in found["problem"]
    code, _, err = scalper("trials", "--config", CONFIG, home=tmp_path)
    assert code == 4 and "restore" in err
