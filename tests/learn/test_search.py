"""The search's engine on a hill that costs nothing: samplers, resuming, workers, pruning, the rules."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.exceptions import StorageInternalError

from scalper.errors import BadInput, DataUnavailable, Refused
from scalper.learn.search import Axis, Found, Space, Trial, drawn, front, pick, run, space
from scalper.learn.search.draws import Draws
from scalper.learn.search.engine import Stop
from scalper.learn.search.front import careful
from scalper.learn.search.plateau import importance, plateau
from scalper.learn.search.space import Point
from scalper.learn.search.storage import answering, masked, open_storage
from scalper.policy import Choice, default_choice, rules
from scalper.settings import Lane, Range, SearchSettings
from scalper.simulate.rule_sets import rule_sets
from tests.learn.hill import PLAIN, SAMPLERS, SPACE, TINY, Halt, hill, make, searched, small

MEMORY = Path()


@pytest.mark.parametrize("sampler", SAMPLERS)
@settings(max_examples=100)
@given(seed=st.integers(0, 2**31 - 1), trials=st.integers(1, 7), cut=st.integers(0, 7), two=st.booleans())
def test_the_same_seed_gives_the_same_study_also_after_a_cut(
    sampler: str, seed: int, trials: int, cut: int, two: bool
) -> None:
    by = small(sampler, seed=seed, trials=trials, windows=2, two=two)
    whole = searched(by, space=TINY)
    assert [trial.number for trial in whole] == list(range(len(whole)))
    assert len({json.dumps(trial.point) for trial in whole}) == len(whole) <= by.trials
    storage, tried = open_storage("memory", MEMORY), list[int]()

    def until(number: int, point: Point, stop: Stop) -> Found:
        if len(tried) == cut:
            raise Halt
        tried.append(number)
        return make(by)(number, point, stop)

    if cut < len(whole):
        with pytest.raises(Halt):
            run(by, TINY, until, "study", storage)
    assert run(by, TINY, make(by, tried), "study", storage) == whole
    assert sorted(tried[:cut] + tried[cut:]) == list(range(len(whole))), "what was made before is not made again"


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc", "nsga2"])
def test_another_seed_gives_another_study(sampler: str) -> None:
    assert searched(small(sampler, seed=1, trials=12)) != searched(small(sampler, seed=2, trials=12))


@settings(max_examples=40)
@given(seed=st.integers(0, 1000), plan=st.lists(st.tuples(st.booleans(), st.integers(0, 3)), min_size=1, max_size=3))
def test_workers_that_join_leave_and_die_give_what_one_gives(seed: int, plan: list[tuple[bool, int]]) -> None:
    """Each worker makes some trials, then the next one works while this one is in the middle of a trial, which it ends
    afterwards or dies in."""
    by = small("tpe", seed=seed, trials=6, windows=2)
    storage, found = open_storage("memory", MEMORY), list[list[Trial]]()

    def work(who: int) -> None:
        made: list[int] = []

        def slow(number: int, point: Point, stop: Stop) -> Found:
            made.append(number)
            if who < len(plan) and len(made) == plan[who][1] + 1:
                work(who + 1)
                if plan[who][0]:
                    raise Halt
            return make(by)(number, point, stop)

        with suppress(Halt):
            found.append(run(by, TINY, slow, "study", storage))

    work(0)
    assert found
    assert all(one == found[0] for one in found)
    assert found[0] == searched(by, space=TINY)


def test_workers_take_what_nobody_has_and_wait_for_nobody() -> None:
    by, storage = small("grid").model_copy(update={"batch": 3}), open_storage("memory", MEMORY)
    inner: list[int] = []

    def leaves(number: int, point: Point, stop: Stop) -> Found:
        if number == 3:
            raise Halt
        return make(by, inner)(number, point, stop)

    def slow(number: int, point: Point, stop: Stop) -> Found:
        if number == 0:
            with pytest.raises(Halt):
                run(by, TINY, leaves, "study", storage)
        return make(by)(number, point, stop)

    found = run(by, TINY, slow, "study", storage)
    assert inner == [1, 2, 0], "first what nobody has claimed, then what another has"
    kept = optuna.load_study(study_name="study", storage=storage).trials
    assert sorted(one.state.name for one in kept) == ["COMPLETE"] * len(found) + ["FAIL"] * 2
    assert found == searched(by, space=TINY)


def test_qmc_fills_the_range_evenly() -> None:
    free = Space((Axis("confidence", Range(low=0, high=1)),), PLAIN)
    points = [point for _, point in Draws(small("qmc", trials=17), free).batch()][1:]
    assert {int(float(point["confidence"]) * 16) for point in points} == set(range(16))


def test_a_killed_process_leaves_a_study_that_goes_on(tmp_path: Path) -> None:
    by = small("tpe", seed=3, trials=12, windows=2)
    killed = _start(tmp_path, by, tmp_path, kill=7)
    _, said = killed.communicate(timeout=120)
    assert killed.returncode == -signal.SIGKILL, said.decode()
    tried: list[int] = []
    found = run(by, SPACE, make(by, tried), "study", open_storage("journal", tmp_path / "a.journal"))
    assert found == searched(by)
    assert tried == [*range(8, len(found)), 7] or tried == list(range(7, len(found)))


@pytest.mark.long
def test_kills_at_any_moment_do_no_harm(tmp_path: Path) -> None:
    """Two workers, one of which is killed again and again while both write the same journal."""
    from random import Random

    by, rng = small("tpe", seed=4, trials=60, windows=2), Random(1)
    steady = _start(tmp_path / "a", by, tmp_path)
    kills = 0
    while steady.poll() is None:
        shaky = _start(tmp_path / "b", by, tmp_path)
        try:
            shaky.wait(timeout=1.0 + rng.random())
        except subprocess.TimeoutExpired:
            os.kill(shaky.pid, signal.SIGKILL)
            kills += 1
        shaky.wait()
    assert steady.returncode == 0
    assert kills, "nothing was killed"
    assert json.loads((tmp_path / "a" / "found.json").read_text()) == [_plain(one) for one in searched(by)]


def _start(folder: Path, by: SearchSettings, journal: Path, kill: int = -1) -> subprocess.Popen[bytes]:
    folder.mkdir(exist_ok=True)
    words = [sys.executable, "-m", "tests.learn.hill", str(folder), str(journal), by.model_dump_json(), str(kill)]
    return subprocess.Popen(words, stderr=subprocess.PIPE)


def _plain(one: Trial) -> dict[str, Any]:
    return json.loads(json.dumps({"number": one.number, "point": one.point, "found": one.found.document()}))


def test_a_line_that_was_cut_off_is_mended(tmp_path: Path) -> None:
    by, journal = small("tpe", seed=5, trials=6), tmp_path / "a.journal"
    run(by.model_copy(update={"trials": 4}), SPACE, make(by), "study", open_storage("journal", journal))
    with journal.open("ab") as file:
        file.write(b'{"op_code":4,"worker_id":"x')
    found = run(by, SPACE, make(by), "study", open_storage("journal", journal))
    assert run(by, SPACE, make(by), "study", open_storage("journal", journal)) == found


@pytest.mark.parametrize("garbage", [b"\xff\xfe\n", b"{no json\n", b"[1]\n", b'{"op_code":4}\n'])
def test_a_journal_that_is_damaged_in_its_middle_is_told(garbage: bytes, tmp_path: Path) -> None:
    by, journal = small("tpe", seed=5, trials=2), tmp_path / "a.journal"
    run(by, SPACE, make(by), "study", open_storage("journal", journal))
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:3], garbage, *lines[3:]]))
    with pytest.raises(BadInput, match=r"a\.journal: damaged \(.*\); remove it; its trials stay in the ledger"):
        run(by, SPACE, make(by), "study", open_storage("journal", journal))


def test_a_database_holds_the_same(tmp_path: Path) -> None:
    by = small("tpe", seed=5, trials=3)
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    storage, tried = open_storage(url, MEMORY), list[int]()
    assert run(by, SPACE, make(by), "study", storage) == searched(by)
    assert run(by, SPACE, make(by, tried), "study", storage) == searched(by)
    assert tried == []


def test_no_message_tells_a_password() -> None:
    for url, error in (
        ("postgresql+nodriver://me:se%40cret@host.example/studies?password=se%40cret", DataUnavailable),
        ("nothing://me:se@cret:pw@host.example/x", BadInput),
        ("mysql+pymysql://me:se%40cret@localhost:1/x", DataUnavailable),
        ("sqlite:////no/such/folder/se%40cret", DataUnavailable),
    ):
        with pytest.raises(error) as caught:
            open_storage(url, MEMORY)
        said = str(caught.value).replace("folder/se", "")
        assert "se%40cret" not in said
        assert "cret" not in said.replace("%40cret", "")
        assert "search.storage" in said
    with pytest.raises(DataUnavailable, match=r"the word \*\*\* here") as caught, answering("x://me:a%20b@h/y"):
        raise StorageInternalError("the word a b here")
    assert masked("postgresql://me:pw@h:1/x?a=b") == "postgresql://***@h:1/x"
    by = SearchSettings(storage="postgresql://me:pw@h/x")
    assert "pw" not in f"{by!r} {by} {by.model_dump_json()}"


def test_what_is_pruned_is_told_and_is_never_chosen() -> None:
    by = small("random", seed=2, trials=24, windows=3)
    trials = searched(by)
    pruned = [one for one in trials if one.found.status == "pruned"]
    assert 3 < len(pruned) < 20
    assert all(len(one.found.steps) < 3 and one.found.scores for one in pruned)
    assert all(one.number >= 4 for one in pruned)
    better = Trial(99, pruned[0].point, Found("pruned", (9.0,), (9.0,)))
    assert pick([*trials, better], "best_sharpe", SPACE).found.complete
    steady = by.model_copy(update={"prune": False})
    assert not any(one.found.status == "pruned" for one in searched(steady))


def test_a_trial_that_fails_does_not_end_the_search() -> None:
    for sampler in SAMPLERS:
        by = small(sampler, seed=1, trials=12)

        def fails(number: int, point: Point, stop: Stop, by: SearchSettings = by) -> Found:
            return Found.failed("no such thing") if number % 2 else make(by)(number, point, stop)

        trials = run(by, SPACE, fails, "study", open_storage("memory", MEMORY))
        assert [one.found.status for one in trials][:2] == ["complete", "failed: no such thing"]
        assert pick(trials, "best_sharpe", SPACE).number % 2 == 0
    with pytest.raises(Refused, match="no trial is complete"):
        pick([one for one in trials if one.number % 2], "best_sharpe", SPACE)


def test_a_study_of_other_points_is_refused() -> None:
    storage, by = open_storage("memory", MEMORY), small("random", seed=1, trials=4)
    run(by, SPACE, make(by), "study", storage)
    with pytest.raises(Refused, match="another version of Optuna"):
        run(by.model_copy(update={"seed": 2}), SPACE, make(by), "study", storage)


def test_a_grid_is_every_point_once() -> None:
    trials = searched(small("grid", trials=60))
    assert len(trials) == 3 * 5 * 4 == len({json.dumps(one.point) for one in trials})
    with pytest.raises(BadInput, match=r"confidence 3 x stop_atr 5 x model\.depth 4 has 60 points"):
        searched(SearchSettings(sampler="grid", trials=59))
    free = Space((Axis("confidence", Range(low=0.6, high=0.8)),), PLAIN)
    with pytest.raises(BadInput, match=r"search\.confidence: a grid needs a step"):
        Draws(SearchSettings(sampler="grid"), free)


thousandths = st.integers(0, 10_000).map(lambda one: one / 1000)


@settings(max_examples=100)
@given(low=thousandths, wide=thousandths, step=st.none() | thousandths.filter(bool), seed=st.integers(0, 99))
def test_draws_lie_in_their_range_and_on_its_steps(low: float, wide: float, step: float | None, seed: int) -> None:
    axis = Axis("confidence", Range(low=low, high=round(low + wide, 3), step=step))
    draws = Draws(small("random", seed=seed, trials=5), Space((axis,), PLAIN))
    for _, point in draws.batch():
        value = float(point["confidence"])
        assert low - 1e-9 <= value <= low + wide + 1e-9
        assert 0 <= axis.scaled(value) <= 1 + 1e-9
        if step is not None:
            assert abs((value - low) / step - round((value - low) / step)) < 1e-6
            assert any(abs(float(one) - value) < 1e-9 for one in axis.values())


# The rules.

scores = st.floats(-3, 3).map(lambda one: round(one, 1))
falls = st.floats(0, 1).map(lambda one: round(one, 1))


@settings(max_examples=200)
@given(
    found=st.lists(st.tuples(scores, falls, st.floats(0, 1), st.sampled_from((0.6, 0.7, 0.8))), min_size=1, max_size=30)
)
def test_a_rule_picks_from_the_front(found: list[tuple[float, float, float, float]]) -> None:
    trials = [
        Trial(number, _point(confidence), Found("complete", (score, fall), (score,), {"error": error}))
        for number, (score, fall, error, confidence) in enumerate(found)
    ]
    here = front(trials)
    for one in trials:
        better = [
            two
            for two in trials
            if two.score >= one.score
            and two.found.scores[1] <= one.found.scores[1]
            and two.found.scores != one.found.scores
        ]
        assert (one in here) == (not better)
    best = pick(trials, "best_sharpe", SPACE)
    near = pick(trials, "one_error", SPACE)
    assert {best.number, near.number, pick(trials, "knee", SPACE).number} <= {one.number for one in here}
    assert best.score == max(one.score for one in trials)
    assert near.score >= best.score - best.found.told["error"]
    assert near.found.scores[1] <= best.found.scores[1]


def _point(confidence: float, stop: float = 1.0, depth: int = 3) -> Point:
    return {"confidence": confidence, "stop_atr": stop, "model.depth": depth}


def _of(*scored: tuple[float, float], error: float = 0.5) -> list[Trial]:
    return [
        Trial(number, _point(0.6), Found("complete", one, (one[0],), {"error": error}))
        for number, one in enumerate(scored)
    ]


def test_each_rule_by_hand() -> None:
    trials = _of((2.0, 0.30), (1.6, 0.10), (1.4, 0.02), (0.1, 0.01), (1.0, 0.20))
    assert [one.number for one in front(trials)] == [0, 1, 2, 3]
    assert pick(trials, "best_sharpe", SPACE).number == 0
    assert pick(trials, "one_error", SPACE).number == 1
    assert pick(trials, "knee", SPACE).number == 2


def test_ties_go_to_the_most_careful_choice() -> None:
    trials = searched(small("random", trials=50), height=lambda _: 0.0)
    best = pick(trials, "best_sharpe", SPACE)
    assert best.point["confidence"] == max(one.point["confidence"] for one in trials)
    assert careful({"confidence": 0.7, "risk": 0.01}) > careful({"confidence": 0.7, "risk": 0.02})


# What the search tells of itself.


def test_the_axis_that_matters_is_told() -> None:
    trials = searched(small("random", trials=80), height=lambda point: -abs(float(point["stop_atr"]) - 2))
    found = importance(trials, SPACE)
    assert list(found) == ["confidence", "stop_atr", "model.depth"]
    assert found["stop_atr"] > 0.8
    assert sum(found.values()) == pytest.approx(1)
    assert importance(trials[:5], SPACE) == {}


def test_a_lonely_peak_is_told_from_a_plateau() -> None:
    by = small("grid", trials=60)
    top = _point(0.7, 2.0, 4)
    steep = searched(by, height=lambda point: 2.0 if point == top else 0.1)
    broad = searched(by, height=lambda point: 2.0 - hill(point))
    for trials, lonely in ((steep, True), (broad, False)):
        best = pick(trials, "best_sharpe", SPACE)
        found = plateau(trials, best, SPACE)
        assert found.lonely is lonely, found
        assert found.neighbours >= 2 * len(SPACE.axes)
    alone = plateau(steep[:1], steep[0], SPACE)
    assert (alone.lonely, alone.around) == (True, None)


# What is drawn.

WHAT = {"name": "s", "symbol": "MES", "source": "import", "interval": "1m", "start": "2021-01-04"}
ALL = ("confidence", "stop_atr", "reward_to_risk", "stop_ticks", "target_ticks", "risk")


@pytest.mark.parametrize(
    ("labels", "policy", "varies"),
    [
        ("direction", {}, {"confidence", "stop_atr", "reward_to_risk"}),
        ("direction", {"stop": {"kind": "fixed"}}, {"confidence", "stop_ticks", "reward_to_risk"}),
        ("direction", {"stop": {"kind": "fixed"}, "target_ticks": 12}, {"confidence", "stop_ticks", "target_ticks"}),
        ("direction", {"target_ticks": 12}, {"confidence", "stop_atr", "target_ticks"}),
        ("barrier", {}, {"confidence"}),
        ("barrier", {"stop": {"kind": "label"}}, {"confidence"}),
        ("barrier", {"stop": {"kind": "atr"}}, {"confidence", "stop_atr", "reward_to_risk"}),
    ],
)
def test_only_what_the_trades_depend_on_is_drawn(labels: str, policy: dict[str, Any], varies: set[str]) -> None:
    lane = Lane.model_validate(WHAT | {"labels": {"kind": labels}, "policy": policy})
    assert set(drawn(lane)) == varies
    plain = default_choice(lane)
    assert rules(lane, plain) == rules(lane)
    other = {"confidence": 0.66, "stop_atr": 2.5, "reward_to_risk": 2.5, "stop_ticks": 5, "target_ticks": 9}
    for name, value in other.items():
        changed = rules(lane, space(lane).choice({name: value}))
        acts = name in varies or (name == "target_ticks" and "reward_to_risk" in varies)
        row = changed[0]
        by_stop = {"stop_atr": row["stop_kind"] == 0, "stop_ticks": row["stop_kind"] == 1}
        if name in varies:
            assert changed != rules(lane), name
        elif not acts and by_stop.get(name, True) and name != "reward_to_risk":
            assert changed == rules(lane), name


def test_risk_is_drawn_where_it_can_cut_a_size() -> None:
    def lane(low: float, **risk: object) -> Lane:
        span = {"low": low, "high": 0.03, "step": 0.005}
        return Lane.model_validate(WHAT | {"search": {"risk": span}, "risk": risk})

    assert drawn(lane(0.01)) == ("confidence", "stop_atr", "reward_to_risk", "risk")
    found = space(lane(0.01)).choice({"confidence": 0.6, "stop_atr": 1.5, "reward_to_risk": 2.0, "risk": 0.01})
    assert rules(lane(0.01), found)["per_trade_cents"][0] == 1000
    with pytest.raises(BadInput, match=r"search\.risk: 0\.01 of the capital pays for the largest size"):
        space(lane(0.01, capital=100_000))


@pytest.mark.parametrize(
    ("search", "words"),
    [
        ({"model": {"threads": [1, 2]}}, r"model\.threads: not a key that the search may draw"),
        ({"model": {"seed": [1, 2]}}, r"model\.seed: not a key"),
        ({"model": {"depth": [3, 0]}}, r"model\.depth: 0: "),
        ({"model": {"depth": [3, 3]}}, r"model\.depth: give at least one value, each once"),
        ({"objectives": ["drawdown"]}, r"objectives: write \[sharpe\] or"),
        ({"rule": "knee"}, "rule: knee weighs sharpe against drawdown"),
        ({"prune": True}, "prune: with one window"),
        ({"storage": "file.db"}, "storage: write journal, memory or"),
        ({"stop_ticks": {"low": 4, "high": 8.5}}, "stop_ticks: whole ticks only"),
        ({"risk": {"low": 1, "high": 3}}, "risk: a share of the capital"),
    ],
)
def test_settings_that_contradict_are_refused(search: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        SearchSettings(**search)


def test_a_target_in_ticks_needs_exits_of_the_policy() -> None:
    with pytest.raises(ValueError, match=r"policy\.target_ticks: the label's barriers place the target"):
        Lane.model_validate(WHAT | {"labels": {"kind": "barrier"}, "policy": {"target_ticks": 12}})
    near = {"stop": {"kind": "fixed", "fixed_ticks": 8}, "target_ticks": 8, "partial": 0.5}
    with pytest.raises(ValueError, match=r"policy\.partial: .* the target is at 1 stops already"):
        Lane.model_validate(WHAT | {"policy": near})
    lane = Lane.model_validate(WHAT | {"policy": {"target_ticks": 12}})
    sets = rule_sets(lane, {"policy.target_ticks": [6, 24], "risk.per_trade": [0.01, 0.02]})
    searched = Choice(0.7, 1.0, 1.5, target_ticks=9, risk=0.03)
    rows = [rules(one.lane, one.choice(searched))[0] for one in sets]
    found = [(row["target_fixed"], row["per_trade_cents"]) for row in rows]
    assert found == [(6, 1000), (6, 2000), (24, 1000), (24, 2000)]
    assert rules(lane, searched)["target_fixed"] == 9


def test_the_numbers_of_a_choice() -> None:
    lane = Lane.model_validate(WHAT)
    assert default_choice(lane).numbers() == {"confidence": 0.6, "stop_atr": 1.5, "reward_to_risk": 2.0}
    whole = Choice(0.7, 1.0, 1.5, stop_ticks=6, target_ticks=9, risk=0.02)
    assert Choice(**whole.numbers()) == whole
    fixed = Lane.model_validate(WHAT | {"policy": {"stop": {"kind": "fixed"}}})
    row = rules(fixed, whole)[0]
    assert (row["stop_fixed"], row["target_fixed"], row["per_trade_cents"]) == (6, 9, 2000)


def test_it_is_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    for sampler in SAMPLERS:
        searched(small(sampler, trials=5, two=True))
    assert capfd.readouterr() == ("", "")


def test_every_key_stands_in_the_docs() -> None:
    page = (Path(__file__).parents[2] / "docs" / "search.md").read_text()
    found = dict(re.findall(r"^\| `search\.(\w+)` \| ([^|]+) \|", page, re.MULTILINE))
    assert set(found) == set(SearchSettings.model_fields)
    for name, told in found.items():
        match getattr(SearchSettings(), name):
            case Range() as span:
                assert told == f"{span.low:g} to {span.high:g}, step {span.step:g}"
            case None | {}:
                assert told == "none"
            case bool() as flag:
                assert told == str(flag).lower()
            case tuple() as several:
                assert told == ", ".join(several)
            case value:
                assert told == str(value)
