"""The trailing maximum loss of a firm: by the bar's extremes, to the cent, and where it stops to rise.

$40.00 may be lost below the peak. One contract at 16,000 (P): a tick is $1.25.
"""

from __future__ import annotations

import numpy as np
import pytest

from scalper.policy import Action, Gate, Reason, rules
from scalper.settings import Lane
from tests.policy.support import P, decide, holding, lane, opened, with_cash

pytestmark = pytest.mark.kernel
BOTH = pytest.mark.parametrize("side", [1, -1])
TOPSTEP = lane(hours="all", risk={"firm": {"profile": "topstep", "maximum_loss": 40}})
APEX = lane(hours="all", risk={"firm": {"profile": "apex", "maximum_loss": 40}})
FLAT = (0, 0.0)


def bar(side: int, *, best: int = 0, worst: int = 0) -> dict[str, int]:
    """Extremes of a bar in ticks in the position's favour."""
    high, low = (best, worst) if side > 0 else (-worst, -best)
    return {"high": P + high, "low": P + low}


def far(side: int, by: Lane, **fields: int) -> np.ndarray:
    return holding(
        side, by=by, **({"stop": P - 90 * side, "first_stop": P - 90 * side, "target": P + 90 * side} | fields)
    )


@BOTH
@pytest.mark.parametrize("by", [TOPSTEP, APEX])
@pytest.mark.parametrize(("worst", "fires"), [(-31, 0), (-32, 1), (-33, 1)])
def test_it_fires_at_the_adverse_extreme(side: int, by: Lane, worst: int, fires: int) -> None:
    """32 ticks are $40.00: 1,000.00 - 40.00 = 960.00, at the level. The close is back at the entry."""
    account = far(side, by)
    found = decide(account, FLAT, by=by, bar=bar(side, worst=worst))
    assert account["firm"][0] == fires
    if fires:
        assert (found["action"], found["reason"], Gate(found["gate"])) == (Action.FLATTEN, Reason.LIMIT, Gate.FIRM)
        assert (found["value"], found["bound"]) == (998.33, 960.0), "equity at the close, and the level"
    else:
        assert found["action"] == Action.HOLD


@BOTH
def test_an_own_account_has_none(side: int) -> None:
    account = far(side, lane())
    decide(account, FLAT, bar=bar(side, worst=-39))
    assert account["firm"][0] == 0


@BOTH
def test_a_flat_account_below_the_level_fires(side: int) -> None:
    for cash, fires in ((96_001, 0), (96_000, 1)):
        account = with_cash(cash, TOPSTEP, firm_peak_cents=100_000)
        decide(account, (side, 0.75), by=TOPSTEP)
        assert account["firm"][0] == fires


@BOTH
def test_topstep_trails_the_end_of_day_only(side: int) -> None:
    account = far(side, TOPSTEP)
    decide(account, FLAT, by=TOPSTEP, bar=bar(side, best=80))
    assert (account["firm_peak_cents"][0], account["firm"][0]) == (100_000, 0)
    assert opened(with_cash(101_416, TOPSTEP, firm_peak_cents=100_000), TOPSTEP)["firm_peak_cents"][0] == 101_416
    assert opened(with_cash(98_000, TOPSTEP, firm_peak_cents=100_000), TOPSTEP)["firm_peak_cents"][0] == 100_000


@BOTH
def test_apex_trails_the_best_open_equity(side: int) -> None:
    """20 ticks in favour: a peak of 1,025.00 and a level of 985.00, which 12 ticks against reach in the same bar."""
    account = far(side, APEX)
    decide(account, FLAT, by=APEX, bar=bar(side, best=20, worst=-11))
    assert (account["firm_peak_cents"][0], account["firm"][0]) == (102_500, 0)
    decide(account, FLAT, by=APEX, bar=bar(side, worst=-12))
    assert (account["firm_peak_cents"][0], account["firm"][0]) == (102_500, 1)
    account = far(side, APEX)
    decide(account, FLAT, by=APEX, bar=bar(side, best=20, worst=-12))
    assert account["firm"][0] == 1, "first the better extreme, then the worse"
    assert opened(with_cash(101_416, APEX, firm_peak_cents=100_000), APEX)["firm_peak_cents"][0] == 100_000


