"""The kept rows of one session after another, column by column, in buffers that are used again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from scalper.features import rows_kernel
from scalper.features.kernel import AUX
from scalper.market import BAR

PAGE = 1024
"""Columns lie whole pages of memory and one line of the cache apart: their newest values never share a cache set."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a session that are kept: traded, in the lane's hours, warm; valid until the next scan.

    columns (f, m) float32, each contiguous; aux (m,) of AUX; index (m,) of the traded bars.
    """

    columns: np.ndarray
    aux: np.ndarray
    index: np.ndarray


class RowScan:
    """One thread's way from traded bars to rows; `width` columns by the parameters `windows`."""

    def __init__(self, windows: np.ndarray, width: int) -> None:
        self._windows, self._width = windows, width
        self._carried, self._row = np.zeros(1, BAR), np.empty(width, np.float32)
        self._make_room(0)

    def scan(self, state: np.ndarray, bars: np.ndarray, timetable: np.ndarray) -> Rows:
        """The rows of a session's traded bars (n,) BAR, ascending, from a fresh state on, which moves on.

        The same bits as of `compute` over the bars with their carried seconds (market.carry).
        """
        if bars.size > self._index.size:
            self._make_room(bars.size)
        columns, aux, index = self._columns, self._aux, self._index
        scan: Any = cast(Any, rows_kernel).scan_rows
        kept = scan(state, self._windows, bars, timetable, self._carried, self._row, columns, aux, index)
        return Rows(columns[:, :kept], aux[:kept], index[:kept])

    def _make_room(self, bars: int) -> None:
        room = -(-bars // PAGE) * PAGE + 16
        self._columns = np.empty((self._width, room), np.float32)
        self._aux = np.empty(room, AUX)
        self._index = np.empty(room, np.int64)
