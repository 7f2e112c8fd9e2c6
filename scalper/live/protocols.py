"""What the executor needs from the world: bars from a feed, fills from a broker.

Both are contracts that others may implement; tests/live holds the conformance tests that an implementation passes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from scalper.market import Session

Mode = Literal["shadow", "paper", "canary", "live"]
"""shadow: decide, send nothing; paper: simulated fills; canary: one contract of real money; live: real money."""


@dataclass(frozen=True, slots=True)
class Position:
    """What a broker holds for the account: side +1 long, -1 short, 0 flat."""

    side: int
    contracts: int

    def __str__(self) -> str:
        """Such as `long 2`."""
        return "flat" if self.side == 0 else f"{'long' if self.side > 0 else 'short'} {self.contracts}"


@runtime_checkable
class Feed(Protocol):
    """The bars of one session.

    Iterating gives every bar of `contract` from the session's first one, each once, as an array (1,) of BAR in rising
    order of `ts_ns`, no earlier than its close; in a one-second lane seconds without a trade come as carried bars.
    A new iteration starts again at the first bar (an executor that restarts warms up from there).
    `context` is the record (1,) that the session before left, None without one.
    """

    @property
    def session(self) -> Session:
        """The session whose bars these are."""
        ...

    @property
    def contract(self) -> str:
        """The contract that the lane's roll rule holds in the session."""
        ...

    @property
    def context(self) -> np.ndarray | None:
        """The record (1,) of features.CONTEXT that the session before left."""
        ...

    def __iter__(self) -> Iterator[np.ndarray]:
        """Bars (1,) of BAR from the session's first one."""
        ...


@runtime_checkable
class Broker(Protocol):
    """Who turns decisions into fills.

    The executor calls, for each bar: `advance` once, then `submit` once; `close_out` once at the end. All fills since
    the call before come from `advance`, in the order in which they happened, each once.
    A position is protected from its first moment: stop and targets of a decision rest from the bar of its fill. Another
    level of the stop (`stop` of a decision) is answered by a fill of role AMEND once it rests.
    An order that will not fill any more, or what is left of it, is answered by a fill of role LAPSE. While an order is
    under way none is sent but EXIT and FLATTEN: these call off what is left of an entry and close what is open.
    """

    @property
    def name(self) -> str:
        """As it stands in the journal."""
        ...

    def advance(self, bar: np.ndarray) -> np.ndarray:
        """What happened up to the close of this bar (1,) of BAR: (k,) of FILL."""
        ...

    def submit(self, decision: np.ndarray) -> None:
        """Take a decision (1,) of DECISION: its order, and the new level of the stop; a HOLD may have the latter."""
        ...

    def position(self) -> Position:
        """What the broker holds now; the truth for every reconciliation."""
        ...

    def close_out(self, bar: np.ndarray) -> np.ndarray:
        """Cancel what rests and close what is open after the last bar (1,): (k,) of FILL; then the position is flat."""
        ...

    def memory(self) -> np.ndarray | None:
        """The record (1,) that must survive a restart; None for a broker that remembers by itself."""
        ...
