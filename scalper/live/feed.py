"""Feeds: a stored session of the lake, bar by bar."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np

from scalper import clock
from scalper.errors import BadInput, DataUnavailable
from scalper.lake import Lake
from scalper.learn.session import bars_of, context_of, held
from scalper.market import Session, session, sessions
from scalper.settings import Lane

LOOK_BACK = timedelta(days=14)


class ReplayFeed:
    """A stored session as it came: the lane's contract by its roll rule, carried seconds in a one-second lane.

    `pace` seconds pass between bars, 0 is as fast as it goes. Raises DataUnavailable when the lake has no bars of it.
    """

    def __init__(self, lake: Lake, lane: Lane, session: Session, before: Session | None, *, pace: float = 0.0) -> None:
        found = bars_of(lake, lane, session)
        self.session, self.contract, self.bars = session, found.contract, found.bars
        self.context = context_of(lane, held(lake, lane, before))
        self.pace = pace

    def __len__(self) -> int:
        """Bars of the session."""
        return int(self.bars.size)

    def __iter__(self) -> Iterator[np.ndarray]:
        """Bars (1,) from the session's first one."""
        for i in range(self.bars.size):
            if self.pace > 0 and i > 0:
                clock.sleep(self.pace)
            yield self.bars[i : i + 1]


def session_before(symbol: str, one: Session) -> Session | None:
    """The session before `one` in the calendar."""
    earlier = sessions(symbol, one.date - LOOK_BACK, one.date - timedelta(days=1))
    return earlier[-1] if earlier else None


def stored_day(lake: Lake, lane: Lane, which: str) -> date:
    """The date that `last` or an ISO date names. Raises BadInput for neither, DataUnavailable with an empty lake."""
    if which != "last":
        try:
            return date.fromisoformat(which)
        except ValueError:
            raise BadInput(f"session {which!r}: write a date such as 2026-01-02, or last") from None
    keys = {"source": lane.source_key, "symbol": lane.symbol, "interval": lane.interval}
    days = [day for day in lake.dates("bars", keys) if day >= lane.start and (lane.end is None or day <= lane.end)]
    if not days:
        raise DataUnavailable(f"lane {lane.name}: the lake has no session of {lane.symbol}; import or download first")
    return days[-1]


def open_feed(lake: Lake, lane: Lane, text: str, *, pace: float = 0.0) -> ReplayFeed:
    """The feed that `replay:2026-01-02` or `replay:last` names. Raises BadInput for another kind."""
    kind, _, which = text.partition(":")
    if kind != "replay":
        raise BadInput(f"feed {text!r}: only stored sessions can be fed so far; write replay:last or replay:DATE")
    if not pace >= 0:
        raise BadInput(f"pace {pace}: seconds between bars, 0 or more")
    one = session(lane.symbol, stored_day(lake, lane, which))
    return ReplayFeed(lake, lane, one, session_before(lane.symbol, one), pace=pace)
