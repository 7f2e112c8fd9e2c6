"""A session in Nautilus from the account with which our simulation began it, held to our account after a difference.

Where one trade differs, cash, limits and pauses differ after it, and every later trade with them. So the adapter's
decision is compared with ours at each bar, byte by byte: on a difference our account and book take over (Nautilus's
position is brought to ours by an order that is not booked), the bar is noted, and both go on from one state. The
comparison then finds a cause for each such bar among the trades that closed in it, or calls it unexplained.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from nautilus_trader.trading import StrategyConfig

from scalper.policy import DECISION, FILL, TRADE, rules
from scalper.policy import kernel as policy
from scalper.referee.adapter import Adapter
from scalper.referee.compare import Bars, Compared, compare
from scalper.referee.ledger import Row
from scalper.referee.plan import Plan
from scalper.referee.venue import (
    CAPITAL,
    DOLLAR,
    VENUE,
    Slips,
    Ticks,
    bars,
    cents,
    engine,
    futures_contract,
    opens,
)
from scalper.settings import Lane
from scalper.simulate import kernel
from scalper.simulate.session import SessionInput, SessionResult, market, new_book

_policy, _kernel = cast(Any, policy), cast(Any, kernel)


@dataclass(frozen=True, slots=True)
class Played:
    """What Nautilus made of a session.

    rows: its trades; followed: ends of the bars after which our account took over; balance_cents: what the account at
    Nautilus's venue gained, less the slippage that the adapter added.
    """

    rows: list[Row]
    followed: list[int]
    balance_cents: int


class Ours:
    """Our side of the session: its decisions (n,), and the account and book after a bar, reckoned when asked."""

    def __init__(self, plan: Plan, account: np.ndarray, decisions: np.ndarray) -> None:
        self._plan, self._start, self._decisions = plan, account, decisions
        self.followed: list[int] = []

    def check(self, index: int, decision: np.ndarray, account: np.ndarray, book: np.ndarray) -> bool:
        """Compare a decision of the adapter with ours; on a difference ours takes over."""
        wanted = self._decisions[index : index + 1]
        if decision.tobytes() == wanted.tobytes():
            return False
        self.followed.append(self._plan.end_ns(index))
        account[:], book[:] = self._after(index)
        decision[:] = wanted
        return True

    def _after(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Account and book when bar `index` was decided and its decision not yet sent."""
        one, account, book = self._plan, self._start.copy(), new_book()
        fills, decision, trade = np.zeros(kernel.MAX_FILLS, FILL), np.zeros(1, DECISION), np.zeros(1, TRADE)
        a, b, m, r, t = account[0], book[0], one.market[0], one.rules[0], one.timetable[0]
        _policy.open_session(a, r)
        for i in range(index + 1):
            if i:
                _kernel.submit(b, m, r, decision[0])
            n: int = _kernel.advance(b, m, one.bars[i], t, fills)
            for fill in fills[:n]:
                _policy.on_fill(a, r, fill, trade[0])
            _policy.step(a, r, one.bars[i], one.aux[i], one.predictions[i], t, one.norms, decision[0])
        return account, book


def play(lane: Lane, one: SessionInput, decisions: np.ndarray, account: np.ndarray) -> Played:
    """Run a session in Nautilus.

    `decisions` (n,) are those of our simulation, `account` (1,) the state in which it began the session.
    """
    if one.bars.size == 0:
        return Played([], [], 0)
    plan, model, product = Plan.of(lane, one), Slips(), lane.execution
    ticks = Ticks(product.tick)
    ours = Ours(plan, account, decisions)
    adapter = Adapter(StrategyConfig(log_events=False, log_commands=False))
    adapter.begin([plan], ticks, model, account.copy(), ours.check)
    tape: list[Any] = bars(plan.contract, plan.bars, plan.interval_ns, ticks, plenty=True)
    tape += opens(plan.contract, plan.bars, ticks, plenty=True)
    made = engine([futures_contract(product, plan.contract)], tape, model, plan.fee_cents)
    made.add_strategy(adapter)
    made.run()
    balance = cents(cast(Any, made.portfolio).account(VENUE).balance_total(DOLLAR)) - 100 * CAPITAL
    made.dispose()
    if adapter.failure is not None:
        raise adapter.failure
    adapter.finish()
    ledger = adapter.ledger
    return Played(ledger.rows, ours.followed, balance - ledger.unseen_cents)


def referee(lane: Lane, one: SessionInput, ours: SessionResult) -> Compared:
    """Play a session that our simulation has played, and compare the trades."""
    theirs = play(lane, one, ours.decisions, ours.started)
    fills, known = market(lane.simulation), rules(lane, one.choice)
    seen = Bars(
        bars=one.bars,
        interval_ns=int(one.timetable["interval_ns"][0]),
        through=int(fills["through"][0]),
        tick_cents=int(known["tick_cents"][0]),
        partial=float(known["partial"][0]),
        slippage=int(fills["slips"][0] * known["slippage_most"][0] + fills["extra"][0]),
    )
    odd = theirs.balance_cents - sum(row.net_cents for row in theirs.rows)
    return compare(one.date, seen, ours.trades, theirs.rows, theirs.followed, odd)
