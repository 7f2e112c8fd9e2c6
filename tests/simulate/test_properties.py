"""Laws that hold on any session: money is conserved, nothing is open without a stop, nothing looks ahead."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalper.market import BAR
from scalper.policy import DECISION, FILL, PREDICTION, TRADE, Action, Reason, Role, open_account, rules
from scalper.policy.kernel import on_fill, open_session, step
from scalper.settings import Lane
from scalper.simulate.kernel import BOOK, MAX_FILLS, advance, close_out, submit
from scalper.simulate.session import market
from tests.policy.support import DAY, MINUTE, P, Played, lane, play, with_cash

LANES = [
    lane(labels={"horizon": 8}, hours="all"),
    lane(labels={"horizon": 8}, hours="all", simulation={"latency_bars": 1}),
    lane(labels={"horizon": 12}, hours="all", simulation={"mode": "optimistic"}),
    lane(labels={"horizon": 12}, interval="1s", simulation={"latency_bars": 2}),
]
CASH = (72_000, 100_000, 100_001, 160_000, 400_000)


@dataclass(frozen=True, slots=True)
class Case:
    """A session to be played: the lane, the cash it starts with, bars and predictions."""

    by: Lane
    cash: int
    bars: np.ndarray
    forecast: np.ndarray

    def play(self, upto: int | None = None) -> Played:
        """Play the first bars, or all of them."""
        return play(self.bars[:upto], self.forecast[:upto], self.by, account=with_cash(self.cash))


def walk(rng: np.random.Generator, n: int, step_ns: int, start_ns: int, gaps: float) -> np.ndarray:
    """A random walk in ticks whose opens sometimes jump; seconds may be carried, minutes missing."""
    made = np.zeros(n, BAR)
    price = P
    for row in made:
        row["open"] = price + (int(rng.integers(-25, 26)) if rng.random() < gaps else int(rng.integers(-1, 2)))
        path = row["open"] + np.cumsum(rng.integers(-3, 4, 6))
        row["close"], price = path[-1], int(path[-1])
        row["high"], row["low"] = max(path.max(), row["open"]), min(path.min(), row["open"])
    made["volume"] = 10
    kept = rng.random(n) > 0.05
    kept[0] = True
    made["ts_ns"] = start_ns + np.arange(n) * step_ns
    if step_ns >= MINUTE:
        return made[kept]
    for index in np.flatnonzero(~kept):
        for name in ("open", "high", "low", "close"):
            made[name][index] = made["close"][index - 1]
        made["carried"][index], made["volume"][index] = 1, 0
    return made


def random_forecast(rng: np.random.Generator, n: int) -> np.ndarray:
    """Confident predictions of any side, some of them none."""
    made = np.zeros(n, PREDICTION)
    made["valid"] = rng.random(n) > 0.05
    side = rng.choice([-1, 0, 1], n)
    confidence = rng.uniform(0.55, 1.0, n)
    for name, of in (("down", -1), ("flat", 0), ("up", 1)):
        made[name] = np.where(side == of, confidence, (1 - confidence) / 2)
    made["move_ticks"] = side * rng.uniform(3.0, 30.0, n)
    made["volatility_ticks"] = rng.uniform(1.0, 14.0, n)
    made["move_ticks"][rng.random(n) < 0.02] = np.nan
    return made


@st.composite
def cases(draw: st.DrawFn, gaps: float = 0.03) -> Case:
    """A lane, cash, and up to 240 bars that end after the flat time, or earlier."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    by = LANES[draw(st.integers(0, len(LANES) - 1))]
    n = draw(st.integers(1, 240))
    after = draw(st.sampled_from([-400, 5, 25]))
    start = DAY.ny(16, 30) + after * MINUTE - n * by.interval_ns
    if by.interval == "1s":
        start = DAY.ny(10, 0)
    made = walk(rng, n, by.interval_ns, start, gaps)
    return Case(by, draw(st.sampled_from(CASH)), made, random_forecast(rng, made.size))


MANY = settings(max_examples=150)


@MANY
@given(cases())
def test_money_is_conserved_to_the_cent(case: Case) -> None:
    found = case.play()
    rows = found.trades
    assert found.cash == case.cash + rows["net_cents"].sum()
    assert (rows["net_cents"] == rows["gross_cents"] - rows["slippage_cents"] - rows["commission_cents"]).all()
    points = rows["side"] * (rows["exit"] - rows["entry"])
    assert (rows["net_cents"] == (points * 125 - 84) * rows["contracts"]).all()
    assert (rows["worst"] * rows["side"] <= rows["exit"] * rows["side"]).all()
    assert (rows["best"] * rows["side"] >= rows["exit"] * rows["side"]).all()


