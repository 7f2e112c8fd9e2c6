"""What a person may do to an account: to the cent, and nothing besides."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalper.errors import BadInput, Refused
from scalper.policy import Action, Gate, rules
from scalper.policy.account import MOST_CENTS, clear_review, deposit, limits, reset_kill, withdraw
from tests.policy.support import decide, lane, opened, with_cash

pytestmark = pytest.mark.kernel
RULES = rules(lane())
"""Of a capital of $1,000: kill at $300 lost, review $200 below the peak, no entry below $700."""


def moved(before: np.ndarray, after: np.ndarray) -> dict[str, tuple[int, int]]:
    """The fields that differ."""
    names = [name for name in before.dtype.names or () if before[name][0] != after[name][0]]
    return {name: (int(before[name][0]), int(after[name][0])) for name in names}


def reviewed() -> np.ndarray:
    """$850 after a peak of $1,060: $210 below it."""
    return with_cash(85_000, peak_cents=106_000, review=1)


def killed() -> np.ndarray:
    """$690 of $1,000."""
    return with_cash(69_000, kill=1)


def test_a_cleared_review_resets_the_peak_and_nothing_else() -> None:
    before = reviewed()
    after = clear_review(before)
    assert moved(before, after) == {"review": (1, 0), "peak_cents": (106_000, 85_000)}
    assert moved(before, reviewed()) == {}, "the account that was given stays as it is"


def test_a_cleared_review_lets_the_account_trade_and_fires_again_a_fifth_of_the_capital_lower() -> None:
    account = opened(clear_review(reviewed()))
    assert decide(account, (1, 0.75))["action"] == Action.ENTER
    for cash, fires in ((65_001, 0), (65_000, 1)):
        account = clear_review(reviewed())
        account["cash_cents"] = cash
        decide(account, (0, 0.0))
        assert account["review"][0] == fires


def test_an_account_too_near_its_review_to_trade_says_so_and_can_be_cleared() -> None:
    # W is 9.59: at 190.41 below the peak the least entry would reach 200.00; at 190.40 it would not
    account = opened(with_cash(85_000, peak_cents=85_000 + 19_041))
    assert decide(account, (1, 0.75))["gate"] == Gate.LOOK_AHEAD_ACCOUNT
    assert (account["blocked"][0], account["review"][0]) == (Gate.LOOK_AHEAD_ACCOUNT, 0)
    freed = clear_review(account)
    assert moved(account, freed) == {"blocked": (Gate.LOOK_AHEAD_ACCOUNT, 0), "peak_cents": (104_041, 85_000)}
    assert decide(opened(freed), (1, 0.75))["action"] == Action.ENTER
    account["peak_cents"] = 85_000 + 19_040
    assert decide(account, (1, 0.75))["action"] == Action.ENTER and account["blocked"][0] == 0


def test_an_account_too_near_its_kill_to_trade_can_be_reset() -> None:
    account = opened(with_cash(71_000, deposits_cents=100))  # 291.00 lost
    assert decide(account, (1, 0.75))["gate"] == Gate.LOOK_AHEAD_KILL
    assert (account["blocked"][0], account["kill"][0]) == (Gate.LOOK_AHEAD_KILL, 0)
    freed = reset_kill(account, RULES)
    assert moved(account, freed) == {"blocked": (Gate.LOOK_AHEAD_KILL, 0), "forgiven_cents": (0, 29_100)}


def test_a_reset_kill_forgives_the_losses_so_far_and_nothing_else() -> None:
    before = killed()
    after = reset_kill(before, RULES)
    assert moved(before, after) == {"kill": (1, 0), "forgiven_cents": (0, 31_000)}
    assert limits(after, RULES)[0]["value"] == 0


@pytest.mark.parametrize(("cash", "fires"), [(39_001, 0), (39_000, 1)])
def test_after_a_reset_the_limit_counts_anew(cash: int, fires: int) -> None:
    account = reset_kill(killed(), RULES)
    account["cash_cents"] = cash
    decide(account, (0, 0.0))
    assert account["kill"][0] == fires


def test_a_second_reset_forgives_both() -> None:
    account = reset_kill(killed(), RULES)
    account["cash_cents"], account["kill"] = 38_000, 1
    assert moved(account, reset_kill(account, RULES)) == {"kill": (1, 0), "forgiven_cents": (31_000, 62_000)}


def test_a_review_and_a_kill_are_two_decisions() -> None:
    both = with_cash(69_000, peak_cents=100_000, review=1, kill=1)
    assert clear_review(both)["kill"][0] == 1
    assert reset_kill(both, RULES)["review"][0] == 1


def test_a_deposit_moves_no_limit() -> None:
    account = with_cash(90_000, peak_cents=100_000)
    after = deposit(account, RULES, 12_345)
    assert limits(after, RULES) == limits(account, RULES)
    assert [(one["limit"], one["value"], one["bound"]) for one in limits(after, RULES)] == [
        ("kill", 100.0, 300.0),
        ("review", 100.0, 200.0),
    ]
    assert after["cash_cents"][0] == after["equity_cents"][0] == 102_345


def test_tiers_read_the_cash_after_a_deposit() -> None:
    """$1,000 is one contract, $1,000.01 two: base 2, the market's risk allows both."""
    account = with_cash(100_000)
    assert decide(account.copy(), (1, 0.75))["contracts"] == 1
    assert decide(deposit(account, RULES, 1), (1, 0.75))["contracts"] == 2


