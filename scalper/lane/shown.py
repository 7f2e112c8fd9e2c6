"""One session of a lane to look at: every feature of every bar, and the structure that the kernel knew.

Computed from the bars in the lake by the same step as ever; feature files are neither read nor written.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np

from scalper import features
from scalper.errors import BadInput, DataUnavailable
from scalper.features import Feature
from scalper.features.groups import structure
from scalper.features.marks import Mark, marks
from scalper.lake import Lake
from scalper.lane.bars import chosen, keys_of, none_of
from scalper.lane.chart import Frame, between, chart, framed
from scalper.lane.stage import befores, calendar
from scalper.learn.session import bars_of, context_of, held
from scalper.market import instrument
from scalper.settings import Home, Lane

MARKED = ("structure", "amd")
"""The groups that leave marks; drawn whether or not the lane learns from them."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What the page of a session is made of."""

    lane: str
    session: date
    contract: str
    columns: tuple[Feature, ...]
    ts_ns: np.ndarray
    """Starts of the bars (n,), carried seconds among them."""
    close: np.ndarray
    """Their closes in ticks (n,)."""
    x: np.ndarray
    """Features (n, f), NaN before a column's own warm-up."""
    frame: Frame
    marks: list[Mark]
    unmarked: str
    """Why there are no marks, empty if there are."""

    @property
    def title(self) -> str:
        return f"{self.lane}: {self.contract}, session of {self.session}"

    def svg(self, *, regular: bool = False) -> str:
        """The session with its structure; `regular`: of its regular hours only, if it has bars in them."""
        frame, marks = self.frame, self.marks
        if regular and ((frame.ts_ns >= frame.open_ns) & (frame.ts_ns < frame.close_ns)).any():
            frame, marks = between(frame, marks, frame.open_ns, frame.close_ns)
        return chart(frame, marks, self.title)


def catalogue(lane: Lane) -> list[dict[str, Any]]:
    """Every column of the lane in words: name, group, formula, unit, warm-up, kind, inputs, source."""
    return [asdict(one) for one in features.catalogue(lane.features, lane.interval_ns)]


def show_session(lane: Lane, home: Home, day: date | None = None) -> Shown:
    """Compute one session, the last one in the lake if no day is given.

    Raises DataUnavailable when the lake has no such bars, BadInput for a day without a session.
    """
    lake, every = Lake(home.lake), calendar(lane)
    before = befores(every)
    if day is None:
        there = set(lake.dates("bars", keys_of(lane)))
        day = next((one.date for one in reversed(every) if one.date in there), None)
        if day is None:
            raise DataUnavailable(none_of(lane, lake, every))
    (one,) = chosen(every, [day])
    found = bars_of(lake, lane, one)
    left, table = context_of(lane, held(lake, lane, before.get(day))), lane.timetable(one)
    columns = features.catalogue(lane.features, lane.interval_ns)
    windows = features.params(lane.features, lane.interval_ns, masked=False)
    state = features.fresh(found.contract, left, windows)
    x = features.compute(state, windows, found.bars, table, len(columns)).x
    for i, column in enumerate(columns):
        x[: column.warm_up, i] = np.nan
    frame_ns = structure.frame_ns(lane.features, lane.interval_ns)
    frame = framed(found.bars, frame_ns, table, instrument(lane.symbol).tick)
    known, why = _marks(lane, found.contract, left, found.bars, table)
    bars = found.bars
    return Shown(lane.name, day, found.contract, columns, bars["ts_ns"], bars["close"], x, frame, known, why)


def _marks(
    lane: Lane, contract: str, left: np.ndarray | None, bars: np.ndarray, table: np.ndarray
) -> tuple[list[Mark], str]:
    """The marks, or why there are none: in coarse lanes structure is not warm in time."""
    drawn = lane.features.model_copy(update={"groups": MARKED})
    try:
        windows = features.params(drawn, lane.interval_ns, masked=False)
    except BadInput as error:
        return [], str(error)
    columns = len(features.catalogue(drawn, lane.interval_ns))
    return marks(features.fresh(contract, left, windows), windows, bars, table, columns), ""
