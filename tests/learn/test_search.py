"""The search: seeded, quiet, and the same each time."""

from __future__ import annotations

import json

import pytest

from scalper.learn import run_study
from scalper.learn.search import drawn
from scalper.policy import Choice, rules
from scalper.settings import Lane, Range, SearchSettings

SAMPLERS = ["tpe", "random", "qmc"]


def hill(choice: Choice) -> float:
    return -((choice.confidence - 0.7) ** 2) - (choice.stop_atr - 2) ** 2 - (choice.reward_to_risk - 1.5) ** 2


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_it_repeats_itself(sampler: str) -> None:
    settings = SearchSettings(sampler=sampler, trials=20, seed=5)
    one, other = run_study(settings, hill), run_study(settings, hill)
    assert one == other
    assert one.value == max(trial["value"] for trial in one.trials) == hill(one.best)
    assert json.loads(json.dumps(one.trials, allow_nan=False)) == one.trials
    assert len({(t["confidence"], t["stop_atr"], t["reward_to_risk"]) for t in one.trials}) == len(one.trials)
    assert run_study(settings.model_copy(update={"seed": 6}), hill).trials != one.trials


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_draws_lie_on_the_grid(sampler: str) -> None:
    study = run_study(SearchSettings(sampler=sampler, trials=30), hill)
    for trial in study.trials:
        assert 0.6 <= trial["confidence"] <= 0.8
        assert round(trial["confidence"] * 100) % 2 == 0
        assert trial["stop_atr"] * 4 == int(trial["stop_atr"] * 4)


def test_a_choice_is_tried_once() -> None:
    asked: list[Choice] = []

    def objective(choice: Choice) -> float:
        asked.append(choice)
        return 1.0

    narrow = Range(low=1, high=2, step=1)
    settings = SearchSettings(trials=40, confidence=Range(low=0.7, high=0.7), stop_atr=narrow, reward_to_risk=narrow)
    study = run_study(settings, objective)
    assert len(asked) == len(set(asked)) == len(study.trials) <= 4


@pytest.mark.parametrize(
    ("labels", "stop", "varies"),
    [
        ("direction", None, {"confidence", "stop_atr", "reward_to_risk"}),
        ("direction", "fixed", {"confidence", "reward_to_risk"}),
        ("barrier", None, {"confidence"}),
        ("barrier", "label", {"confidence"}),
        ("barrier", "atr", {"confidence", "stop_atr", "reward_to_risk"}),
    ],
)
def test_only_what_the_trades_depend_on_is_drawn(labels: str, stop: str | None, varies: set[str]) -> None:
    what = {"name": "s", "symbol": "MES", "source": "import", "interval": "1m", "start": "2021-01-04"}
    lane = Lane.model_validate(what | {"labels": {"kind": labels}, "policy": {"stop": {"kind": stop}}})
    plain = Choice(0.61, 1.7, 2.3)
    study = run_study(SearchSettings(trials=30), lambda choice: choice.confidence, plain, drawn(lane))
    for name in ("confidence", "stop_atr", "reward_to_risk"):
        tried = {trial[name] for trial in study.trials}
        assert len(tried) > 3 if name in varies else tried == {getattr(plain, name)}, name
    if varies == {"confidence"}:
        assert rules(lane, plain) == rules(lane, Choice(0.61, 9.9, 9.9)), "the barriers alone place the exits"


def test_ties_go_to_the_most_careful_choice() -> None:
    study = run_study(SearchSettings(sampler="random", trials=50), lambda _: 0.0)
    assert study.best.confidence == max(trial["confidence"] for trial in study.trials)


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_a_search_that_finds_nothing_says_so(value: float) -> None:
    study = run_study(SearchSettings(trials=8), lambda _: value)
    assert study.value == float("-inf")
    assert all(trial["value"] is None for trial in study.trials)


def test_a_number_beats_no_number() -> None:
    study = run_study(SearchSettings(trials=20), lambda c: -5.0 if c.confidence < 0.7 else float("nan"))
    assert study.value == -5.0
    assert study.best.confidence < 0.7


def test_it_is_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    run_study(SearchSettings(trials=4, sampler="qmc"), hill)
    assert capfd.readouterr() == ("", "")
