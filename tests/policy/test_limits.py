"""Every limit of the account at its cent, with the value and the bound that the decision gives."""

from __future__ import annotations

import pytest

from scalper.policy import Action, Gate, Reason, rules, trace
from tests.policy.support import DAY, P, decide, holding, lane, norms, with_cash

pytestmark = pytest.mark.kernel
LONG = (1, 0.75)


@pytest.mark.parametrize(
    ("fields", "gate", "value", "bound"),
    [
        ({"cash_cents": 95_000}, Gate.DAY_LOSS, 50.0, 50.0),
        ({"session_peak_cents": 107_600}, Gate.DAY_DRAWDOWN, 76.0, 75.0),
        ({"peak_cents": 120_050}, Gate.REVIEW, 200.5, 200.0),
        ({"deposits_cents": 30_001}, Gate.KILL, 300.01, 300.0),
        ({"kill": 1}, Gate.KILL, 0.0, 300.0),
        ({"review": 1}, Gate.REVIEW, 0.0, 200.0),
        ({"day_halt": int(Gate.DAY_DRAWDOWN)}, Gate.DAY_DRAWDOWN, 0.0, 75.0),
    ],
)
def test_a_limit_says_where_the_account_stands(fields: dict[str, int], gate: Gate, value: float, bound: float) -> None:
    found = decide(with_cash(100_000, **fields), LONG)
    assert (found["action"], Gate(found["gate"]), found["value"], found["bound"]) == (Action.HOLD, gate, value, bound)
    assert trace(found) == [(gate.name.lower(), value, bound)]


@pytest.mark.parametrize(
    ("fields", "gate", "value", "bound"),
    [
        ({"cash_cents": 95_900}, Gate.LOOK_AHEAD_DAY, 50.59, 50.0),
        ({"session_peak_cents": 106_600}, Gate.LOOK_AHEAD_DRAWDOWN, 75.59, 75.0),
        ({"peak_cents": 119_100}, Gate.LOOK_AHEAD_ACCOUNT, 200.59, 200.0),
        ({"deposits_cents": 29_100}, Gate.LOOK_AHEAD_KILL, 300.59, 300.0),
    ],
)
def test_limits_look_ahead_by_the_worst_of_the_trade(
    fields: dict[str, int], gate: Gate, value: float, bound: float
) -> None:
    """One contract: 6 ticks 7.50 + a tick 1.25 + 0.84 = 9.59."""
    found = decide(with_cash(100_000, **fields), LONG)
    assert (Gate(found["gate"]), found["value"], found["bound"]) == (gate, value, bound)


def test_the_look_ahead_counts_every_contract_and_the_expected_slippage() -> None:
    """Two contracts: 19.18; at two ticks of slippage a single one: 10.84."""
    assert decide(with_cash(150_000, start_cents=153_081, session_peak_cents=153_081), LONG)["action"] == Action.ENTER
    found = decide(with_cash(150_000, start_cents=153_082, session_peak_cents=153_082), LONG)
    assert (Gate(found["gate"]), found["value"]) == (Gate.LOOK_AHEAD_DAY, 50.0)
    by = lane(policy={"market": {"times": 1.0}})
    for start, action in ((103_915, Action.ENTER), (103_916, Action.HOLD)):
        account = with_cash(100_000, start_cents=start, session_peak_cents=start)
        found = decide(account, LONG, by=by, usual=norms(4.0, 9_999.0))
        assert found["action"] == action


def test_a_deposit_is_no_profit_and_a_withdrawal_no_loss() -> None:
    """Kill: starting capital 1,000 + deposits - cash."""
    for deposits, cash, kill in (
        (50_000, 120_001, 0),
        (50_000, 120_000, 1),
        (-20_000, 50_001, 0),
        (-20_000, 50_000, 1),
    ):
        account = with_cash(cash, deposits_cents=deposits)
        decide(account, (0, 0.0))
        assert account["kill"][0] == kill, (deposits, cash)


def test_a_reset_kill_counts_from_where_it_was_reset() -> None:
    """Forgiven 310.00 at a cash of 690.00: the next kill is at 390.00; an entry looks ahead to it."""
    for cash, kill in ((39_001, 0), (39_000, 1)):
        account = with_cash(cash, forgiven_cents=31_000)
        decide(account, (0, 0.0))
        assert account["kill"][0] == kill
    by = lane(risk={"floor": 0.1})
    for cash, gate in ((39_960, Gate.PASSED), (39_959, Gate.LOOK_AHEAD_KILL)):
        assert Gate(decide(with_cash(cash, by, forgiven_cents=31_000), LONG, by=by)["gate"]) is gate


