"""Measurements on a real recipe and a small lake; a broken stream and a slow model would show."""

from __future__ import annotations

import numpy as np
import pytest

from scalper.features import Block, Stream
from scalper.gate import measure as measuring
from scalper.gate.checks import evaluate, judge
from scalper.gate.measure import latency, measure, stream
from scalper.gate.subject import Array, Subject, batch, joined, streamed, unequal
from scalper.lake import Lake
from scalper.learn.recipe import Recipe
from tests.gate.sample import DAYS, make_evidence, make_lane, make_measured


def test_batch_stream_and_restart_agree(subjects: list[Subject]) -> None:
    found = stream(subjects, seed=1)
    assert found["differences"] == 0
    assert found["restarts"] == 6
    assert found["rows"] == sum(one.bars.size for one in subjects)
    assert found["cells"] == 2 * sum(one.bars.size * len(one.watched) for one in subjects)


def test_a_state_that_is_not_restored_whole_is_counted(
    subjects: list[Subject], monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Subject.stream

    def forgetful(self: Subject, state: Array | None = None) -> Stream:
        if state is not None:
            state["ema"] = np.round(state["ema"])
        return original(self, state)

    monkeypatch.setattr(Subject, "stream", forgetful)
    found = stream(subjects, seed=1)
    assert found["differences"] > 0
    assert found["first"].startswith("ema_9 at 2025-")


def test_a_batch_that_differs_is_counted(subjects: list[Subject], monkeypatch: pytest.MonkeyPatch) -> None:
    def other(subject: Subject, traded: Array) -> Block:
        block = batch(subject, traded)
        block.x[700, 9] += 1
        return block

    monkeypatch.setattr(measuring, "batch", other)
    assert stream(subjects[:1], seed=1)["differences"] == 2


def test_nan_equals_nan_and_minus_zero_is_not_zero() -> None:
    one, other = np.array([np.nan, 0.0, 1.0]), np.array([np.nan, -0.0, 1.0])
    assert unequal(one, other).tolist() == [False, True, False]


def test_restarts_everywhere_change_nothing(subjects: list[Subject]) -> None:
    one = subjects[0]
    assert not unequal(joined(batch(one, one.traded)), joined(streamed(one, range(0, one.bars.size, 100)))).any()


def test_latency_is_measured_on_enough_rows(subjects: list[Subject], recipe: Recipe) -> None:
    found = latency(recipe, subjects)
    assert found["rows"] >= 2000
    assert 0 < found["p50_ms"] <= found["p99_ms"] <= found["worst_ms"]


def test_evaluate_measures_and_judges(lake: Lake, recipe: Recipe) -> None:
    evidence = make_evidence(recipe.lane)
    checks = {one.id: one for one in evaluate(evidence, lake, recipe, make_measured().audit, sessions=1)}
    for name in ("parity.stream", "audit", "latency"):
        assert checks[name].passed, checks[name].detail
    assert all(one.passed for one in checks.values())


def test_without_bars_in_the_lake_nothing_is_measured(lake: Lake, recipe: Recipe) -> None:
    evidence = make_evidence(make_lane())
    evidence.daily = evidence.daily.filter(~evidence.daily["session"].is_in(DAYS[:4]))
    found = measure(lake, recipe, evidence, ())
    checks = {one.id: one for one in judge(evidence, found)}
    for name in ("parity.stream", "latency"):
        assert checks[name].status == "CANNOT EVALUATE"
        assert "no session of the path" in checks[name].detail
    assert checks["audit"].status == "CANNOT EVALUATE"
    assert "the look-ahead audit was not run" in checks["audit"].detail
