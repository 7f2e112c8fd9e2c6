"""The time of day: half size, windows of the size, no entry, each at its second."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest

from scalper.market import session
from scalper.policy import Action, Gate
from tests.policy.support import DAY, auxes, decide, lane, norms, with_cash

pytestmark = pytest.mark.kernel
LONG = (1, 0.75)


def size(at: str, **changes: Any) -> int:
    """Contracts of an entry at the close of the minute from `at`, of four in a usual hour."""
    by = lane(hours="all", policy={"stop": {"kind": "fixed", "fixed_ticks": 4}} | changes, risk={"per_trade": 0.049})
    return int(decide(with_cash(250_000), LONG, by=by, at=at)["contracts"])


@pytest.mark.parametrize(
    ("at", "contracts"), [("11:28", 4), ("11:29", 1), ("12:30", 1), ("13:28", 1), ("13:29", 4), ("16:13", 2)]
)
def test_a_window_holds_from_its_first_close_to_before_its_last(at: str, contracts: int) -> None:
    """The bar from 11:29 closes at 11:30:00, inside; the one from 13:29 closes at 13:30:00, outside."""
    assert size(at, times=[{"from": "11:30", "to": "13:30", "times": 0.25}]) == contracts


@pytest.mark.parametrize(("at", "contracts"), [("21:58", 4), ("21:59", 2), ("00:00", 2), ("01:58", 2), ("01:59", 4)])
def test_a_window_over_midnight(at: str, contracts: int) -> None:
    window = {"from": "22:00", "to": "02:00", "times": 0.5}
    by = lane(hours="all", policy={"stop": {"kind": "fixed", "fixed_ticks": 4}, "times": [window]},
              risk={"per_trade": 0.049})  # fmt: skip
    day = session("MES", date(2021, 7, 14) if at < "18:00" else date(2021, 7, 15))
    found = decide(with_cash(250_000), LONG, by=by, at=at, day=day) if at < "18:00" else None
    if found is None:  # the evening belongs to the session of the next date
        account = with_cash(250_000)
        found = evening(account, by, at)
    assert found["contracts"] == contracts


def evening(account: np.ndarray, by: Any, at: str) -> np.ndarray:
    """A decision on the evening that a session begins with."""
    hour, minute = at.split(":")
    minutes = (int(hour) - 24) * 60 + int(minute)
    return decide(account, LONG, by=by, at="00:00", bar={"ts_ns": DAY.ny(0, 0) + minutes * 60_000_000_000})


def test_the_smallest_of_several_multipliers_holds() -> None:
    window = [{"from": "15:30", "to": "16:10", "times": 0.75}]
    assert size("15:40", times=window) == 3
    assert size("16:05", times=window) == 2, "half from 16:00 on, not 0.5 x 0.75"
    assert size("16:05", times=[window[0] | {"times": 0.25}]) == 1


def test_a_window_can_forbid_entries() -> None:
    by = lane(policy={"times": [{"from": "12:00", "to": "13:00", "times": 0.0}]})
    found = decide(with_cash(100_000), LONG, by=by, at="12:00")
    assert (Gate(found["gate"]), found["value"], found["bound"]) == (Gate.SIZE_TIME, 0.0, 1.0)


@pytest.mark.parametrize(("times", "contracts"), [(0.0, 0), (0.25, 1), (1.0, 4)])
def test_the_last_half_hour_by_its_setting(times: float, contracts: int) -> None:
    assert size("15:59", end_of_day={"half_times": times}) == contracts
    assert size("15:58", end_of_day={"half_times": times}) == 4


@pytest.mark.parametrize(
    ("profile", "last"),
    [("own", "16:13"), ("topstep", "15:53"), ("apex", "16:13")],  # flat at 16:30, 16:10 (15:10 Chicago), 16:30
)
def test_no_entry_in_the_last_quarter_before_the_firm_s_flat_time(profile: str, last: str) -> None:
    firm = {} if profile == "own" else {"firm": {"profile": profile, "maximum_loss": 900}}
    by = lane(hours="all", risk=firm, policy={"end_of_day": {"half_times": 1.0}})
    assert decide(with_cash(100_000), LONG, by=by, at=last)["action"] == Action.ENTER
    hour, minute = last.split(":")
    found = decide(with_cash(100_000), LONG, by=by, at=f"{hour}:{int(minute) + 1}")
    assert (Gate(found["gate"]), found["value"], found["bound"]) == (Gate.END_OF_DAY, 15.0, 15.0)


@pytest.mark.parametrize(("at", "action"), [("15:50", Action.ENTER), ("15:55", Action.HOLD)])
def test_an_entry_and_its_exit_have_the_time_that_latency_takes(at: str, action: Action) -> None:
    """Two bars of five minutes late, an order needs 15 minutes: exits from 16:15, so the last entry is before 16:00."""
    by = lane(interval="5m", hours="all", simulation={"latency_bars": 2}, policy={"end_of_day": {"half_times": 1.0}})
    assert decide(with_cash(100_000), LONG, by=by, at=at)["action"] == action


def test_seconds_are_as_exact_as_minutes() -> None:
    """Half size from 16:00:00, no entry from 16:15:00: the second before closes in time."""
    by = lane(interval="1s", hours="all")
    for end, contracts, gate in (("15:59:59", 2, Gate.PASSED), ("16:00:00", 1, Gate.PASSED),
                                 ("16:14:59", 1, Gate.PASSED), ("16:15:00", 0, Gate.END_OF_DAY)):  # fmt: skip
        hour, minute, second = (int(part) for part in end.split(":"))
        account = with_cash(150_000)
        start = DAY.ny(hour, minute) + (second - 1) * 1_000_000_000
        found = decide(account, LONG, by=by, bar={"ts_ns": start, "volume": 6_000}, aux=auxes(1), usual=norms(4, 6_000))
        assert (found["contracts"], Gate(found["gate"])) == (contracts, gate), end