@pytest.mark.parametrize(
    ("fields", "gate"),
    [
        ({"start_cents": 104_833}, Gate.DAY_LOSS),
        ({"session_peak_cents": 107_333}, Gate.DAY_DRAWDOWN),
        ({"peak_cents": 119_833}, Gate.REVIEW),
        ({"deposits_cents": 30_000}, Gate.KILL),
    ],
)
def test_a_limit_outranks_every_signal_and_calls_off_an_entry(fields: dict[str, int], gate: Gate) -> None:
    found = decide(holding(bars_held=99, **fields), (-1, 0.99))
    assert (found["action"], found["reason"], Gate(found["gate"])) == (Action.FLATTEN, Reason.LIMIT, gate)
    waiting = with_cash(100_000, working=int(Action.ENTER), working_contracts=1)
    for name in fields:
        waiting[name] = fields[name] + (167 if name != "deposits_cents" else 0)
    found = decide(waiting, (1, 0.99))
    assert (found["action"], Gate(found["gate"]), found["contracts"]) == (Action.FLATTEN, gate, 0)


def test_the_first_limit_of_a_session_keeps_its_name_and_the_gravest_has_the_word() -> None:
    account = with_cash(100_000, day_halt=int(Gate.DAY_LOSS), session_peak_cents=108_000)
    assert Gate(decide(account, LONG)["gate"]) is Gate.DAY_LOSS
    account = with_cash(100_000, day_halt=int(Gate.DAY_LOSS), review=1)
    assert Gate(decide(account, LONG)["gate"]) is Gate.REVIEW
    account = with_cash(100_000, firm=1, review=1)
    assert Gate(decide(account, LONG)["gate"]) is Gate.FIRM
    account = with_cash(100_000, firm=1, review=1, kill=1)
    assert Gate(decide(account, LONG)["gate"]) is Gate.KILL


def test_the_deepest_drawdown_is_kept() -> None:
    account = with_cash(100_000, peak_cents=105_000)
    decide(account, (0, 0.0))
    assert account["deepest_cents"][0] == 5_000
    account["peak_cents"] = 101_000
    decide(account, (0, 0.0))
    assert account["deepest_cents"][0] == 5_000


def test_pause_and_cooldown_say_how_far_they_are() -> None:
    found = decide(with_cash(100_000, cooldown_until_ns=DAY.ny(10, 31) + 10_000_000_000), LONG)
    assert (Gate(found["gate"]), found["value"], found["bound"]) == (Gate.COOLDOWN, 20.0, 30.0)
    found = decide(with_cash(100_000, losses=4, pause_until_ns=DAY.ny(10, 32)), LONG)
    assert (Gate(found["gate"]), found["value"], found["bound"]) == (Gate.PAUSE, 4, 3)


def test_a_share_of_an_account_has_its_share_of_every_limit() -> None:
    """Half of $1,000: a day's loss of 25.00, a trade's risk of 12.50, a kill at 150.00 lost."""
    by = lane(risk={"account": "joint", "share": 0.5})
    made = rules(by)
    expected = {"capital": 50_000, "per_trade": 1_250, "day_loss": 2_500, "day_drawdown": 3_750,
                "account_drawdown": 10_000, "kill": 15_000, "floor": 35_000}  # fmt: skip
    assert {name: int(made[f"{name}_cents"][0]) for name in expected} == expected
    for start, gate in ((51_540, Gate.PASSED), (51_541, Gate.LOOK_AHEAD_DAY), (52_499, Gate.LOOK_AHEAD_DAY),
                        (52_500, Gate.DAY_LOSS)):  # fmt: skip
        account = with_cash(50_000, by, start_cents=start, session_peak_cents=50_000)
        assert Gate(decide(account, LONG, by=by)["gate"]) is gate


def test_no_limit_holds_up_an_exit() -> None:
    for fields in ({"cooldown_until_ns": DAY.ny(16, 0)}, {"pause_until_ns": DAY.ny(16, 0)}, {"trades": 10},
                   {"spread_until_ns": DAY.ny(16, 0)}, {"cash_cents": 95_900}):  # fmt: skip
        assert decide(holding(**fields), (-1, 0.65), price=P)["action"] == Action.EXIT