@pytest.mark.parametrize(
    ("by", "peak", "cash", "fires"),
    [
        (TOPSTEP, 103_999, 99_999, 1),
        (TOPSTEP, 103_999, 100_000, 0),  # level 999.99
        (TOPSTEP, 104_000, 100_000, 1),  # the starting balance
        (TOPSTEP, 150_000, 100_001, 0),  # and no further
        (TOPSTEP, 150_000, 100_000, 1),
        (APEX, 150_000, 110_001, 0),  # the starting balance and $100
        (APEX, 150_000, 110_000, 1),
        (APEX, 113_999, 109_999, 1),
        (APEX, 113_999, 110_000, 0),
    ],
)
def test_the_level_locks(by: Lane, peak: int, cash: int, fires: int) -> None:
    account = with_cash(cash, by, firm_peak_cents=peak)
    decide(account, FLAT, by=by)
    assert account["firm"][0] == fires


def test_apex_lock_by_its_setting() -> None:
    by = lane(risk={"firm": {"profile": "apex", "maximum_loss": 40, "lock": 7.5}})
    assert rules(by)["firm_lock_cents"][0] == 100_750


@pytest.mark.parametrize("profile", ["topstep", "apex"])
def test_a_share_has_its_share_of_the_loss_and_no_lock(profile: str) -> None:
    """Others of the account may have gained what locks it, which this lane cannot see."""
    by = lane(risk={"firm": {"profile": profile, "maximum_loss": 40}, "account": "joint", "share": 0.5})
    assert rules(by)["firm_loss_cents"][0] == 2_000
    account = with_cash(70_000, by, firm_peak_cents=72_000)
    decide(account, FLAT, by=by)
    assert account["firm"][0] == 1, "70 is no lock's level"


@pytest.mark.parametrize(("cash", "gate"), [(96_960, Gate.PASSED), (96_959, Gate.LOOK_AHEAD_FIRM)])
def test_an_entry_looks_ahead_to_the_level(cash: int, gate: Gate) -> None:
    """W is 9.59: 969.59 - 9.59 = 960.00, the level."""
    by = lane(risk={"firm": {"profile": "topstep", "maximum_loss": 40}})
    found = decide(with_cash(cash, by, firm_peak_cents=100_000), (1, 0.75), by=by)
    assert Gate(found["gate"]) is gate
    if gate is Gate.LOOK_AHEAD_FIRM:
        assert (found["action"], found["value"], found["bound"]) == (Action.HOLD, 960.0, 960.0)


def test_it_outlasts_the_session() -> None:
    account = opened(with_cash(100_000, TOPSTEP, firm=1), TOPSTEP)
    found = decide(account, (1, 0.75), by=TOPSTEP)
    assert (account["firm"][0], found["action"], Gate(found["gate"])) == (1, Action.HOLD, Gate.FIRM)


@pytest.mark.parametrize(("most", "contracts"), [(None, 2), (2, 2), (1, 1)])
def test_a_firm_s_most_contracts(most: int | None, contracts: int) -> None:
    by = lane(risk={"firm": {"profile": "topstep", "maximum_loss": 400, "contracts": most}})
    assert decide(with_cash(150_000, by), (1, 0.75), by=by)["contracts"] == contracts


def test_a_part_that_is_in_the_cash_counts() -> None:
    """Two contracts, one taken at 6 ticks (7.50 in the cash): the other may fall by 38 ticks, 47.50 - 7.50 = 40.00."""
    for worst, fires in ((-37, 0), (-38, 1)):
        account = far(1, TOPSTEP, filled=2, entry_value=2 * P, exit_value=P + 6, booked_cents=750, cash_cents=100_750)
        decide(account, FLAT, by=TOPSTEP, bar=bar(1, worst=worst))
        assert account["firm"][0] == fires
