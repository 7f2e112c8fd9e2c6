"""Grids: a set is what a single simulation of it is, bit for bit, however many sets and threads there are."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest

from scalper.errors import BadInput
from scalper.features import AUX
from scalper.market import BAR, session
from scalper.policy import MINUTES, NORM, PREDICTION, Choice
from scalper.settings import Lane
from scalper.simulate import SessionInput, no_predictions, simulate
from scalper.simulate.grid import Grid, around, evaluate, grid
from scalper.simulate.metrics import sharpe
from scalper.simulate.rule_sets import RuleSet, rule_sets

DAYS = [date(2021, 7, 14), date(2021, 7, 15), date(2021, 7, 16)]
CHOICES = [Choice(0.60, 1.0, 1.5), Choice(0.60, 1.0, 1.5), Choice(0.66, 1.5, 2.0)]


def lane(**changes: Any) -> Lane:
    fixed = {"name": "hand", "symbol": "MES", "source": "import", "interval": "1m", "start": "2021-01-04"}
    return Lane(**fixed | {"labels": {"horizon": 12}, "risk": {"capital": 3000}} | changes)


BY = lane()


def made(number: int, *, jump: int = 0, minutes: int = 150) -> SessionInput:
    """A random walk over the last regular hours, opening a `jump` away each sixth minute; predictions are guesses."""
    day, random = session("MES", DAYS[number]), np.random.default_rng(number)
    steps = random.integers(-6, 7, minutes)
    jumps = jump * random.choice([-1, 1], minutes) * (np.arange(minutes) % 6 == 5)
    close = 16_000 + np.cumsum(steps + jumps)
    bars = np.zeros(minutes, BAR)
    bars["ts_ns"] = day.ny(14, 0) + np.arange(minutes) * 60_000_000_000
    bars["open"], bars["close"] = close - steps, close
    bars["high"] = np.maximum(bars["open"], close) + random.integers(0, 4, minutes)
    bars["low"] = np.minimum(bars["open"], close) - random.integers(0, 4, minutes)
    bars["volume"] = random.integers(5, 200, minutes)
    aux = np.zeros(minutes, AUX)
    aux["volatility_ticks"] = random.uniform(2, 9, minutes)
    sure, side = random.uniform(0.34, 0.95, minutes), random.choice([-1, 1], minutes)
    rest = (1 - sure) / 2
    asked = np.zeros(minutes, PREDICTION)
    asked["up"], asked["down"] = np.where(side > 0, sure, rest), np.where(side < 0, sure, rest)
    asked["flat"], asked["move_ticks"], asked["volatility_ticks"] = rest, side * 20.0, aux["volatility_ticks"]
    asked["valid"] = 1
    norms = np.zeros(MINUTES, NORM)
    norms["volatility_ticks"], norms["volume"] = 5.0, 100.0
    fold = 0 if number < 2 else 1
    return SessionInput(DAYS[number], "MESU21", bars, aux, asked, BY.timetable(day), norms, fold, CHOICES[number])


INPUTS = [made(number) for number in range(3)]
AXES: dict[str, list[object]] = {
    "policy.confidence": [0.6, 0.7],
    "policy.stop.atr_multiple": [1.0, 2.0],
    "simulation.latency_bars": [0, 2],
    "simulation.risk": ["carry", "reset"],
    "policy.end_of_day.flat": ["15:30", "16:30"],
}


def alone(one: RuleSet, inputs: list[SessionInput]) -> tuple[list[int], list[int], int, str]:
    """What simulate() gives for a set: net and trades a session, deepest fall, what stopped it."""
    mine = [
        replace(ready, choice=one.choice(ready.choice), timetable=one.lane.timetable(session("MES", ready.date)))
        for ready in inputs
    ]
    found = simulate(one.lane, mine)
    deepest = max(int(account["deepest_cents"][0]) for account in found.accounts)
    flags = [name for name in ("kill", "firm", "review") if any(account[name][0] for account in found.accounts)]
    net = [ready.cash_after - ready.cash_before for ready in found.sessions]
    return net, [ready.trades.size for ready in found.sessions], deepest, next(iter(flags), "")


def told(found: Grid, i: int) -> tuple[list[int], list[int], int, str]:
    return (
        found.net_cents[i].tolist(), found.trades[i].tolist(), int(found.drawdown_cents[i]), found.stopped[i],
    )  # fmt: skip


def test_a_set_is_a_simulation_bit_for_bit() -> None:
    sets = rule_sets(BY, AXES)
    found = grid(BY, sets, INPUTS, threads=2)
    assert found.net_cents.shape == found.trades.shape == (32, 3)
    for i, one in enumerate(sets):
        assert told(found, i) == alone(one, INPUTS), one.name
    assert len({found.net_cents[i].tobytes() for i in range(32)}) > 12, "the axes make a difference"
    assert found.trades.sum() > 100


def test_what_stops_an_account_is_told() -> None:
    limits = {"account_drawdown": 0.03, "day_loss": 0.026, "day_drawdown": 0.03, "per_trade": 0.02}
    by = lane(risk={"capital": 3000} | limits)
    sets = rule_sets(by, {"simulation.risk": ["carry", "reset"], "risk.kill": [0.0261, 0.3]})
    inputs = [made(number, jump=60) for number in range(3)]
    found = grid(by, sets, inputs)
    for i, one in enumerate(sets):
        assert told(found, i) == alone(one, inputs), one.name
    assert set(found.stopped) == {"kill", "review"}
    stopped = found.stopped.index("review")
    assert found.halts[stopped] > 0
    assert found.frame()["stopped"].to_list() == list(found.stopped)


def test_threads_and_company_do_not_change_a_result() -> None:
    sets = rule_sets(BY, {key: AXES[key] for key in ("policy.confidence", "policy.stop.atr_multiple")})
    one, three = (grid(BY, sets, INPUTS, threads=threads) for threads in (1, 3))
    for name in ("net_cents", "trades", "drawdown_cents", "halts"):
        assert getattr(one, name).tobytes() == getattr(three, name).tobytes()
    last = grid(BY, sets[-1:], INPUTS)
    assert told(last, 0) == told(one, len(sets) - 1)


@pytest.mark.kernel
def test_a_choice_of_the_search() -> None:
    inputs = [made(number, minutes=40) for number in range(2)]
    for choice in (Choice(0.6, 1.0, 1.5), Choice(0.7, 2.0, 2.0)):
        net, trades = evaluate(BY, inputs, choice)
        found = simulate(BY, [replace(one, choice=choice) for one in inputs])
        assert net.tolist() == [one.cash_after - one.cash_before for one in found.sessions]
        assert trades == sum(one.trades.size for one in found.sessions) > 0


def test_a_fold_keeps_what_is_not_varied() -> None:
    (low, high) = rule_sets(BY, {"policy.confidence": [0.6, 0.7]})
    searched = Choice(0.65, 2.5, 3.0)
    assert low.choice(searched) == Choice(0.6, 2.5, 3.0)
    assert high.choice(None) == Choice(0.7, 1.5, 2.0)
    (whole,) = rule_sets(BY, {"policy.stop": [{"atr_multiple": 2.0}]})
    assert whole.choice(searched) == Choice(0.65, 2.0, 3.0)


def test_a_session_without_bars_is_flat() -> None:
    idle = replace(INPUTS[1], bars=np.empty(0, BAR), aux=np.empty(0, AUX), predictions=no_predictions(0), contract="")
    found = grid(BY, rule_sets(BY, {}), [INPUTS[0], idle, INPUTS[2]])
    assert (found.net_cents[0, 1], found.trades[0, 1]) == (0, 0)
    assert grid(BY, rule_sets(BY, {}), []).frame()["trades"].to_list() == [0]


def test_the_frame_has_a_row_a_set() -> None:
    axes: dict[str, list[object]] = {"policy.stop.kind": ["atr", "fixed"], "policy.max_trades": [2, 9]}
    found = grid(BY, rule_sets(BY, axes), INPUTS)
    frame = found.frame()
    assert frame.columns == ["set", *axes, "net", "sharpe", "trades", "drawdown", "halts", "stopped"]
    assert frame.select("set", *axes).rows() == [(1, "atr", 2), (2, "atr", 9), (3, "fixed", 2), (4, "fixed", 9)]
    for i, row in enumerate(frame.to_dicts()):
        net = found.net_cents[i] / 100
        assert (row["net"], row["sharpe"]) == (pytest.approx(net.sum()), sharpe(net / 3000))


def test_memory_grows_with_bars_not_with_sets() -> None:
    """The grid keeps less than a decision a bar would need, for a hundred sets and for ten."""

    def most(count: int) -> int:
        sets = rule_sets(BY, {"policy.confidence": [0.5 + i / 1000 for i in range(count)]})
        tracemalloc.start()
        grid(BY, sets, INPUTS[:1])
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    few, many = most(10), most(60)
    assert (many - few) / 50 < 150 * 60, "a set costs less than 60 bytes a bar: its account, book and rules"


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        ({"policy.confidence": [0.6, 0.8]}, r"set 2 \(policy.confidence 0.8\): key `policy`: reverse_confidence"),
        ({"policy.max_trades": [1], "policy.confidence": [2]}, r"set 1 \(.*: key `policy.confidence`: .* less than 1"),
        ({"policy.confidnce": [0.6]}, r"key `policy.confidnce`: unknown key; did you mean `confidence`"),
        ({"policy.confidence.far": [1]}, r"key `policy.confidence.far`: it stands below a key that is no section"),
        ({"policy.confidence": []}, r"key `policy.confidence`: give at least one value, each once"),
        ({"policy.confidence": [0.6, 0.60]}, r"key `policy.confidence`: give at least one value, each once"),
        ({"features.atr": [7, 14]}, r"key `features.atr`: a grid varies policy, risk, simulation"),
        ({"policy.stale_s": [30, 60]}, r"key `policy.stale_s`: a grid varies"),
        ({"risk.account": ["a", "b"]}, r"key `risk.account`: changes nothing in this lane"),
    ],
)  # fmt: skip
def test_contradictions_are_refused(axes: dict[str, list[object]], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        rule_sets(BY, axes)


def test_a_key_that_changes_nothing_is_refused() -> None:
    """In a lane whose exits are the label's barriers the policy's own stop is never used."""
    barriers = lane(labels={"kind": "barrier", "horizon": 12})
    axes: dict[str, list[object]] = {"policy.confidence": [0.6, 0.7], "policy.stop.atr_multiple": [1.0, 2.0]}
    with pytest.raises(BadInput, match=r"key `policy.stop.atr_multiple`: changes nothing in this lane"):
        rule_sets(barriers, axes)
    assert len(rule_sets(barriers, axes | {"policy.stop.kind": ["label", "atr"]})) == 8


def test_a_variable_that_would_win_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCALPER_LANE__POLICY__CONFIDENCE", "0.6")
    with pytest.raises(BadInput, match=r"variable SCALPER_LANE__POLICY__CONFIDENCE sets it and would win"):
        rule_sets(BY, {"policy.confidence": [0.6, 0.7]})


def test_neighbours() -> None:
    values = np.array([[1.0, 2.0, 3.0], [4.0, 50.0, 6.0], [7.0, 8.0, 9.0]])
    near = around(values)
    assert near[1, 1] == 5.0  # the peak stands alone: (1 + 2 + 3 + 4 + 6 + 7 + 8 + 9) / 8
    assert near[0, 0] == (2 + 4 + 50) / 3
    assert around(np.array([1.0, 5.0, 9.0])).tolist() == [5.0, 5.0, 5.0]
    assert np.isnan(around(np.array([1.0]))).all()
    assert np.isnan(around(np.float64(3.0).reshape(()))).all()
