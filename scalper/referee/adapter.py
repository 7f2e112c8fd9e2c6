"""The strategy that runs our policy in Nautilus: on each bar it books the engine's fills, decides, and sends orders.

Policy and account are ours (policy.kernel), and so is what a decision asks of a broker (simulate.kernel.submit: waits,
distances, lapses). Which order fills, when, at which price and for which fee is Nautilus's. Conventions: an order meets
the market at the first traded open after its latency, before what rests, which is taken off for it; fills of stops and
targets bear the time at which their bar ends; slippage beyond a tick, more than Nautilus's fill model knows, is added.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, cast

import nautilus_trader.model as nt
import numpy as np
from nautilus_trader.trading import Strategy, StrategyConfig

from scalper.policy import DECISION, FILL, TRADE, Action, Reason, Role
from scalper.policy import kernel as policy
from scalper.referee.ledger import Ledger
from scalper.referee.orders import Orders
from scalper.referee.plan import Plan
from scalper.referee.venue import OPEN_NS, Slips, Ticks, bar_type, cents, instrument_id
from scalper.simulate import kernel
from scalper.simulate.session import new_book

_policy, _kernel = cast(Any, policy), cast(Any, kernel)
SYNC = -1
"""Role of an order that only brings Nautilus's position to ours: its fill is not booked."""
RESTING = (Reason.STOP, Reason.TARGET)

type Check = Callable[[int, np.ndarray, np.ndarray, np.ndarray], bool]
"""Is given (bar, decision, account, book) after each decision and may replace them; True: it did."""


def kept[**P](handler: Callable[P, None]) -> Callable[P, None]:
    """Nautilus drops what a handler raises and goes on: the first failure is kept, for whoever ran the engine."""

    @wraps(handler)
    def call(*given: P.args, **named: P.kwargs) -> None:
        adapter = cast(Adapter, given[0])
        try:
            handler(*given, **named)
        finally:
            adapter.failure = adapter.failure or sys.exception()

    return call


