"""Where rows belong: the session of their stamp."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from scalper.compiled import kernel
from scalper.lake.files.readers import DAILY, DAY_NS, day_of
from scalper.market import Session, sessions

NOWHERE, NOTHING = -1, -2
"""The place of a row outside every session, and of one without volume; else days since 1970 of the session's date."""

Int64s = npt.NDArray[np.int64]


class Calendar:
    """Where stamps belong: the sessions of a product, or UTC days for bars of such."""

    def __init__(self, symbol: str, interval: str) -> None:
        self._symbol, self._daily = symbol, interval == DAILY
        self._years = range(0)
        self._pieces = np.zeros((0, 3), np.int64)

    def places(self, ts_ns: Int64s, volume: Int64s) -> tuple[npt.NDArray[np.int32], int, int]:
        """For each row the place (int32), and how many are NOWHERE and NOTHING."""
        if self._daily:
            place = np.where(volume > 0, ts_ns // DAY_NS, NOTHING).astype(np.int32)
            return place, 0, int((place == NOTHING).sum())
        first, last = day_of(int(ts_ns.min())).year, day_of(int(ts_ns.max())).year
        if first not in self._years or last not in self._years:
            low, high = min([first, *self._years]), max([last, *self._years])
            self._years = range(low, high + 1)
            around = sessions(self._symbol, date(low, 1, 1) - timedelta(days=7), date(high, 12, 31) + timedelta(days=7))
            self._pieces = np.array(sorted(_open_pieces(around)), np.int64).reshape(-1, 3)
        place = np.empty(len(ts_ns), np.int32)
        counts = np.zeros(2, np.int64)
        locate_rows(ts_ns, volume, self._pieces, place, counts)
        return place, int(counts[0]), int(counts[1])


def _open_pieces(around: Sequence[Session]) -> Iterator[tuple[int, int, int]]:
    """When the sessions are open, [start, end) without halts, and their dates in days since 1970."""
    for one in around:
        day = (one.date - date(1970, 1, 1)).days
        edges = [one.open_ns, *(edge for halt in one.halts for edge in halt), one.close_ns]
        yield from ((start, end, day) for start, end in zip(edges[::2], edges[1::2], strict=True))


@kernel
def locate_rows(ts_ns: Any, volume: Any, pieces: Any, place: Any, counts: Any) -> None:
    """Fill `place` from the sorted open `pieces` (start, end, day); count NOWHERE and NOTHING. Neighbours are fast."""
    k = 0
    for i in range(len(ts_ns)):
        ts = ts_ns[i]
        if volume[i] == 0:
            place[i] = NOTHING
            counts[1] += 1
            continue
        if ts < pieces[k, 0] or ts >= pieces[k, 1]:
            low, high = 0, len(pieces)  # the last piece that begins at or before the stamp
            while low < high:
                middle = (low + high) // 2
                if pieces[middle, 0] <= ts:
                    low = middle + 1
                else:
                    high = middle
            k = max(low - 1, 0)
            if ts < pieces[k, 0] or ts >= pieces[k, 1]:
                place[i] = NOWHERE
                counts[0] += 1
                continue
        place[i] = pieces[k, 2]
