"""What a person may do to an account between two positions: clear a review, reset the kill switch, move money.

Each function takes an account (1,) of ACCOUNT and gives a changed copy; what it does not name stays as it is. A firm's
breach has no function: only a new account ends it.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from scalper.errors import BadInput, Refused
from scalper.policy import kernel
from scalper.policy.records import FIRM_NONE, Action, Gate

# the compiled functions have no static types
_core = cast(Any, kernel)

MOST_CENTS = 10**14
"""No deposit is larger; the core reckons in 64 bits."""
MONEY = ("cash_cents", "equity_cents", "deposits_cents", "start_cents", "session_peak_cents", "peak_cents")
"""What a deposit or a withdrawal moves alike: money that came or went is no profit and no loss, so every distance
that a limit looks at (peak to equity, session start to equity, paid in to cash) stays as it was."""


def limits(account: np.ndarray, rules: np.ndarray) -> list[dict[str, Any]]:
    """How far the account is from the limits that outlive a session, in dollars: limit, value, bound, fired.

    The kill switch and the review count what is lost; a firm looks at the equity itself and closes at the bound.
    """
    row, bound = account[0], rules[0]
    found = [
        ("kill", _lost(account, rules), bound["kill_cents"]),
        ("review", row["peak_cents"] - row["equity_cents"], bound["account_drawdown_cents"]),
    ]
    if bound["firm"] != FIRM_NONE:
        found.append(("firm", row["equity_cents"], _core.firm_level(row, bound)))
    return [
        {"limit": name, "value": int(value) / 100, "bound": int(most) / 100, "fired": bool(row[name])}
        for name, value, most in found
    ]


def clear_review(account: np.ndarray) -> np.ndarray:
    """The review is cleared: the peak becomes the equity. Raises Refused with nothing to clear, or in the market.

    Also an account that is so near the limit that nothing is entered any more (`blocked`) is freed so.
    """
    _demand_flat(account)
    if account["review"][0] == 0 and account["blocked"][0] != Gate.LOOK_AHEAD_ACCOUNT:
        raise Refused("no review has fired; there is nothing to clear")
    changed = account.copy()
    changed["review"] = changed["blocked"] = 0
    changed["peak_cents"] = changed["equity_cents"]
    return changed


def reset_kill(account: np.ndarray, rules: np.ndarray) -> np.ndarray:
    """The kill switch is reset: the losses so far are forgiven, so the limit counts anew. Raises Refused likewise."""
    _demand_flat(account)
    if account["kill"][0] == 0 and account["blocked"][0] != Gate.LOOK_AHEAD_KILL:
        raise Refused("the kill switch has not fired; there is nothing to reset")
    changed = account.copy()
    changed["kill"] = changed["blocked"] = 0
    changed["forgiven_cents"] += _lost(account, rules)
    return changed


def deposit(account: np.ndarray, rules: np.ndarray, cents: int) -> np.ndarray:
    """Money is paid in. Raises BadInput for an amount that is none, Refused in the market or for a firm's account."""
    _demand_flat(account)
    if rules["firm"][0] != FIRM_NONE:
        raise Refused("a firm's account takes no deposits; what it may lose is the firm's to say")
    return _moved(account, _amount(cents))


def withdraw(account: np.ndarray, rules: np.ndarray, cents: int) -> np.ndarray:
    """Money is paid out. Raises as `deposit`, and Refused when it would leave less than nothing or fire a limit.

    Two limits look at cash itself: the floor below which nothing is entered, and a firm's maximum loss, whose level
    stays where it is when money leaves.
    """
    _demand_flat(account)
    changed = _moved(account, -_amount(cents))
    cash, left = int(account["cash_cents"][0]), int(changed["cash_cents"][0])
    if left < 0:
        raise Refused(f"{_usd(cents)} are more than the cash of {_usd(cash)}; withdraw at most that")
    least, key = int(rules["floor_cents"][0]), "risk.floor lets nothing enter below"
    if rules["firm"][0] != FIRM_NONE and (level := int(_core.firm_level(account[0], rules[0]))) >= least:
        least, key = level + 1, "the firm closes the account below"
    if left < least <= cash:
        raise Refused(f"{_usd(left)} would be left and {key} {_usd(least)}; withdraw at most {_usd(cash - least)}")
    return changed


def _demand_flat(account: np.ndarray) -> None:
    if account["side"][0] != 0:
        raise Refused("a position is open; finish its session, then change the account")
    if account["working"][0] != Action.HOLD:
        raise Refused("an order is under way; finish its session, then change the account")


def _lost(account: np.ndarray, rules: np.ndarray) -> int:
    return int(_core.lost(account[0], rules[0], account["cash_cents"][0]))


def _amount(cents: int) -> int:
    if not 0 < cents <= MOST_CENTS:
        raise BadInput(f"amount of {cents} cents: above 0 and at most {MOST_CENTS}")
    return cents


def _moved(account: np.ndarray, cents: int) -> np.ndarray:
    changed = account.copy()
    for name in MONEY:
        changed[name] += cents
    return changed


def _usd(cents: int) -> str:
    return f"${cents / 100:,.2f}"
