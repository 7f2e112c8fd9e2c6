"""Laws that hold on any session, in lanes with every feature on in random combinations.

Money is conserved, nothing is open without a stop, nothing looks ahead, a restart changes nothing, no limit is passed
by more than what the next fill costs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scalper.policy import ACCOUNT, DECISION, FILL, TRADE, Action, Gate, Reason, Role, rules
from scalper.policy.kernel import firm_level, on_fill, open_session, step
from scalper.simulate.kernel import BOOK, MAX_FILLS, advance, close_out, submit
from scalper.simulate.session import market
from tests.policy.support import DAY, P, play
from tests.simulate.random_days import (
    HISTORIES,
    LANES,
    N_LANES,
    PRICES,
    Case,
    a_case,
    cases,
    random_aux,
    random_forecast,
)

MANY = settings(max_examples=100)
ASKS = (Action.ENTER, Action.REVERSE)
ENDS = (Action.EXIT, Action.FLATTEN)


@dataclass(slots=True)
class Tape:
    """A session bar by bar, as the executor lives it: decisions, fills, trades, and the state at each close."""

    decisions: np.ndarray
    fills: list[tuple[int, np.void]] = field(default_factory=list[tuple[int, np.void]])
    trades: list[np.void] = field(default_factory=list[np.void])
    accounts: list[np.void] = field(default_factory=list[np.void])
    books: list[np.void] = field(default_factory=list[np.void])
    final: bytes = b""


def live(case: Case, restart_at: int | None = None) -> Tape:
    """Play bar by bar; at `restart_at` account and book are saved to bytes and read back."""
    by, bars = case.by, case.bars
    account, book = case.account.copy(), np.zeros(1, BOOK)
    limits, model, table = rules(by)[0], market(by.simulation)[0], by.timetable(DAY)[0]
    fills, trade = np.zeros(MAX_FILLS, FILL), np.zeros(1, TRADE)
    tape = Tape(np.zeros(bars.size, DECISION))

    def booked(index: int, n: int) -> None:
        for fill in fills[:n]:
            tape.fills.append((index, fill.copy()))
            if on_fill(account[0], limits, fill, trade[0]):
                tape.trades.append(trade[0].copy())

    open_session(account[0], limits)
    for index in range(bars.size):
        if index == restart_at:
            account = np.frombuffer(account.tobytes(), ACCOUNT).copy()
            book = np.frombuffer(book.tobytes(), BOOK).copy()
        booked(index, advance(book[0], model, bars[index], table, fills))
        now = tape.decisions[index]
        step(account[0], limits, bars[index], case.aux[index], case.forecast[index], table, case.norms, now)
        submit(book[0], model, limits, now)
        tape.accounts.append(account[0].copy())
        tape.books.append(book[0].copy())
    booked(bars.size, close_out(book[0], model, bars[-1], table, fills))
    account["equity_cents"] = account["cash_cents"]
    tape.final = account.tobytes()
    return tape


# ----------------------------------------------------------------------- money


@MANY
@given(cases())
def test_money_is_conserved_to_the_cent(case: Case) -> None:
    found = case.play()
    rows = found.trades
    assert found.cash == case.cash + rows["net_cents"].sum()
    assert (rows["net_cents"] == rows["gross_cents"] - rows["slippage_cents"] - rows["commission_cents"]).all()
    points = rows["side"] * (rows["exit_value"] - rows["entry_value"])
    assert (rows["net_cents"] == points * 125 - 84 * rows["contracts"]).all()
    assert (rows["slippage_cents"] >= 0).all() and (rows["contracts"] > 0).all() and (rows["exits"] > 0).all()
    for row in rows:
        extremes = sorted((int(row["best"]), int(row["worst"])))
        assert extremes[0] <= row["exit_value"] / row["contracts"] <= extremes[1]


@MANY
@given(cases(), st.integers(0, 240))
def test_batch_is_bar_by_bar_is_a_restart_at_any_bar(case: Case, cut: int) -> None:
    found, tape, restarted = case.play(), live(case), live(case, cut % case.bars.size)
    for one in (tape, restarted):
        assert one.decisions.tobytes() == found.decisions.tobytes()
        assert np.array(one.trades, TRADE).tobytes() == found.trades.tobytes()
        assert one.final == found.account.tobytes()
    again = case.play()
    assert again.decisions.tobytes() == found.decisions.tobytes(), "equal inputs, equal bytes"
    assert again.account.tobytes() == found.account.tobytes()


# -------------------------------------------------------------- stops and orders


@MANY
@given(cases())
def test_no_position_without_a_resting_stop_and_stops_only_tighten(case: Case) -> None:
    tape = live(case)
    least, most = case.by.policy.stop.min_ticks, case.by.policy.stop.max_ticks
    stop, opened = 0, -1
    for account, book in zip(tape.accounts, tape.books, strict=True):
        assert (account["side"], account["contracts"]) == (book["side"], book["contracts"])
        side = int(book["side"])
        if side == 0:
            stop = 0
            continue
        assert account["stop"] == book["stop"] and account["target"] == book["target"]
        assert book["contracts"] > 0
        if stop == 0 or account["entry_ns"] != opened:  # a reversal opens in the bar that closes
            distance = side * (int(account["entry"]) - int(account["first_stop"]))
            assert least <= distance <= most
            assert account["first_stop"] == account["stop"] and side * (account["target"] - account["entry"]) > 0
        else:
            assert side * (int(book["stop"]) - stop) >= 0
        stop, opened = int(book["stop"]), int(account["entry_ns"])
    for index, fill in tape.fills:
        if fill["role"] == Role.ENTRY:
            assert fill["side"] * (fill["price"] - fill["stop"]) > 0 or tape.accounts[index - 1]["side"] == fill["side"]
        if fill["role"] == Role.AMEND:
            before = tape.accounts[index - 1]
            assert before["side"] * (fill["stop"] - before["stop"]) > 0
            assert fill["stop"] == before["stop_asked"]


@MANY
@given(cases())
def test_every_order_ends_in_exactly_one_state(case: Case) -> None:
    """An entry's contracts are all filled or lapse before the next is asked for; an exit ends the position."""
    tape = live(case)
    asked = left = 0
    exiting = False
    fills = iter([*tape.fills, (case.bars.size + 1, None)])
    at, fill = next(fills)
    for index in range(case.bars.size + 1):
        while fill is not None and at == index:
            if index < case.bars.size and case.bars["carried"][index]:
                assert fill["role"] in (Role.LAPSE, Role.AMEND)
            if fill["role"] in (Role.ENTRY, Role.LAPSE):
                left -= int(fill["contracts"])
                assert left >= 0 and fill["contracts"] > 0
            at, fill = next(fills)
        if index == case.bars.size:
            break
        account, one = tape.accounts[index], tape.decisions[index]
        if exiting and account["side"] == 0:
            exiting = False
        if one["action"] in ASKS:
            assert left == 0 and not exiting and one["contracts"] > 0
            asked, left = asked + 1, int(one["contracts"])
        if one["action"] in ENDS:
            assert not exiting
            exiting = account["side"] != 0
        assert (account["working"] == Action.HOLD) == (left == 0 and not exiting)
    assert left == 0
    roles = [int(fill["role"]) for _, fill in tape.fills]
    assert roles.count(Role.EXIT) == sum(int(row["exits"]) for row in tape.trades)
    contracts = sum(int(fill["contracts"]) for _, fill in tape.fills if fill["role"] == Role.ENTRY)
    assert contracts == sum(int(row["contracts"]) for row in tape.trades)
    assert asked >= len(tape.trades)