class Adapter(Strategy):
    """Trades sessions one after the other; `begin` gives it everything before the engine runs."""

    def __init__(self, config: StrategyConfig | None = None) -> None:
        super().__init__(config)
        self.failure: BaseException | None = None

    def begin(
        self, plans: Sequence[Plan], ticks: Ticks, model: Slips, account: np.ndarray, check: Check | None = None
    ) -> None:
        """Trade `plans` with `account` (1,), which moves on; `model` is the venue's."""
        self.plans = [one for one in plans if one.bars.size]
        self.ticks, self.model, self.account, self.check = ticks, model, account, check
        self.ledger = Ledger(int(plans[0].rules["tick_cents"][0]))
        self.done = 0
        self._fills: list[np.ndarray] = []
        self._open_session()

    def _open_session(self) -> None:
        self.plan, self.index, self.book = self.plans[self.done], 0, new_book()
        self.orders, self._late = Orders(self, instrument_id(self.plan.contract), self.ticks), False
        self.model.through = bool(self.plan.market["through"][0])
        _policy.open_session(self.account[0], self.plan.rules[0])

    # ------------------------------------------------------------ what Nautilus calls

    @kept
    def on_start(self) -> None:
        """Ask for the bars and opens of every contract."""
        feed = cast(Any, self)  # its methods have half of their types
        for contract, interval_ns in sorted({(one.contract, one.interval_ns) for one in self.plans}):
            feed.subscribe_bars(bar_type(contract, interval_ns))
            feed.subscribe_trades(instrument_id(contract))

    @kept
    def on_trade(self, trade: nt.TradeTick) -> None:
        """The open of a traded bar: the order under way meets the market, unless it waits or has lapsed."""
        if not self._reached(trade.ts_event - OPEN_NS):
            return
        b, bar = self.book[0], self.plan.bars[self.index]
        assert self.ticks.ticks(trade.price) == bar["open"], "Nautilus has another open"
        if b["order"] != Action.HOLD and b["order_wait"] > 0:
            b["order_wait"] -= 1
        elif b["order"] != Action.HOLD:
            self._meet(b, int(bar["ts_ns"]))
            return
        if self._late:
            self._move_late(b, int(bar["open"]))

    @kept
    def on_bar(self, bar: nt.Bar) -> None:
        """The close of a bar: book its fills, decide, send."""
        if not self._reached(bar.ts_event - self.plan.interval_ns):
            return
        plan, b, i = self.plan, self.book[0], self.index
        if b["order"] != Action.HOLD and b["side"] == 0 and self._closed_at_rest():
            if b["order"] != Action.EXIT:
                self._lapse(plan.end_ns(i), int(b["order_contracts"]))
            b["order"] = Action.HOLD
        self.settle()
        if plan.bars["carried"][i]:
            b["order_wait"] = max(b["order_wait"] - 1, 0)
        decision = self._decide(plan, i)
        _kernel.submit(b, plan.market[0], plan.rules[0], decision[0])
        self.model.ticks = self._slippage()
        self.index += 1
        if self.index == plan.bars.size:
            self._close_out(b, plan.end_ns(i))
        else:
            self._ask(b, int(plan.bars["ts_ns"][self.index]))

    @kept
    def on_order_filled(self, event: nt.OrderFilled) -> None:
        """Keep a fill until the bar ends; protect a position that it opens."""
        sent, b = self.orders.sent(event.client_order_id), self.book[0]
        side, contracts = 1 if event.is_buy else -1, int(event.last_qty.as_decimal())
        slippage = 0 if sent.reason == Reason.TARGET else self._slippage()
        more = max(slippage - 1, 0)
        price = self.ticks.ticks(event.last_px) + side * more
        stamp = self.plan.end_ns(self.index) if sent.reason in RESTING else self._stamp_ns
        self.ledger.fill(stamp, side, contracts, price, cents(event.commission), more)
        if sent.role == SYNC:
            return
        if sent.role == Role.ENTRY:
            b["side"], b["contracts"], b["order_contracts"] = side, contracts, 0
            b["stop"], b["target"] = price - side * b["order_stop"], price + side * b["order_target"]
            b["partial"] = price + side * b["order_partial"]
            b["partial_contracts"] = b["order_partial_contracts"]
        self._keep(stamp, sent.role, sent.reason, contracts, price, slippage)
        if sent.role == Role.ENTRY:
            self._protect(b)
            return
        b["contracts"] -= contracts
        if b["contracts"] == 0:
            b["side"], b["stop_order"], self._late = 0, 0, False

    @kept
    def on_order_modify_rejected(self, event: nt.OrderModifyRejected) -> None:
        """With latency the market can be beyond a moved stop already: the next open decides."""
        self._late = True

    # ------------------------------------------------------------------- fills

    def settle(self) -> None:
        """Book the fills that have come, in their order."""
        trade = np.zeros(1, TRADE)
        for fill in self._fills:
            _policy.on_fill(self.account[0], self.plan.rules[0], fill[0], trade[0])
        self._fills.clear()

    def _keep(self, ts_ns: int, role: int, reason: int, contracts: int, price: int, slippage: int) -> None:
        fill, b = np.zeros(1, FILL), self.book[0]
        fill["ts_ns"], fill["role"], fill["reason"], fill["side"] = ts_ns, role, reason, b["side"]
        fill["contracts"], fill["price"], fill["slippage"] = contracts, price, slippage
        fill["stop"], fill["target"] = b["stop"], b["target"]
        self._fills.append(fill)

    def _lapse(self, ts_ns: int, contracts: int) -> None:
        b = self.book[0]
        self._keep(ts_ns, Role.LAPSE, int(b["order_reason"]), contracts, 0, 0)
        self._fills[-1]["side"] = b["order_side"]

    def _closed_at_rest(self) -> bool:
        return any(one["role"][0] == Role.EXIT and one["reason"][0] in RESTING for one in self._fills)

    def _slippage(self) -> int:
        """Ticks that a market or stop order loses now."""
        m = self.plan.market
        return int(self.book["slippage"][0] * m["slips"][0] + m["extra"][0])

    # ------------------------------------------------------------------ orders

    def _decide(self, plan: Plan, i: int) -> np.ndarray:
        """The policy's decision (1,); where `check` has replaced it, Nautilus's position follows ours."""
        decision, b = np.zeros(1, DECISION), self.book[0]
        row = (plan.bars[i], plan.aux[i], plan.predictions[i], plan.timetable[0], plan.norms)
        _policy.step(self.account[0], plan.rules[0], *row, decision[0])
        before = self._position(b)
        replaced = self.check is not None and self.check(i, decision, self.account, self.book)
        if replaced and self._position(b) != before:
            self._follow(b, before[0] * before[1], plan.end_ns(i))
        return decision

    @staticmethod
    def _position(b: Any) -> tuple[int, ...]:
        return tuple(int(b[name]) for name in ("side", "contracts", "stop", "target"))

    def _follow(self, b: Any, held: int, now_ns: int) -> None:
        """Bring Nautilus's position and what rests to our book."""
        self.orders.cancel()
        self._stamp_ns = now_ns
        missing = int(b["side"] * b["contracts"]) - held
        if missing:
            self.orders.market(1 if missing > 0 else -1, abs(missing), SYNC, Reason.NONE)
        if b["side"] != 0:
            self._protect(b)

    def _ask(self, b: Any, next_ns: int) -> None:
        """What is to hold from the next bar on: an entry called off, a moved stop, the way free for an exit."""
        if b["dropped"] > 0:
            self._lapse(next_ns, int(b["dropped"]))
            b["dropped"] = 0
        if b["stop_order"] != 0 and b["stop_wait"] > 0:
            b["stop_wait"] -= 1
        elif b["stop_order"] != 0:
            b["stop"], b["stop_order"] = b["stop_order"], 0
            self._keep(next_ns, Role.AMEND, Reason.NONE, int(b["contracts"]), int(b["stop"]), 0)
            self.orders.move(int(b["stop"]))
        if b["order"] in (Action.EXIT, Action.REVERSE) and b["order_wait"] == 0:
            self.orders.cancel()

    def _meet(self, b: Any, now_ns: int) -> None:
        """The order under way at an open."""
        self._stamp_ns, self._late = now_ns, False
        if b["order"] != Action.ENTER and b["side"] != 0:
            self.orders.market(-int(b["side"]), int(b["contracts"]), Role.EXIT, int(b["order_reason"]))
        if b["order"] != Action.EXIT and now_ns >= b["order_lapse_ns"]:
            self._lapse(now_ns, int(b["order_contracts"]))
        elif b["order"] != Action.EXIT:
            self.orders.market(int(b["order_side"]), int(b["order_contracts"]), Role.ENTRY, int(b["order_reason"]))
        b["order"] = Action.HOLD

    def _protect(self, b: Any) -> None:
        """Rest stop and target for the position, and for the part of it that is taken on the way."""
        part = int(b["partial_contracts"])
        rest = int(b["contracts"]) - part
        self.orders.protect(int(b["side"]), int(b["stop"]), ((part, int(b["partial"])), (rest, int(b["target"]))))

    def _move_late(self, b: Any, opened: int) -> None:
        """A stop that could not be moved because the market was beyond it: is the open beyond it too?"""
        self._late = False
        if b["side"] * opened <= b["side"] * b["stop"]:
            self.orders.cancel()
            self.orders.market(-int(b["side"]), int(b["contracts"]), Role.EXIT, Reason.STOP)
        else:
            self.orders.move(int(b["stop"]))

    # ----------------------------------------------------------------- session

    def _close_out(self, b: Any, end_ns: int) -> None:
        """After the last bar: what is under way lapses, what is open is closed at the bar's close."""
        self.orders.cancel()
        left = int(b["dropped"]) + (int(b["order_contracts"]) if b["order"] in (Action.ENTER, Action.REVERSE) else 0)
        if left > 0:
            self._lapse(end_ns, left)
        b["order"], b["dropped"], self._stamp_ns = Action.HOLD, 0, end_ns
        if b["side"] != 0:
            self.orders.market(-int(b["side"]), int(b["contracts"]), Role.EXIT, Reason.SESSION_END)

    def _reached(self, start_ns: int) -> bool:
        """Whether the bar that starts then is the next of ours; bars of sessions that are not ours are passed over."""
        if self.index == self.plan.bars.size and self.done + 1 < len(self.plans):
            self.finish()
            self._open_session()
        if self.index == self.plan.bars.size:
            return False
        assert start_ns <= self.plan.bars["ts_ns"][self.index], "Nautilus left bars out"
        return start_ns == self.plan.bars["ts_ns"][self.index]

    def finish(self) -> None:
        """End the session under way: book its last fills."""
        assert self.index == self.plan.bars.size, "Nautilus left bars out"
        self.settle()
        _policy.close_session(self.account[0], self.plan.rules[0])
        self.done += 1
