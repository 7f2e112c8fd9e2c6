"""Lanes that share an account lose together no more than it may."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scalper.errors import BadInput
from scalper.policy import open_account, rules
from scalper.policy.budget import budget
from scalper.settings import Lane, RiskSettings
from tests.policy.support import bars, lane, play, predictions

AMOUNTS = ("per_trade", "day_loss", "day_drawdown", "account_drawdown", "kill", "firm_loss")
"""Limits in cents, of which a lane has its share."""
BY = lane()


def shares(*parts: float, **risk: Any) -> dict[str, RiskSettings]:
    """The risk sections of lanes of one account, by file."""
    return {
        f"{index}.yaml": RiskSettings.model_validate({"account": "main", "share": share} | risk)
        for index, share in enumerate(parts)
    }


def test_shares_of_exactly_one_fit_as_they_are_written() -> None:
    budget(shares(0.7, 0.2, 0.1))
    budget(shares(*[0.1] * 10))
    budget({})


def test_a_cent_s_worth_too_much_is_refused_with_files_and_key() -> None:
    with pytest.raises(BadInput, match=r"risk.share.*main.*1\.001 times \(0.yaml 0.7, 1.yaml 0.2, 2.yaml 0.101\)"):
        budget(shares(0.7, 0.2, 0.101))


def test_accounts_of_their_own_and_other_accounts_do_not_count() -> None:
    taken = shares(0.6) | {"own.yaml": RiskSettings(), "two.yaml": RiskSettings()}
    budget(taken | {"else.yaml": RiskSettings(account="other", share=0.6)})
    with pytest.raises(BadInput, match="main"):
        budget(taken | {"else.yaml": RiskSettings(account="main", share=0.6)})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("capital", 2000.0),
        ("day_loss", 0.06),
        ("kill", 0.4),
        ("floor", 0.5),
        ("pause_losses", 2),
        ("firm", {"profile": "topstep", "maximum_loss": 100}),
    ],
)
def test_limits_that_differ_are_refused_with_files_and_key(key: str, value: Any) -> None:
    other = RiskSettings.model_validate({"account": "main", "share": 0.5, key: value})
    with pytest.raises(BadInput, match=rf"`risk.{key}`.*0.yaml says .* and other.yaml"):
        budget(shares(0.5) | {"other.yaml": other})


@pytest.mark.parametrize("share", [1.0, 0.5, 0.3])
def test_a_lane_has_its_share_of_capital_and_limits(share: float) -> None:
    account = None if share == 1 else "main"
    by = lane(risk={"account": account, "share": share, "firm": {"profile": "topstep", "maximum_loss": 600}})
    row = rules(by)[0]
    expected = {"per_trade": 25, "day_loss": 50, "day_drawdown": 75, "account_drawdown": 200, "kill": 300}
    for key, dollars in (expected | {"floor": 700, "capital": 1000, "firm_loss": 600}).items():
        assert row[f"{key}_cents"] == round(dollars * 100 * share)
    money = open_account(by)[0]
    assert {money[f"{key}_cents"] for key in ("cash", "peak", "firm_peak", "start", "equity")} == {100_000 * share}


@example([1] * 10, 100_006)
@example([1] * 10, 100_110)
@settings(max_examples=100)
@given(st.lists(st.integers(1, 999), min_size=1, max_size=6), st.integers(20_000, 300_000))
def test_the_parts_never_add_up_to_more_than_the_account(parts: list[int], capital: int) -> None:
    """To the cent, whatever is rounded."""
    thousandths = [part * 1000 // sum(parts) for part in parts]
    firm = {"profile": "apex", "maximum_loss": 99}
    limits = {"capital": capital / 100, "day_loss": 0.0501, "kill": 0.301, "firm": firm}
    risks = shares(*[one / 1000 for one in thousandths if one >= 10], **limits)
    budget(risks)
    each = [rules(BY.model_copy(update={"risk": risk}))[0] for risk in risks.values()]
    whole = rules(BY.model_copy(update={"risk": RiskSettings.model_validate(limits)}))[0]
    for key in (*AMOUNTS, "capital"):
        assert sum(int(one[f"{key}_cents"]) for one in each) <= int(whole[f"{key}_cents"])


BARS, STEP = 40, 4
"""Bars of a session, and the ticks that a bar or a gap moves at most."""
FAST: dict[str, Any] = {
    "policy": {"cooldown_s": 0, "max_trades": 100, "hold_bars": 2, "stop": {"kind": "fixed", "fixed_ticks": 5}},
}
ACCOUNT: dict[str, Any] = {
    "capital": 4000.0, "day_loss": 0.1, "day_drawdown": 0.12, "pause_losses": 1000, "long_pause_losses": 1000,
}  # fmt: skip
RUN = st.lists(st.integers(0, 2**32 - 1), min_size=3, max_size=3)


def losing(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Bars that wander, and predictions that are wrong four times out of five."""
    rng = np.random.default_rng(seed)
    closes = 16_000 + np.cumsum(rng.integers(-STEP, STEP + 1, BARS))
    opens = np.concatenate([[16_000], closes[:-1]])
    made = bars([(o, max(o, c), min(o, c), c) for o, c in zip(opens.tolist(), closes.tolist(), strict=True)])
    ahead = np.append(closes[2:], closes[-2:]) - closes
    side = np.where(rng.random(BARS) < 0.8, -np.sign(ahead), np.sign(ahead))
    return made, predictions(BARS, {index: (int(one), 0.75) for index, one in enumerate(side) if one})