# ------------------------------------------------------------------------- time


@MANY
@given(cases(), st.data())
def test_decisions_do_not_depend_on_what_follows(case: Case, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, case.bars.size))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    bars, forecast, aux = case.bars.copy(), case.forecast.copy(), case.aux.copy()
    for name in PRICES:
        bars[name][cut:] += int(rng.integers(-200, 200))
    bars["volume"][cut:] = int(rng.integers(1, 500))
    forecast[cut:] = random_forecast(rng, forecast.size - cut)
    aux[cut:] = random_aux(rng, bars[cut:])
    found = case.play()
    other = play(bars, forecast, case.by, account=case.account, aux=aux, usual=case.norms)
    assert found.decisions[:cut].tobytes() == other.decisions[:cut].tobytes()
    assert case.play(cut).decisions.tobytes() == found.decisions[:cut].tobytes()


@MANY
@given(cases())
def test_time_limits(case: Case) -> None:
    """No entry is decided in the last quarter before flat; nothing fills after it where every bar is there."""
    table = case.by.timetable(DAY)
    found = case.play()
    decided = found.decisions["ts_ns"][np.isin(found.decisions["action"], ASKS)]
    assert (decided < table["no_entry_ns"][0]).all()
    late = (found.trades["exit_ns"] > table["flat_ns"][0]).any()
    whole = (np.diff(case.bars["ts_ns"]) == case.by.interval_ns).all() and not case.bars["carried"].any()
    if whole and case.by.simulation.volume_share is None and case.bars["ts_ns"][-1] >= table["flat_ns"][0]:
        assert not late


