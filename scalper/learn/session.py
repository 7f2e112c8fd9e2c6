"""A session made ready: its bars, its times and its rows of features, in batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scalper import features
from scalper.errors import DataUnavailable
from scalper.features import Block
from scalper.labels import direction
from scalper.lake import Lake, SessionBars, read_session
from scalper.market import Session, carry
from scalper.settings import Lane


@dataclass(frozen=True, slots=True)
class Prepared:
    """What every use of a session starts from: bars (n,) BAR, timetable (1,), features of every bar."""

    session: Session
    contract: str
    bars: np.ndarray
    timetable: np.ndarray
    block: Block
    dropped: int
    """Rows of other contracts that the roll rule left out."""

    @property
    def rows(self) -> np.ndarray:
        """Mask (n,) of the bars a model may be asked about: traded, in the lane's hours, warm."""
        return tradable(self.bars, self.timetable) & self.block.warm


def tradable(bars: np.ndarray, timetable: np.ndarray) -> np.ndarray:
    """Mask (n,) of traded bars inside the lane's hours."""
    t = timetable[0]
    end = bars["ts_ns"] + t["interval_ns"]
    return (bars["carried"] == 0) & (bars["ts_ns"] >= t["trade_from_ns"]) & (end <= t["trade_to_ns"])


def bars_of(lake: Lake, lane: Lane, session: Session) -> SessionBars:
    """The session's bars of the contract that the lane's roll rule holds; carried seconds in a one-second lane."""
    found = read_session(
        lake, source=lane.source_key, symbol=lane.symbol, interval=lane.interval, session=session, roll=lane.roll
    )
    if lane.interval != "1s":
        return found
    return SessionBars(found.session, found.contract, carry(found.bars, session, lane.interval_ns), found.dropped)


def context_of(lake: Lake, lane: Lane, session: Session, before: Session | None) -> np.ndarray | None:
    """The context (1,) that the session before left, None without one in the lake."""
    if before is None:
        return None
    try:
        left = bars_of(lake, lane, before)
    except DataUnavailable:
        return None
    return features.context(left.contract, left.bars)


def prepare(lake: Lake, lane: Lane, session: Session, before: Session | None) -> Prepared:
    """Bars and features of one session; `before` is the session before it in the calendar.

    Raises DataUnavailable when the lake has no bars of the session's contract.
    """
    found = bars_of(lake, lane, session)
    windows = features.params(lane.features, lane.interval_ns)
    columns = len(features.catalogue(lane.features, lane.interval_ns))
    state = features.fresh(found.contract, context_of(lake, lane, session, before))
    table = lane.timetable(session)
    block = features.compute(state, windows, found.bars, table, columns)
    return Prepared(session, found.contract, found.bars, table, block, found.dropped)


def labels_of(lane: Lane, bars: np.ndarray, timetable: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Label, move and label end of every bar of a session (see labels.direction)."""
    return direction(
        bars,
        timetable,
        horizon=lane.labels.horizon,
        threshold_ticks=lane.labels.threshold_ticks,
        stale_s=lane.policy.stale_s,
    )
