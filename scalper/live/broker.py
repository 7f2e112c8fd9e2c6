"""The brokers that exist: one with simulated fills, one that sends nothing."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from scalper.live.protocols import Position
from scalper.policy import DECISION, FILL, Action, Role
from scalper.settings import SimulationSettings
from scalper.simulate import kernel, market, new_book

# the compiled functions have no static types
_core = cast(Any, kernel)


class SimBroker:
    """Fills from the compiled functions that the simulation calls, with the lane's fill model.

    `timetable` (1,) and `rules` (1,) are the session's; `book` (1,) of simulate.kernel.BOOK goes on where a broker left
    off (a copy is used). `extra_slippage` ticks are taken from every market and stop order without the policy knowing.
    """

    name = "sim"

    def __init__(
        self,
        settings: SimulationSettings,
        timetable: np.ndarray,
        rules: np.ndarray,
        *,
        book: np.ndarray | None = None,
        extra_slippage: int = 0,
    ) -> None:
        self._book = new_book() if book is None else book.copy()
        self._market = market(settings)
        self._market["extra"] += extra_slippage
        self._timetable, self._rules = timetable, rules
        self._fills = np.zeros(kernel.MAX_FILLS, FILL)

    def advance(self, bar: np.ndarray) -> np.ndarray:
        """Let a bar happen to the book."""
        n: int = _core.advance(self._book[0], self._market[0], bar[0], self._timetable[0], self._fills)
        return self._fills[:n].copy()

    def submit(self, decision: np.ndarray) -> None:
        """Put a decision into the book: its order meets the next traded bar, its stop rests from the next bar on."""
        _core.submit(self._book[0], self._market[0], self._rules[0], decision[0])

    def position(self) -> Position:
        """What the book holds."""
        return Position(int(self._book["side"][0]), int(self._book["contracts"][0]))

    def close_out(self, bar: np.ndarray) -> np.ndarray:
        """Drop the order under way and close the position at the bar's close, with slippage."""
        n: int = _core.close_out(self._book[0], self._market[0], bar[0], self._timetable[0], self._fills)
        return self._fills[:n].copy()

    def memory(self) -> np.ndarray:
        """The book (1,): nobody else remembers a simulated position."""
        return self._book


class NoBroker:
    """Sends nothing: every order lapses at the next bar, so that shadow mode goes on deciding from a flat account."""

    name = "none"

    def __init__(self) -> None:
        self._pending = np.zeros(1, DECISION)

    def advance(self, bar: np.ndarray) -> np.ndarray:
        """The lapse of the order before, if there was one."""
        fills = np.zeros(int(self._pending["action"][0] != Action.HOLD), FILL)
        fills["ts_ns"], fills["role"] = bar["ts_ns"], Role.LAPSE
        fills["reason"], fills["side"] = self._pending["reason"], self._pending["side"]
        self._pending["action"] = Action.HOLD
        return fills

    def submit(self, decision: np.ndarray) -> None:
        """Remember whether an order was wished for."""
        self._pending[:] = decision

    def position(self) -> Position:
        """Always flat."""
        return Position(0, 0)

    def close_out(self, bar: np.ndarray) -> np.ndarray:
        """The lapse of the last order, if there was one."""
        return self.advance(bar)

    def memory(self) -> None:
        """Nothing to remember."""
        return