@MANY
@given(cases())
def test_sizes_and_counts(case: Case) -> None:
    found = case.play()
    asked = found.decisions[np.isin(found.decisions["action"], ASKS)]
    worst = (asked["stop_ticks"] * 125 + asked["slippage"].astype(np.int64) * 125 + 84) * asked["contracts"]
    assert (worst <= 2_500).all()
    stop = case.by.policy.stop
    assert ((asked["stop_ticks"] >= stop.min_ticks) & (asked["stop_ticks"] <= stop.max_ticks)).all()
    assert (asked["target_ticks"] > 0).all()
    assert (asked["confidence"] >= 0.60).all()
    assert (asked["contracts"] <= (case.by.risk.firm.contracts or 5)).all()
    sizes = [asked[f"n_{name}"] for name in ("confidence", "tier", "risk", "time")]
    assert all((after <= before).all() for before, after in pairwise(sizes))
    assert (asked["contracts"] <= asked["n_time"]).all()
    assert (asked["partial_contracts"] < asked["contracts"]).all()
    assert found.trades.size <= case.by.policy.max_trades
    assert found.decisions.size == case.bars.size


# ----------------------------------------------------------------------- limits


@MANY
@given(cases(gaps=0.15))
def test_a_loss_beyond_the_looked_ahead_one_is_accounted_for(case: Case) -> None:
    """After each trade the session has lost less than its limit, but for what the trade lost beyond stop and costs."""
    tape = live(case)
    limit, kill = (int(rules(case.by)[name][0]) for name in ("day_loss_cents", "kill_cents"))
    before = case.account[0]
    paid_in = int(rules(case.by)["capital_cents"][0] + before["deposits_cents"] - before["forgiven_cents"])
    entries = [(index, fill) for index, fill in tape.fills if fill["role"] == Role.ENTRY]
    cash = case.cash
    for row in tape.trades:
        index = next(at for at, fill in entries if fill["ts_ns"] == row["entry_ns"])
        decided = max(at for at in range(index) if tape.decisions["action"][at] in ASKS)
        one = tape.decisions[decided]
        worst = int(row["contracts"]) * ((int(one["stop_ticks"]) + int(one["slippage"])) * 125 + 84)
        held, cash = cash, cash + int(row["net_cents"])
        reversal = max(int(one["equity_cents"]) - held, 0)  # the exit was worse than the close that decided it
        beyond = max(-int(row["net_cents"]) - worst, 0)
        assert case.cash - cash < limit + beyond + reversal
        assert paid_in - cash < kill + beyond + reversal
        if beyond:
            entry = row["first_stop"] + row["side"] * one["stop_ticks"]
            spread = row["side"] * (row["entry_value"] - row["contracts"] * entry)
            under = row["side"] * (row["contracts"] * row["first_stop"] - row["exit_value"])
            assert beyond == 125 * int(spread + under - row["contracts"] * one["slippage"]), (
                "later fills, gaps, slippage"
            )


@MANY
@given(cases(gaps=0.15))
def test_no_limit_is_passed_by_more_than_the_worst_fill(case: Case) -> None:
    """The first close at a limit flattens: nothing is entered any more, and what is lost on top is the way out."""
    tape = live(case)
    limits, by = rules(case.by)[0], case.by
    fired = [bool(one["day_halt"] or one["kill"] or one["review"] or one["firm"]) for one in tape.accounts]
    if not any(fired):
        return
    first = fired.index(True)
    assert all(fired[first:])
    if first == 0:  # before the session's first close: the account came so
        assert tape.trades == []
        return
    assert not np.isin(tape.decisions["action"][first:], ASKS).any()
    late = int(by.simulation.latency_bars)
    traded = [at for at in range(first + 1, case.bars.size) if case.bars["carried"][at] == 0 and at > first + late]
    out = min([at for at in range(first, case.bars.size) if tape.accounts[at]["side"] == 0], default=case.bars.size)
    if by.simulation.volume_share is None:
        assert out <= (traded[0] if traded else case.bars.size)
    _excess(case, tape, limits, first, out)