@dataclass(frozen=True, slots=True)
class Ran:
    """Lanes that traded the same days: equity of all at each close in cents, an array a day; and what each was left."""

    equity: list[np.ndarray]
    accounts: list[np.ndarray]
    beyond: int
    """What fills may cost beyond the limits: a bar, a gap and slippage of the most contracts that each lane held."""


def together(lanes: list[Lane], seeds: list[int], days: int) -> Ran:
    """Each lane on a path of its own, its account carried from day to day."""
    accounts = [open_account(one) for one in lanes]
    most = [0 for _ in lanes]
    equity: list[np.ndarray] = []
    for day in range(days):
        total = np.zeros(BARS, np.int64)
        for index, one in enumerate(lanes):
            made, forecast = losing(seeds[index] + day)
            played = play(made, forecast, one, account=accounts[index])
            total += played.decisions["equity_cents"]
            accounts[index] = played.account
            most[index] = max(most[index], *played.trades["contracts"].tolist(), 0)
        equity.append(total)
    row = rules(lanes[0])[0]
    each = (2 * STEP + int(row["slippage_thin"])) * int(row["tick_cents"]) + 2 * int(row["commission_cents"])
    return Ran(equity, accounts, sum(most) * each)


def overdrawn(equity: list[np.ndarray], row: np.ndarray) -> dict[str, int]:
    """Cents by which the worst day and the worst drawdown were beyond the limits of the account; below 0: within."""
    starts = [int(row["capital_cents"]), *(int(day[-1]) for day in equity)]
    day = max(start - int(found.min()) for start, found in zip(starts, equity, strict=False))
    path = np.concatenate([[starts[0]], *equity])
    drawdown = int((np.maximum.accumulate(path) - path).max())
    return {
        "day_loss": day - int(row["day_loss_cents"]),
        "account_drawdown": drawdown - int(row["account_drawdown_cents"]),
    }


@settings(max_examples=100)
@given(RUN, st.sampled_from([(0.5, 0.3, 0.2), (0.4, 0.4, 0.2), (0.34, 0.33, 0.33)]))
def test_lanes_together_stay_within_the_limits_of_their_account(seeds: list[int], parts: tuple[float, ...]) -> None:
    risks = shares(*parts, **ACCOUNT)
    budget(risks)
    lanes = [lane(risk=risk.model_dump(), **FAST) for risk in risks.values()]
    ran = together(lanes, seeds, 3)
    for what, cents in overdrawn(ran.equity, rules(lane(risk=ACCOUNT))[0]).items():
        assert cents <= ran.beyond, what
    assert 400_000 - sum(int(one["cash_cents"][0]) for one in ran.accounts) <= 120_000 + ran.beyond, "kill"


def test_without_a_budget_the_same_days_lose_more_than_the_account_may() -> None:
    """Otherwise the test above would say little: three whole accounts break what their shares keep."""
    risks = shares(0.34, 0.33, 0.33, **ACCOUNT)
    parts = [lane(risk=risk.model_dump(), **FAST) for risk in risks.values()]
    wholes = [lane(risk=ACCOUNT, **FAST) for _ in parts]
    row = rules(wholes[0])[0]
    kept, broken = together(parts, [1, 2, 3], 5), together(wholes, [1, 2, 3], 5)
    assert all(-5_000 < cents <= kept.beyond for cents in overdrawn(kept.equity, row).values()), "limits, not luck"
    assert all(cents > 2 * broken.beyond for cents in overdrawn(broken.equity, row).values())
