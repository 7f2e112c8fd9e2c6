"""The executor: a session bar by bar on a recipe, with everything recorded.

The order of a bar: fills, decision, journal, order, account. What is decided stands in the journal before it is sent.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from scalper import clock
from scalper.errors import ScalperError
from scalper.files import write_json
from scalper.learn.recipe import Recipe
from scalper.live.account import Kept
from scalper.live.desk import Desk
from scalper.live.engine import Engine, Step, gate_name, gates
from scalper.live.journal import Journal, fields, plain
from scalper.live.protocols import Broker, Feed, Mode
from scalper.live.report import SessionReport
from scalper.policy import TRADE, Action, Reason, Role, changes

BEAT_BARS = 60
"""The account is saved and the journal gets a heartbeat at least so often."""
BEAT_S = 0.25
"""The heartbeat file is written at most so often."""
SENT = (
    *("ts_ns", "action", "side", "contracts", "stop_ticks", "target_ticks", "partial_contracts", "partial_ticks"),
    "stop",
)
"""What the journal says of an order; one that is to hold moves the resting stop."""


class Executor:
    """Runs one session of `feed` through `broker`.

    Without journal and desk it writes nothing (replay). `kept` is the account to go on with: of an interrupted session
    of the same date, bars up to `kept.last_ns` only warm the features up; of any other, the session starts fresh on the
    account. A rehearsal leaves the kept account as it is. `watch` is called with every step.
    """

    def __init__(
        self,
        recipe: Recipe,
        broker: Broker,
        feed: Feed,
        *,
        mode: Mode = "paper",
        bundle: str = "",
        journal: Journal | None = None,
        desk: Desk | None = None,
        kept: Kept | None = None,
        rehearsal: bool = False,
        watch: Callable[[Step], None] | None = None,
    ) -> None:
        account = None if kept is None else kept.account
        self.recipe, self.feed = recipe, feed
        self.mode: Mode = mode
        self._bundle = bundle
        self.engine = Engine(recipe, feed.session, feed.contract, broker, account=account, context=feed.context)
        self._journal, self._desk, self._watch, self._rehearsal = journal, desk, watch, rehearsal
        self._resume_ns = kept.last_ns if kept and not kept.complete and kept.session == feed.session.date else None
        self._last: np.ndarray | None = None
        self._halt: dict[str, Any] | None = None
        self._beat_at = -BEAT_S
        self._counts: Counter[str] = Counter()
        self._refusals: Counter[str] = Counter()
        self._changed: Counter[str] = Counter()
        self._decide_s: list[float] = []
        self._bar_s: list[float] = []
        self.trades: list[np.ndarray] = []
        self._began = clock.monotonic()

    def run(self, stop: Callable[[], bool] = lambda: False) -> SessionReport:
        """The whole session, or until `stop` says so; either way it ends flat and with a report.

        An error leaves the account as it was last saved and is journaled before it goes on up.
        """
        try:
            self.start()
            why = "end of session"
            for bar in self.feed:
                self.take(bar)
                if stop():
                    why = "stopped"
                    break
            return self.finish(why)
        except ScalperError as error:
            self._write("stop", {"why": f"{type(error).__name__}: {error}", "clean": False}, sync=True)
            raise

    def start(self) -> None:
        """Open the session, unless it goes on with an interrupted one."""
        session = self.feed.session
        if self._resume_ns is None:
            self.engine.open()
        content = {
            "lane": self.recipe.lane.name,
            "mode": self.mode,
            "broker": self.engine.broker.name,
            "data": self.recipe.lane.source_key,
            "session": session.date.isoformat(),
            "contract": self.feed.contract,
            "bundle": self._bundle,
            "model": hashlib.sha256(self.recipe.model.content).hexdigest(),
            "configuration": self.recipe.lane.digest(),
            "pid": os.getpid(),
            "resumed_after_ns": self._resume_ns,
            "account": fields(self.engine.account[0]),
        }
        self._write("start", content, sync=True)

    def take(self, bar: np.ndarray) -> Step | None:
        """One bar (1,) of BAR to its end; None for a bar of a resumed session's past."""
        if self._resume_ns is not None and int(bar["ts_ns"][0]) <= self._resume_ns:
            self.engine.warm_up(bar)
            self._last = bar.copy()
            return None
        began = clock.monotonic()
        halted = self._seen_halt()
        step = self.engine.on_bar(bar, halted=halted)
        self._count(step)
        self._record(step)
        self.engine.submit(step)
        self._last = step.bar
        self._save(step)
        self._decide_s.append(step.seconds)
        self._bar_s.append(clock.monotonic() - began)
        if self._watch is not None:
            self._watch(step)
        return step

    def finish(self, why: str = "end of session") -> SessionReport:
        """Cancel what rests, flatten, save, report."""
        if self._last is not None:
            fills, trades = self.engine.close(self._last)
            self._record_fills(fills, trades)
            self._keep(complete=True, sync=True)
        report = self._report(why)
        self._write("stop", {"why": why, "clean": True, "report": report.as_dict()}, sync=True)
        self._beat(None, force=True)
        return report

    # ---------------------------------------------------------------- records

    def _write(self, kind: str, content: dict[str, Any], *, sync: bool = False) -> None:
        if self._journal is not None:
            self._journal.write(kind, content, sync=sync)

    def _count(self, step: Step) -> None:
        self._counts["bars"] += 1
        if step.decision["action"][0] == Action.HOLD:
            self._refusals[gate_name(int(step.decision["gate"][0]))] += 1
        else:
            self._counts["decisions"] += 1
            self._changed.update(changes(step.decision))

    def _record(self, step: Step) -> None:
        self._record_fills(step.fills, step.trades)
        if self._journal is None:
            return
        decided, asked = step.decision[0], step.prediction[0]
        action = Action(decided["action"])
        content = fields(decided) | {
            "bar_ns": int(step.bar["ts_ns"][0]),
            "action": action.name.lower(),
            "reason": Reason(decided["reason"]).name.lower(),
            "gate": gate_name(int(decided["gate"])),
            "trace": [[gate, plain(value), plain(limit)] for gate, value, limit in gates(decided)],
            "probabilities": [plain(float(asked[key])) for key in ("down", "flat", "up")] if asked["valid"] else None,
            "volatility_ticks": plain(step.volatility),
            "features": hashlib.sha256(step.row.tobytes()).hexdigest()[:16],
            "data": "carried" if step.bar["carried"][0] else "traded",
            "micros": round(step.seconds * 1e6, 1),
        }
        self._write("decision", content)
        if step.sends:
            order = {key: content[key] for key in SENT}
            order["client_id"] = f"{self.recipe.lane.name}-{self.feed.session.date:%Y%m%d}-{order['ts_ns']}"
            self._write("order", order, sync=True)

    def _record_fills(self, fills: np.ndarray, trades: np.ndarray) -> None:
        for index, fill in enumerate(fills):
            names = {"role": Role(fill["role"]).name.lower(), "reason": Reason(fill["reason"]).name.lower()}
            self._write("fill", fields(fill) | names, sync=index == len(fills) - 1)
        if trades.size > 0:
            self.trades.append(trades)
        for trade in trades:
            self._write("trade", fields(trade) | {"reason": Reason(trade["reason"]).name.lower()}, sync=True)

    # ------------------------------------------------------------ supervision

    def _seen_halt(self) -> bool:
        if self._desk is None:
            return False
        found = self._desk.halted()
        if (found is None) != (self._halt is None):
            self._write("halt" if found else "resume", found or {"what": "resume"}, sync=True)
            self._counts["halts"] += found is not None
        self._halt = found
        return found is not None

    def _save(self, step: Step) -> None:
        """Save the account at every bar that mattered to it, and every so often."""
        acted = step.fills.size > 0 or step.sends
        regular = self._counts["bars"] % BEAT_BARS == 0
        if acted or regular or self.engine.account["side"][0] != 0:
            self._keep(complete=False, sync=acted)
        if regular:
            self._write("heartbeat", self._pulse(step))
        self._beat(step)

    def _keep(self, *, complete: bool, sync: bool) -> None:
        book = self.engine.broker.memory()
        if self._desk is None or self._last is None or book is None or self._rehearsal:
            return
        last_ns = int(self._last["ts_ns"][0])
        risk = self.recipe.lane.risk
        kept = Kept(risk, self.engine.account, book, self.feed.session.date, last_ns, complete)
        self._desk.account.keep(kept, sync=sync)

    def _pulse(self, step: Step | None) -> dict[str, Any]:
        return {
            "bars": self._counts["bars"],
            "bar_ns": None if self._last is None else int(self._last["ts_ns"][0]),
            "decision": None if step is None else gate_name(int(step.decision["gate"][0])),
            "action": None if step is None else Action(step.decision["action"][0]).name.lower(),
            "equity": int(self.engine.account["equity_cents"][0]) / 100,
            "position": str(self.engine.broker.position()),
            "trades": sum(trades.size for trades in self.trades),
        }

    def _beat(self, step: Step | None, *, force: bool = False) -> None:
        now = clock.monotonic()
        if self._desk is None or (not force and now - self._beat_at < BEAT_S):
            return
        self._beat_at = now
        head = {
            "time": clock.iso(clock.now_ns()),
            "lane": self.recipe.lane.name,
            "session": self.feed.session.date.isoformat(),
            "mode": self.mode,
            "pid": os.getpid(),
            "running": step is not None,
            "halted": self._halt is not None,
            "journal": None if self._journal is None else str(self._journal.path),
        }
        write_json(self._desk.heartbeat, head | self._pulse(step), sync=False)

    def _report(self, why: str) -> SessionReport:
        account = self.engine.account[0]
        trades = np.concatenate([*self.trades, np.empty(0, TRADE)])
        return SessionReport(
            lane=self.recipe.lane.name,
            mode=self.mode,
            session=self.feed.session.date,
            contract=self.feed.contract,
            data=self.recipe.lane.source_key,
            why=why,
            bars=self._counts["bars"],
            decisions=self._counts["decisions"],
            trades=int(trades.size),
            late=int((trades["exit_ns"] > self.engine.timetable["flat_ns"]).sum()),
            halts=self._counts["halts"],
            net=int(trades["net_cents"].sum()) / 100,
            cash=int(account["cash_cents"]) / 100,
            refusals=dict(self._refusals.most_common()),
            changed=dict(self._changed.most_common()),
            latency_ms=_quantiles(self._decide_s, "decide") | _quantiles(self._bar_s, "bar"),
            journal=None if self._journal is None else self._journal.path,
            seconds=round(clock.monotonic() - self._began, 3),
        )


def _quantiles(seconds: list[float], name: str) -> dict[str, float]:
    if not seconds:
        return {}
    low, high = np.quantile(np.array(seconds), (0.5, 0.99)) * 1000
    return {f"{name}_p50": round(float(low), 4), f"{name}_p99": round(float(high), 4)}