def _excess(case: Case, tape: Tape, limits: np.void, first: int, out: int) -> None:
    """What was lost beyond each limit is at most the market's way from the last close before to the last fill."""
    before = tape.accounts[first - 1]
    equity = int(before["equity_cents"])
    after = tape.accounts[out] if out < case.bars.size else np.frombuffer(tape.final, ACCOUNT)[0]
    cash = int(after["cash_cents"])
    window = case.bars[first - 1 : out + 1]
    way = int(window["high"].max() - window["low"].min()) + 2 * (int(case.by.simulation.slippage_most) + 1)
    held = max(int(one["contracts"]) for one in tape.accounts[first - 1 : out + 1])
    held += max((int(fill["contracts"]) for at, fill in tape.fills if first <= at <= out), default=0)
    worst = 2 * held * (way * 125 + 84)
    assert equity - cash <= worst
    now = tape.accounts[first]
    paid_in = int(limits["capital_cents"] + now["deposits_cents"] - now["forgiven_cents"])
    lost = {
        "day_loss": int(now["start_cents"]) - cash,
        "day_drawdown": int(before["session_peak_cents"]) - cash,
        "account_drawdown": int(before["peak_cents"]) - cash,
        "kill": paid_in - cash,
    }
    for name, amount in lost.items():
        assert amount - int(limits[f"{name}_cents"]) < worst, name
    if limits["firm"]:
        assert firm_level(before, limits) - cash <= worst


@MANY
@given(cases(gaps=0.15))
def test_a_limit_fires_at_the_first_close_that_reaches_it(case: Case) -> None:
    """Reckoned once more from the equity of the closes."""
    tape = live(case)
    limits = rules(case.by)[0]
    equity = tape.decisions["equity_cents"]
    cash = np.array([int(one["cash_cents"]) for one in tape.accounts])
    before = case.account[0]
    session_peak = np.maximum.accumulate(np.maximum(equity, case.cash))
    peak = np.maximum(session_peak, before["peak_cents"])
    paid_in = limits["capital_cents"] + before["deposits_cents"] - before["forgiven_cents"]
    reached = {
        "day": (case.cash - equity >= limits["day_loss_cents"])
        | (session_peak - equity >= limits["day_drawdown_cents"]),
        "review": peak - equity >= limits["account_drawdown_cents"],
        "kill": paid_in - cash >= limits["kill_cents"],
    }
    flags = {"day": "day_halt", "review": "review", "kill": "kill"}
    for name, flag in flags.items():
        since = np.logical_or.accumulate(reached[name])
        assert since.tolist() == [bool(one[flag]) for one in tape.accounts]
    halted = [Gate.KILL, Gate.FIRM, Gate.REVIEW, Gate.DAY_LOSS, Gate.DAY_DRAWDOWN]
    flattened = tape.decisions[
        (tape.decisions["action"] == Action.FLATTEN) & (tape.decisions["reason"] == Reason.LIMIT)
    ]
    assert np.isin(flattened["gate"], halted).all()


# ---------------------------------------------------------------------- the mirror


@MANY
@given(cases(gaps=0.1))
def test_a_mirrored_market_gives_mirrored_trades(case: Case) -> None:
    found, other = case.play(), case.upside_down().play()
    for name in ("action", "gate", "reason", "contracts", "equity_cents", "stop_ticks", "target_ticks", "slippage"):
        assert found.decisions[name].tolist() == other.decisions[name].tolist(), name
    assert (found.decisions["side"] == -other.decisions["side"]).all()
    moved = found.decisions["stop"] != 0
    assert (found.decisions["stop"][moved] == 2 * P - other.decisions["stop"][moved]).all()
    rows, turned = found.trades, other.trades
    for name in ("entry_ns", "exit_ns", "contracts", "reason", "bars", "exits", "gross_cents", "net_cents"):
        assert rows[name].tolist() == turned[name].tolist(), name
    assert (rows["side"] == -turned["side"]).all()
    for name in ("entry_value", "exit_value"):
        assert (rows[name] == 2 * P * rows["contracts"] - turned[name]).all()
    for name in ("first_stop", "stop", "target", "best", "worst"):
        assert (rows[name] == 2 * P - turned[name]).all()


def test_the_random_days_have_everything_in_them() -> None:
    """A law that is never put to the test says nothing."""
    rng = np.random.default_rng(3)
    seen: dict[str, set[int]] = {"gate": set(), "action": set(), "reason": set()}
    parts = 0
    for seed in range(600):
        case = a_case(rng, LANES[seed % N_LANES], HISTORIES[seed % 8], 200, (-400, 5, 25)[seed % 3], 0.05)
        found = case.play()
        for name in ("gate", "action"):
            seen[name] |= set(found.decisions[name].tolist())
        seen["reason"] |= set(found.trades["reason"].tolist())
        parts += int((found.trades["exits"] > 1).sum())
    assert seen["action"] == set(Action)
    assert seen["reason"] == set(Reason) - {Reason.NONE}
    assert {gate.name for gate in Gate} - {Gate(code).name for code in seen["gate"]} == {"HOURS"}
    assert parts >= 5
