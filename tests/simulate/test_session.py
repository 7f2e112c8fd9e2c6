"""Several sessions through one account, and the frames that people read."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest

from scalper.policy import Choice
from scalper.settings import Lane
from scalper.simulate.kernel import BOOK
from scalper.simulate.session import SessionInput, Simulation, market, new_book, no_predictions, simulate
from tests.policy.support import DAY, MINUTE, P, auxes, bars, lane, norms, predictions, quiet, with_cash

pytestmark = pytest.mark.kernel
SURE = (1, 0.75)
WIN = bars([*quiet(1), (P, P + 5, P - 4, P + 3), (P + 3, P + 14, P + 2, P + 9)])  # + 14.16, see test_kernel.py
BY = lane()


def given(made: np.ndarray, forecast: np.ndarray, by: Lane = BY, **more: Any) -> SessionInput:
    """One session of a usual market."""
    usual = (auxes(made.size), forecast, by.timetable(DAY), norms())
    return SessionInput(more.pop("date", DAY.date), "MESU21", made, *usual, **more)


def one(made: np.ndarray, **more: Any) -> SessionInput:
    """With a signal at the first close."""
    return given(made, predictions(made.size, {0: SURE}), **more)


def test_frames_of_a_winning_and_a_flat_session() -> None:
    idle = given(WIN, no_predictions(3), date=date(2021, 7, 15), fold=2)
    found = simulate(BY, [one(WIN, fold=1), idle])
    assert found.daily().to_dicts() == [
        {"session": DAY.date, "fold": 1, "net": 14.16, "cash": 1014.16, "trades": 1},
        {"session": date(2021, 7, 15), "fold": 2, "net": 0.0, "cash": 1014.16, "trades": 0},
    ]
    assert found.net == 14.16
    row = found.trades().row(0, named=True)
    assert row == {
        "session": DAY.date, "fold": 1, "entry_ns": DAY.ny(9, 31), "exit_ns": DAY.ny(9, 33), "side": "long",
        "contracts": 1, "entry": 4000.25, "exit": 4003.25, "first_stop": 3998.75, "stop": 3998.75, "target": 4003.25,
        "gross": 16.25,
        "commission": 0.84, "slippage": 1.25, "net": 14.16,
        "reason": "target", "confidence": 0.75, "mae": -6.25, "mfe": 15.0, "bars": 1, "exits": 1,
    }  # fmt: skip
    equity = found.equity()
    assert equity["ts_ns"].to_list()[:3] == [DAY.ny(9, 31), DAY.ny(9, 32), DAY.ny(9, 33)]
    # open at the second close: 1,000.00 - 0.42 + 2 ticks 2.50 - 1.67
    assert equity["equity"].to_list()[:3] == [1000.0, 1000.41, 1014.16]
    counts = dict(found.refusals().iter_rows())
    assert counts == {"prediction": 3, "in_position": 1, "flat": 1}, "the entry itself is no refusal"


def test_nothing_gives_empty_frames() -> None:
    found = Simulation(BY, [with_cash(100_000)])
    for frame in (found.daily(), found.trades(), found.equity(), found.refusals()):
        assert frame.is_empty()
    assert found.net == 0
    played = simulate(BY, [given(bars([]), no_predictions(0))])
    assert played.daily()["trades"].to_list() == [0]
    assert played.trades().schema == simulate(BY, [one(WIN)]).trades().schema


def test_an_account_goes_on_and_is_not_changed_for_the_caller() -> None:
    account = with_cash(150_000)
    before = account.tobytes()
    found = simulate(BY, [one(WIN)], account=account)
    assert account.tobytes() == before
    assert found.account["cash_cents"][0] == 150_000 + 2 * 1416
    again = simulate(BY, [one(WIN)], account=found.account)
    assert again.sessions[0].cash_before == 150_000 + 2 * 1416


def test_the_choice_of_a_session_is_used() -> None:
    strict = simulate(BY, [one(WIN, choice=Choice(0.76, 1.5, 2.0))])
    assert strict.trades().is_empty()
    wide = simulate(BY, [one(WIN, choice=Choice(0.60, 2.5, 1.0))]).trades()
    assert (wide["stop"][0], wide["target"][0]) == (4000.25 - 2.5, 4000.25 + 2.5)


def test_extra_slippage_is_not_known_to_the_policy() -> None:
    plain, stressed = simulate(BY, [one(WIN)]), simulate(BY, [one(WIN)], extra_slippage=1)
    assert plain.sessions[0].decisions["contracts"][0] == stressed.sessions[0].decisions["contracts"][0]
    assert stressed.trades()["entry"][0] == 4000.5


@pytest.mark.parametrize(
    ("mode", "slips", "extra", "through"), [("realistic", 1, 0, 1), ("conservative", 1, 1, 1), ("optimistic", 0, 0, 0)]
)
def test_fill_models(mode: str, slips: int, extra: int, through: int) -> None:
    row = market(lane(simulation={"mode": mode, "latency_bars": 2, "volume_share": 0.05}).simulation)
    assert row.tolist() == [(slips, extra, through, 2, 0.05)]
    assert market(lane(simulation={"mode": mode}).simulation)["share"][0] == 0.0


def test_late_trades_are_counted() -> None:
    by = lane(hours="all", policy={"hold_bars": 99})
    made = bars(quiet(3), at="16:00")
    made["ts_ns"][2] = DAY.ny(16, 45)  # no bars at the flat time
    late = given(made, predictions(3, {0: SURE}), by)
    found = simulate(by, [late], account=with_cash(150_000))
    assert found.sessions[0].late == 1
    whole = bars(quiet(40), at="16:00")
    punctual = given(whole, predictions(40, {0: SURE}), by)
    assert simulate(by, [punctual], account=with_cash(150_000)).sessions[0].late == 0


def test_a_review_leaves_the_later_sessions_flat() -> None:
    crash = bars([*quiet(2), (P - 45, P - 44, P - 46, P - 45), *quiet(2, P - 45)])
    found = simulate(BY, [one(crash), one(WIN), one(WIN)], account=with_cash(100_000, peak_cents=119_000))
    assert [result.trades.size for result in found.sessions] == [1, 0, 0]
    assert found.account["review"][0] == 1


def folds(risk: str) -> Simulation:
    """A crash in fold 1, a winner in fold 2 and one more in fold 2."""
    crash = bars([*quiet(2), (P - 45, P - 44, P - 46, P - 45), *quiet(2, P - 45)])
    by = lane(simulation={"risk": risk})
    return simulate(by, [one(crash, fold=1), one(WIN, fold=2), one(WIN, fold=2)])


def test_the_account_is_carried_across_folds_or_opened_anew() -> None:
    """The crash leaves 940.41, one contract; a winner makes 14.16. Anew: 1,000.00, and from 1,014.16 on two."""
    carried, reset = folds("carry"), folds("reset")
    assert [one.cash_before for one in carried.sessions] == [100_000, 94_041, 95_457]
    assert [one.cash_before for one in reset.sessions] == [100_000, 100_000, 101_416]
    assert (len(carried.accounts), len(reset.accounts)) == (1, 2)
    assert carried.daily()["cash"].to_list() == [940.41, 954.57, 968.73]
    assert reset.daily()["cash"].to_list() == [940.41, 954.57, 982.89], "what was lost before stays lost"
    assert reset.equity()["equity"][-1] == 982.89 and reset.net == -17.11


def test_what_stopped_an_account_is_told() -> None:
    crash = bars([*quiet(2), (P - 45, P - 44, P - 46, P - 45), *quiet(2, P - 45)])
    found = simulate(BY, [one(crash)], account=with_cash(100_000, peak_cents=119_000))
    assert (found.stopped("review"), found.stopped("kill"), found.stopped("firm")) == (True, False, False)


def test_a_book_is_empty() -> None:
    assert not np.frombuffer(new_book().tobytes(), np.int8).any() and new_book().dtype == BOOK
    assert isinstance(simulate(BY, [one(WIN)]).equity(), pl.DataFrame) and MINUTE == 60 * 10**9
