"""Norms: what is usual in each minute of a session, which the policy holds the market's condition against."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any, cast

import numpy as np

from scalper.errors import DataUnavailable
from scalper.lake import Lake
from scalper.learn.session import is_flat, prepare, stamps
from scalper.market import session
from scalper.policy import ACCOUNT, NORM, minutes, unknown_norms
from scalper.settings import Lane

FEWEST = 5
"""Of a minute that fewer sessions had, nothing is usual."""

_observe = cast(Any, minutes).observe
"""The compiled scan; its records have no static types."""


def seen(bars: np.ndarray, aux: np.ndarray, timetable: np.ndarray) -> np.ndarray:
    """(MINUTES,) of NORM: volatility and volume of one session's completed minutes, NaN where there was none.

    bars (n,) of BAR with the carried seconds of a one-second lane, aux (n,) of AUX, timetable (1,).
    """
    out = unknown_norms()
    scratch = np.zeros(1, ACCOUNT)
    scratch["last_minute"] = -1
    _observe(scratch, bars, aux, timetable, out)
    return out


def medians(sessions: Iterable[np.ndarray]) -> np.ndarray:
    """(MINUTES,) of NORM: the median of each minute over what was `seen` in some sessions; NaN of fewer than FEWEST."""
    out = unknown_norms()
    every = list(sessions)
    if len(every) < FEWEST:
        return out
    for name in NORM.names or ():
        values = np.stack([one[name] for one in every])
        often = np.isfinite(values).sum(axis=0) >= FEWEST
        out[name][often] = np.nanmedian(values[:, often], axis=0)
    return out


class Norms:
    """The norms of any train window of a lane; each session is scanned once, for the windows overlap.

    Threads may share it; a session that was written anew is scanned anew.
    """

    def __init__(self, lane: Lane, lake: Lake) -> None:
        self._lane, self._lake = lane, lake
        self._seen: dict[date, tuple[tuple[int, ...], np.ndarray | None]] = {}

    def of(self, days: Iterable[date]) -> np.ndarray:
        """(MINUTES,) of NORM over these sessions, of which flat ones tell nothing. Raises DataUnavailable."""
        return medians([one for day in days if (one := self._session(day)) is not None])

    def _session(self, day: date) -> np.ndarray | None:
        """What was seen in a session, None in a flat one."""
        made = stamps(self._lake, self._lane, day)
        then, found = self._seen.get(day, (None, None))
        if then != made:
            found = self._scan(day)
            self._seen[day] = made, found
        return found

    def _scan(self, day: date) -> np.ndarray | None:
        try:  # the volatility of a minute knows nothing of the session before
            ready = prepare(self._lake, self._lane, session(self._lane.symbol, day), None)
        except DataUnavailable:
            if is_flat(self._lake, self._lane, day):
                return None
            raise
        return seen(ready.bars, ready.block.aux, ready.timetable)
