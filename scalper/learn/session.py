"""Sessions made ready: bars, times and rows of features, in batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from scalper import features
from scalper.errors import BadInput, DataUnavailable
from scalper.features import Block
from scalper.labels import label_rows
from scalper.lake import Lake, SessionBars, bar_keys, read_session
from scalper.market import FLOW, Session, carry
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
    """The session's bars of the contract that the lane's roll rule holds; carried seconds in a one-second lane.

    Raises DataUnavailable without any, BadInput if they lack the order flow that the lane's features read.
    """
    found = traded_bars(lake, lane, session)
    need_flow(lane, found)
    return SessionBars(found.session, found.contract, carried(lane, session, found.bars), found.dropped)


def carried(lane: Lane, session: Session, traded: np.ndarray) -> np.ndarray:
    """Traded bars of a session as the kernel steps over them: with the carried seconds of a one-second lane."""
    return carry(traded, session, lane.interval_ns) if lane.interval == "1s" else traded


def traded_bars(lake: Lake, lane: Lane, session: Session) -> SessionBars:
    """The same without the carried seconds, and whatever they tell."""
    return read_session(
        lake, source=lane.source_key, symbol=lane.symbol, interval=lane.interval, session=session, roll=lane.roll
    )


def held(lake: Lake, lane: Lane, session: Session | None) -> SessionBars | None:
    """The traded bars, None where the lake has none of the contract: the lane is flat then."""
    if session is None:
        return None
    try:
        return traded_bars(lake, lane, session)
    except DataUnavailable:
        return None


def need_flow(lane: Lane, found: SessionBars) -> None:
    """Raise BadInput if no bar of the session tells some of the order flow that the lane's features read."""
    told = int(np.bitwise_or.reduce(found.bars["known"]))
    silent = {name for name, bit in FLOW.items() if not told & bit}
    deaf = [one for one in features.catalogue(lane.features, lane.interval_ns) if silent.intersection(one.inputs)]
    if deaf:
        groups = ", ".join(dict.fromkeys(one.group for one in deaf))
        columns = ", ".join(sorted(silent & {name for one in deaf for name in one.inputs}))
        raise BadInput(
            f"lane {lane.name}, session {found.session.date}: its bars of {found.contract} tell nothing of {columns}, "
            f"which the features {groups} read; leave these out of features.groups, or start where the source has them"
        )


def context_of(lane: Lane, left: SessionBars | None) -> np.ndarray | None:
    """The context (1,) that the session before left with these bars, None without any."""
    return None if left is None else features.context(left.contract, left.bars, lane.interval_ns)


def prepare(lake: Lake, lane: Lane, session: Session, before: Session | None) -> Prepared:
    """Bars and features of one session; `before` is the session before it in the calendar.

    Raises DataUnavailable when the lake has no bars of the session's contract.
    """
    found = bars_of(lake, lane, session)
    windows = features.params(lane.features, lane.interval_ns)
    columns = len(features.catalogue(lane.features, lane.interval_ns))
    state = features.fresh(found.contract, context_of(lane, held(lake, lane, before)), windows)
    table = lane.timetable(session)
    block = features.compute(state, windows, found.bars, table, columns)
    return Prepared(session, found.contract, found.bars, table, block, found.dropped)


def labels_of(
    lane: Lane, bars: np.ndarray, timetable: np.ndarray, volatility: np.ndarray, rows: np.ndarray
) -> np.ndarray:
    """The labels (m,) ROWS of the traded bars in a mask `rows` (n,); bars (n,) may be carried, volatility (n,)."""
    traded = bars["carried"] == 0
    index = np.cumsum(traded)[rows] - 1
    return label_rows(bars[traded], index, volatility[rows], timetable, lane.labels, stale_s=lane.policy.stale_s)


def is_flat(lake: Lake, lane: Lane, day: date) -> bool:
    """Whether a session without bars never had any: then its file of features has no row."""
    return lake.read("features", {"lane": lane.name, "date": day.isoformat()}).height == 0


def stamps(lake: Lake, lane: Lane, *days: date) -> tuple[int, ...]:
    """When bars, features and labels of sessions were written last: what was read before is stale if one is another."""
    found: list[int] = []
    for day in days:
        keys = {"lane": lane.name, "date": day.isoformat()}
        bars = bar_keys(lane.source_key, lane.symbol, lane.interval, day)
        places = (("bars", bars), ("features", keys), ("labels", keys))
        found += [lake.storage.written_ns(lake.name(kind, one)) for kind, one in places]
    return tuple(found)


class Sessions:
    """The lane's sessions made ready on demand; the ones used last are kept."""

    def __init__(self, lane: Lane, lake: Lake, calendar: Sequence[Session], keep: int = 96) -> None:
        self.lane, self.lake, self.keep = lane, lake, keep
        self._at = {one.date: index for index, one in enumerate(calendar)}
        self._calendar = calendar
        self._ready: dict[date, tuple[tuple[int, ...], Prepared]] = {}

    def before(self, day: date) -> Session | None:
        """The session before `day` in the calendar."""
        index = self._at[day]
        return self._calendar[index - 1] if index else None

    def session(self, day: date) -> Session:
        """The session of a day of the calendar."""
        return self._calendar[self._at[day]]

    def find(self, day: date) -> Prepared | None:
        """Bars and features of a session, None for a flat one: it has a file of features without a row.

        Raises DataUnavailable when a session with rows has lost its bars.
        """
        try:
            return self.ready(day)
        except DataUnavailable:
            if is_flat(self.lake, self.lane, day):
                return None
            raise

    def ready(self, day: date) -> Prepared:
        """Bars and features of a session. Raises DataUnavailable when the lake lacks it."""
        before = self.before(day)
        made = stamps(self.lake, self.lane, *([before.date] if before else []), day)
        then, found = self._ready.pop(day, (None, None))
        if found is None or then != made:
            found = prepare(self.lake, self.lane, self._calendar[self._at[day]], before)
        self._ready[day] = made, found
        while len(self._ready) > self.keep:
            self._ready.pop(next(iter(self._ready)))
        return found