@MANY
@given(cases())
def test_compiled_loop_is_the_live_order_of_calls(case: Case) -> None:
    """Bar by bar as the executor does it; and every entry ends in one fill or lapse, every position has its stop."""
    by, bars = case.by, case.bars
    account, book = with_cash(case.cash), np.zeros(1, BOOK)
    limits, model, table = rules(by), market(by.simulation), by.timetable(DAY)
    decisions, fills, trade = np.zeros(bars.size, DECISION), np.zeros(MAX_FILLS, FILL), np.zeros(1, TRADE)
    trades, roles, entries = [], [], 0

    def book_fills(n: int) -> None:
        for fill in fills[:n]:
            roles.append(int(fill["role"]))
            if fill["role"] == Role.ENTRY:
                assert fill["side"] * (fill["price"] - fill["stop"]) > 0, "a stop below a long, above a short"
                assert fill["side"] * (fill["target"] - fill["price"]) > 0
                assert fill["contracts"] > 0
            if on_fill(account[0], limits[0], fill, trade[0]):
                trades.append(trade[0].copy())

    open_session(account[0])
    for index in range(bars.size):
        n = advance(book[0], model[0], bars[index], table[0], fills)
        assert n == 0 or bars["carried"][index] == 0
        book_fills(n)
        assert (account["side"], account["contracts"]) == (book["side"], book["contracts"])
        step(account[0], limits[0], bars[index], case.forecast[index], table[0], decisions[index])
        submit(book[0], model[0], limits[0], decisions[index])
        entries += int(decisions["action"][index] in (Action.ENTER, Action.REVERSE))
    book_fills(close_out(book[0], model[0], bars[-1], table[0], fills))
    account["equity_cents"] = account["cash_cents"]

    assert roles.count(Role.ENTRY) + roles.count(Role.LAPSE) == entries
    assert roles.count(Role.ENTRY) == roles.count(Role.EXIT) == len(trades)
    found = case.play()
    assert decisions.tobytes() == found.decisions.tobytes()
    assert np.array(trades, TRADE).tobytes() == found.trades.tobytes()
    assert account.tobytes() == found.account.tobytes()
    assert case.play().decisions.tobytes() == found.decisions.tobytes(), "equal inputs, equal bytes"


@MANY
@given(cases(), st.data())
def test_decisions_do_not_depend_on_what_follows(case: Case, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, case.bars.size))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    bars, forecast = case.bars.copy(), case.forecast.copy()
    for name in ("open", "high", "low", "close"):
        bars[name][cut:] += int(rng.integers(-200, 200))
    forecast[cut:] = random_forecast(rng, forecast.size - cut)
    found, other = case.play(), play(bars, forecast, case.by, account=with_cash(case.cash))
    assert found.decisions[:cut].tobytes() == other.decisions[:cut].tobytes()
    assert case.play(cut).decisions.tobytes() == found.decisions[:cut].tobytes()


@MANY
@given(cases())
def test_time_limits(case: Case) -> None:
    """Every minute traded: nothing fills after the flat time, no entry is decided in the last quarter before it."""
    table = case.by.timetable(DAY)
    found = case.play()
    decided = found.decisions["ts_ns"][np.isin(found.decisions["action"], (Action.ENTER, Action.REVERSE))]
    assert (decided < table["no_entry_ns"][0]).all()
    entered = found.trades["entry_ns"]
    # the minute after the last decision may be missing, so an entry may be a bar and its latency late, never more
    assert (entered < table["no_entry_ns"][0] + 2 * MINUTE).all()
    rows = found.trades
    late = rows[rows["exit_ns"] > table["flat_ns"][0]]
    whole = (np.diff(case.bars["ts_ns"]) == case.by.interval_ns).all()
    assert not (whole and late.size), "late only where bars are missing"


@MANY
@given(cases())
def test_sizes_and_counts(case: Case) -> None:
    found = case.play()
    asked = found.decisions[np.isin(found.decisions["action"], (Action.ENTER, Action.REVERSE))]
    worst = (asked["stop_ticks"] * 125 + 125 + 84) * asked["contracts"]
    assert (worst <= 2_500).all()
    assert ((asked["stop_ticks"] >= 4) & (asked["stop_ticks"] <= 16)).all()
    assert (asked["confidence"] >= 0.60).all()
    assert (asked["contracts"] <= 5).all()
    assert found.trades.size <= 10
    assert found.decisions.size == case.bars.size


@MANY
@given(cases(gaps=0.0))
def test_a_session_loses_five_per_cent_only_through_gaps(case: Case) -> None:
    """Every cent beyond $50 is explained: an open beyond a stop, or beyond the close that decided a reversal."""
    found = case.play()
    step_ns, late = case.by.interval_ns, int(case.by.simulation.latency_bars)
    excess = 0
    for row in found.trades:
        beyond = 0
        if row["reason"] == Reason.STOP:
            beyond = row["side"] * (row["stop"] - row["exit"]) - 1
        if row["reason"] == Reason.REVERSAL:
            decided = np.searchsorted(case.bars["ts_ns"], row["exit_ns"] - late * step_ns) - 1
            beyond = row["side"] * (case.bars["close"][decided] - row["exit"]) - 1
        excess += max(int(beyond), 0) * 125 * int(row["contracts"])
    assert case.cash - found.cash < 5_000 + max(excess, 1)


def test_a_random_strategy_loses_its_costs() -> None:
    """On a walk without drift the mean trade loses commission and slippage; seeded, within four errors and a tick."""
    rng = np.random.default_rng(11)
    nets, costs = [], []
    for _ in range(150):
        made = walk(rng, 330, MINUTE, DAY.ny(10, 0), 0.0)
        signals = random_forecast(rng, made.size)
        found = play(made, signals, LANES[0], account=open_account(lane(risk={"capital": 5000})))
        nets += (found.trades["net_cents"] / found.trades["contracts"]).tolist()
        costs += (
            (found.trades["commission_cents"] + found.trades["slippage_cents"]) / found.trades["contracts"]
        ).tolist()
    mean, error = float(np.mean(nets)), float(np.std(nets) / np.sqrt(len(nets)))
    assert len(nets) > 500
    assert mean < 0
    assert mean == pytest.approx(-float(np.mean(costs)), abs=4 * error + 125)
