"""The brain at work on one bar: fills, features, prediction, decision. No files and no threads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self, cast

import numpy as np

from scalper import clock, features
from scalper.errors import BadInput
from scalper.learn.recipe import Recipe
from scalper.learn.session import tradable
from scalper.live.protocols import Broker
from scalper.market import Session
from scalper.policy import (
    ACCOUNT,
    DECISION,
    PREDICTION,
    TRADE,
    Action,
    Gate,
    Reason,
    kernel,
    open_account,
    rules,
    trace,
)

HALTED = 90
"""The gate of a person's halt; it stands behind every gate of the policy."""
BY_HAND = "halted by a person"
OUT = (Action.EXIT, Action.FLATTEN)
ORDER = ("partial_contracts", "stop_ticks", "target_ticks", "partial_ticks")
"""Of a decision: what only an entry has."""
_core = cast(Any, kernel)


def gate_name(code: int) -> str:
    """A decision's gate in words."""
    return BY_HAND if code == HALTED else Gate(code).name.lower()


def gates(decision: np.void) -> list[tuple[str, float, float]]:
    """The gate trace of a decision, a record of DECISION: gate, value and limit of each that refused or changed it."""
    return [(BY_HAND, 0.0, 0.0)] if decision["gate"] == HALTED else trace(decision)


@dataclass(frozen=True, slots=True)
class Step:
    """What one bar led to; every array is a copy, (1,) but for fills (k,), trades (j,) and row (1, f)."""

    bar: np.ndarray
    fills: np.ndarray
    trades: np.ndarray
    row: np.ndarray
    aux: np.ndarray
    """Of AUX."""
    prediction: np.ndarray
    decision: np.ndarray
    seconds: float
    """From the bar's arrival to the decision."""

    @property
    def volatility(self) -> float:
        """In ticks, NaN where not warm."""
        return float(self.aux["volatility_ticks"][0])

    @property
    def sends(self) -> bool:
        """Whether the decision asks the broker for something: an order, or another level of the resting stop."""
        return bool(self.decision["action"][0] != Action.HOLD or self.decision["stop"][0] != 0)


class Engine:
    """The state of a session and the step that moves it on, in the order of simulate.kernel.run_session.

    account (1,) of ACCOUNT goes on where it was (a copy is used), None opens one; `context` (1,) is what the session
    before left.
    """

    def __init__(
        self,
        recipe: Recipe,
        session: Session,
        contract: str,
        broker: Broker,
        *,
        account: np.ndarray | None = None,
        context: np.ndarray | None = None,
    ) -> None:
        lane = recipe.lane
        self.recipe, self.broker = recipe, broker
        self.timetable = lane.timetable(session)
        self.rules = rules(lane, recipe.choice)
        self.account = open_account(lane) if account is None else account.copy()
        windows = features.params(lane.features, lane.interval_ns)
        columns = len(features.catalogue(lane.features, lane.interval_ns))
        self._stream = features.Stream(features.fresh(contract, context, windows), windows, self.timetable, columns)
        self._scorer = recipe.model.scorer()

    def open(self) -> None:
        """Start the session: its counters begin, the account's limits go on."""
        _core.open_session(self.account[0], self.rules[0])

    def warm_up(self, bar: np.ndarray) -> None:
        """Take a bar that was decided on before a restart into the features, and into what the model remembers."""
        row, volatility = self._stream.push(bar)
        if self._askable(bar, volatility):
            self._scorer.push(row)

    def on_bar(self, bar: np.ndarray, *, halted: bool = False) -> Step:
        """Fills of the bar (1,), then the decision at its close; `submit` passes it on."""
        began = clock.monotonic()
        fills = self.broker.advance(bar)
        trades = self._book(fills)
        row, volatility = self._stream.push(bar)
        prediction = self._predict(bar, row, volatility)
        decision = np.zeros(1, DECISION)
        aux, norms = self._stream.aux, self.recipe.norms
        account, limits, table = self.account[0], self.rules[0], self.timetable[0]
        _core.step(account, limits, bar[0], aux[0], prediction[0], table, norms, decision[0])
        if halted:
            self._halt(decision[0])
        seconds = clock.monotonic() - began
        return Step(bar.copy(), fills, trades, row.copy(), aux.copy(), prediction, decision, seconds)

    def submit(self, step: Step) -> None:
        """Pass a step's decision on to the broker."""
        self.broker.submit(step.decision)

    def close(self, bar: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """After the last bar (1,): cancel what rests and flatten; its fills (k,) and trades (j,)."""
        fills = self.broker.close_out(bar)
        trades = self._book(fills)
        _core.close_session(self.account[0], self.rules[0])
        return fills, trades

    def save(self) -> tuple[bytes, bytes, bytes]:
        """Features, account and the model's last rows as bytes; with the broker's memory all that a restart needs."""
        return self._stream.state.tobytes(), self.account.tobytes(), self._scorer.save()

    def restore(self, saved: tuple[bytes, bytes, bytes]) -> Self:
        """Go on from saved bytes. Raises BadInput if another version or other features made them."""
        self._stream.state = features.restore(saved[0], self._stream.windows)
        self.account = record(saved[1], ACCOUNT, "account")
        self._scorer.restore(saved[2])
        return self

    def _book(self, fills: np.ndarray) -> np.ndarray:
        trades = np.zeros(fills.size + 1, TRADE)
        closed = 0
        for fill in fills:
            closed += int(_core.on_fill(self.account[0], self.rules[0], fill, trades[closed]))
        return trades[:closed]

    def _predict(self, bar: np.ndarray, row: np.ndarray, volatility: float) -> np.ndarray:
        """One row through the model where it may be asked."""
        return self._scorer.predict(row, volatility) if self._askable(bar, volatility) else np.zeros(1, PREDICTION)

    def _askable(self, bar: np.ndarray, volatility: float) -> bool:
        """A traded bar in the lane's hours, warm."""
        return not np.isnan(volatility) and bool(tradable(bar, self.timetable)[0])

    def _halt(self, decision: Any) -> None:
        """Override the policy: no entry, and what is open or under way goes off, if it is not on its way out."""
        a = self.account[0]
        held, waiting = a["side"] != 0, decision["action"] == Action.HOLD and a["working"] != Action.HOLD
        if decision["action"] in OUT or (waiting and a["working"] in OUT):
            return
        for key in ORDER:
            decision[key] = 0
        if not waiting:
            a["working_contracts"] = 0
        off = held or waiting
        decision["action"] = a["working"] = Action.FLATTEN if off else Action.HOLD
        decision["side"], decision["contracts"] = a["side"], a["contracts"]
        decision["reason"] = Reason.LIMIT if off else Reason.NONE
        decision["gate"], decision["value"], decision["bound"] = HALTED, 0.0, 0.0


def record(saved: bytes, dtype: np.dtype[Any], what: str) -> np.ndarray:
    """A record (1,) from its bytes. Raises BadInput if the size is another version's."""
    if len(saved) != dtype.itemsize:
        raise BadInput(f"saved {what}: {len(saved)} bytes, this version has {dtype.itemsize}; start from a new one")
    return np.frombuffer(saved, dtype).copy()