def test_a_withdrawal_is_no_loss() -> None:
    account = with_cash(150_000, peak_cents=155_000)
    after = withdraw(account, RULES, 40_000)
    assert limits(after, RULES) == limits(account, RULES)
    decide(after, (0, 0.0))
    assert (after["kill"][0], after["review"][0], after["day_halt"][0]) == (0, 0, 0)
    assert after["deposits_cents"][0] == -40_000


@pytest.mark.parametrize(
    ("cash", "cents", "says"),
    [
        (100_000, 100_001, r"\$1,000.01 are more than the cash of \$1,000.00"),
        (100_000, 30_001, r"\$699.99 would be left .* below \$700.00; withdraw at most \$300.00"),
        (70_000, 1, r"withdraw at most \$0.00"),
    ],
)
def test_a_withdrawal_that_does_not_fit_is_refused_with_the_figure(cash: int, cents: int, says: str) -> None:
    with pytest.raises(Refused, match=says):
        withdraw(with_cash(cash), RULES, cents)


def test_a_withdrawal_may_use_what_is_there_to_the_cent() -> None:
    assert withdraw(with_cash(100_000), RULES, 30_000)["cash_cents"][0] == 70_000
    assert withdraw(with_cash(69_999), RULES, 69_999)["cash_cents"][0] == 0, "below the floor nothing trades anyhow"


TOPSTEP = lane(risk={"firm": {"profile": "topstep", "maximum_loss": 200}, "floor": 0.5})
"""Of $1,000: the firm closes at $200 below the highest cash at a session's end, from $1,200 on at $1,000."""


@pytest.mark.parametrize(("cents", "fits"), [(19_999, True), (20_000, False)])
def test_a_withdrawal_stays_above_the_level_of_a_firm(cents: int, fits: bool) -> None:
    """Of $1,150 after a peak of $1,150 the level is $950: $950.01 has to be left."""
    account, firm = with_cash(115_000, TOPSTEP), rules(TOPSTEP)
    if fits:
        after = withdraw(account, firm, cents)
        assert after["firm_peak_cents"][0] == 115_000, "the level stays where it is"
        assert limits(after, firm)[2] == {"limit": "firm", "value": 950.01, "bound": 950.0, "fired": False}
        decide(after, (0, 0.0), by=TOPSTEP)
        assert after["firm"][0] == 0
    else:
        with pytest.raises(Refused, match=r"closes the account below \$950.01; withdraw at most \$199.99"):
            withdraw(account, firm, cents)


def test_a_firm_s_account_takes_no_deposit() -> None:
    with pytest.raises(Refused, match="takes no deposits"):
        deposit(with_cash(100_000, TOPSTEP), rules(TOPSTEP), 100)


@pytest.mark.parametrize("cents", [0, -1, MOST_CENTS + 1])
def test_an_amount_that_is_none_is_refused(cents: int) -> None:
    with pytest.raises(BadInput, match=f"amount of {cents} cents"):
        deposit(with_cash(100_000), RULES, cents)
    with pytest.raises(BadInput, match=f"amount of {cents} cents"):
        withdraw(with_cash(100_000), RULES, cents)


def test_nothing_to_clear_is_refused() -> None:
    with pytest.raises(Refused, match="no review has fired"):
        clear_review(killed())
    with pytest.raises(Refused, match="kill switch has not fired"):
        reset_kill(reviewed(), RULES)


CHANGES: list[Callable[[np.ndarray], np.ndarray]] = [
    clear_review,
    lambda account: reset_kill(account, RULES),
    lambda account: deposit(account, RULES, 100),
    lambda account: withdraw(account, RULES, 100),
]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(("field", "says"), [("side", "a position is open"), ("working", "an order is under way")])
def test_in_the_market_nothing_is_changed(change: Callable[[np.ndarray], np.ndarray], field: str, says: str) -> None:
    account = with_cash(85_000, review=1, kill=1)
    account[field] = 1
    with pytest.raises(Refused, match=says):
        change(account)


@settings(max_examples=100)
@given(st.lists(st.tuples(st.sampled_from(["deposit", "withdraw"]), st.integers(1, 200_000)), max_size=8))
def test_money_that_moves_is_neither_won_nor_lost(moves: list[tuple[str, int]]) -> None:
    first = account = with_cash(90_000, peak_cents=101_000, forgiven_cents=2_000)
    for what, cents in moves:
        try:
            account = deposit(account, RULES, cents) if what == "deposit" else withdraw(account, RULES, cents)
        except Refused:
            assert what == "withdraw"
    assert limits(account, RULES) == limits(first, RULES)
    assert account["cash_cents"][0] - first["cash_cents"][0] == account["deposits_cents"][0]
    assert account["cash_cents"][0] >= 70_000
