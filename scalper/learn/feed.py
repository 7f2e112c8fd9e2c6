"""Rows to learn from, read session by session: a table never lies in memory twice, and a large one not once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from threading import Lock

import numpy as np
import numpy.typing as npt

from scalper.errors import BadInput
from scalper.labels import CLASSES
from scalper.learn.dataset import COLUMNS, Dataset
from scalper.learn.folds import purge

KEPT = 384 << 20
"""Bytes of rows that a Reader keeps, for folds overlap and a training passes over its rows several times."""
Read = Callable[[date], Dataset]


class Reader:
    """Reads sessions and keeps those that came first, up to a number of bytes; folds and threads may share it.

    `stamp` of a session is another once its files were written anew.
    """

    def __init__(self, read: Read, stamp: Callable[[date], object], keep: int = KEPT) -> None:
        self._read, self._stamp, self._left = read, stamp, keep
        self._kept: dict[date, tuple[object, Dataset]] = {}
        self._lock = Lock()

    def __call__(self, day: date) -> Dataset:
        """Every row of a session as its files are now; nobody may write into it."""
        made = self._stamp(day)
        then, kept = self._kept.get(day, (None, None))
        if kept is not None and then == made:
            return kept
        found = self._read(day)
        size = _bytes(found)
        with self._lock:
            if (stale := self._kept.pop(day, None)) is not None:
                self._left += _bytes(stale[1])
            if size <= self._left:
                self._kept[day] = made, found
                self._left -= size
        return found


def _bytes(found: Dataset) -> int:
    return sum(getattr(found, name).nbytes for name in COLUMNS)


@dataclass(frozen=True, slots=True)
class Feed:
    """The labelled rows of some sessions that were known in time, in blocks, one a session, in order of time.

    limit_ns: a label that is known later is left out (None: none is); every: of a session's usable rows each n-th.
    `where` names the rows in errors.
    """

    read: Read
    dates: tuple[date, ...]
    names: tuple[str, ...]
    limit_ns: int | None = None
    every: int = 1
    where: str = "rows"

    def blocks(self) -> Iterator[Dataset]:
        """The usable rows of each session that has any. Raises BadInput for an infinite value or other features."""
        for _, rows in self.sequences(1):
            yield rows

    def sequences(self, span: int) -> Iterator[tuple[npt.NDArray[np.float32], Dataset]]:
        """What a model with a memory of `span` rows reads for each usable row of a session, and these rows.

        The rows before it are all of the session that a model may be asked about, usable or not, as in a live session.
        """
        for day in self.dates:
            found = self.read(day)
            if found.names != self.names:
                raise BadInput(
                    f"{self.where}: the features of {day} are not those of the lane; build the features again"
                )
            keep = found.labelled()
            if self.limit_ns is not None:
                keep &= purge(found.end_ns, self.limit_ns)
            chosen = np.flatnonzero(keep)[:: self.every]
            rows = found.rows(chosen)
            if len(rows):
                self._finite(rows if span == 1 else found, day)  # a memory reads rows without a label too
                yield (rows.x if span == 1 else windows(found.x, span)[chosen]), rows

    def _finite(self, rows: Dataset, day: date) -> None:
        infinite = np.isinf(rows.x)
        if infinite.any():
            row, column = (int(at[0]) for at in np.nonzero(infinite))
            raise BadInput(
                f"{self.where}: feature {self.names[column]} is infinite at ts_ns {rows.ts_ns[row]} of session {day}; "
                "build the features of that session again"
            )

    def between(self, dates: Sequence[date], limit_ns: int | None = None, every: int | None = None) -> Feed:
        """The same over other sessions; limit and thinning as given, or as they are."""
        return replace(
            self,
            dates=tuple(dates),
            limit_ns=self.limit_ns if limit_ns is None else limit_ns,
            every=self.every if every is None else every,
        )

    def gather(self) -> Dataset:
        """All of it in memory at once. Raises BadInput if there is nothing."""
        blocks = list(self.blocks())
        if not blocks:
            raise BadInput(f"{self.where}: no row has a label that is known in time; lengthen the window")
        sizes = [len(block) for block in blocks]
        columns = {name: np.concatenate([getattr(block, name) for block in blocks]) for name in COLUMNS}
        columns["session"] = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
        dates = tuple(block.dates[int(block.session[0])] for block in blocks)
        return Dataset(**columns, dates=dates, names=self.names)

    @classmethod
    def of(cls, data: Dataset, where: str = "rows", limit_ns: int | None = None) -> Feed:
        """A feed of rows that lie in memory."""
        at = {day: data.between(index, index + 1) for index, day in enumerate(data.dates)}
        return cls(at.__getitem__, data.dates, data.names, limit_ns, where=where)


@dataclass(frozen=True, slots=True)
class Survey:
    """What one pass over a feed tells before anything is learned.

    counts (3,) rows of each class; sessions: rows of each session that has any; class_moves (3,) mean of move over
    volatility of each class (0 without rows); usual_move: mean of |move| over volatility; weights: sum of
    uniqueness of each session;
    constant: features that have the same value in every row, or none at all; missing: whether any value is; first_ns:
    of each session's rows.
    """

    counts: tuple[int, int, int]
    sessions: dict[date, int]
    class_moves: tuple[float, float, float]
    usual_move: float
    weights: dict[date, float]
    constant: tuple[str, ...]
    missing: bool
    first_ns: dict[date, int]

    @property
    def rows(self) -> int:
        return sum(self.counts)

    def mean_weight(self, days: Iterable[date]) -> float:
        """Mean uniqueness of the rows of some sessions."""
        mine = list(days)
        return sum(self.weights[day] for day in mine) / sum(self.sessions[day] for day in mine)

    @property
    def absent(self) -> tuple[str, ...]:
        """Classes without a row, in words."""
        return tuple(name.upper() for name, count in zip(CLASSES, self.counts, strict=True) if count == 0)


def survey(feed: Feed) -> Survey:
    """Pass over a feed once. Raises BadInput if it has no rows, or one that is infinite."""
    counts, ratio, sound_counts = np.zeros(3, np.int64), np.zeros(3), np.zeros(3, np.int64)
    size, first, sessions, weights = 0.0, dict[date, int](), dict[date, int](), dict[date, float]()
    low, high, missing = np.full(len(feed.names), np.inf), np.full(len(feed.names), -np.inf), False
    for block in feed.blocks():
        day = block.dates[int(block.session[0])]
        sessions[day], first[day] = len(block), int(block.ts_ns[0])
        counts += np.bincount(block.label, minlength=3)
        weights[day] = float(block.weight.sum(dtype=np.float64))
        sound = moving(block)
        moved = block.move_ticks[sound].astype(np.float64) / block.volatility_ticks[sound]
        ratio += np.bincount(block.label[sound], weights=moved, minlength=3)
        sound_counts += np.bincount(block.label[sound], minlength=3)
        size += float(np.abs(moved).sum())
        missing = missing or bool(np.isnan(block.x.min()))
        low, high = np.fmin(low, np.fmin.reduce(block.x, axis=0)), np.fmax(high, np.fmax.reduce(block.x, axis=0))
    rows = int(counts.sum())
    if rows == 0:
        raise BadInput(f"{feed.where}: no row has a label that is known in time; lengthen the window")
    mean = ratio / np.maximum(sound_counts, 1)
    return Survey(
        counts=(int(counts[0]), int(counts[1]), int(counts[2])),
        sessions=sessions,
        class_moves=(float(mean[0]), float(mean[1]), float(mean[2])),
        usual_move=size / max(int(sound_counts.sum()), 1),
        weights=weights,
        constant=tuple(name for name, same in zip(feed.names, ~(low < high), strict=True) if same),
        missing=missing,
        first_ns=first,
    )


def windows(x: npt.NDArray[np.float32], span: int) -> npt.NDArray[np.float32]:
    """What a model reads of consecutive rows x (n, f) of one session: them, or of each it and the span - 1 before it,
    (n, span, f); rows before the first are missing."""
    if span == 1:
        return x
    early = np.full((span - 1, x.shape[1]), np.nan, np.float32)
    every = np.lib.stride_tricks.sliding_window_view(np.concatenate([early, x]), span, axis=0)
    return np.ascontiguousarray(every.transpose(0, 2, 1))


def moving(block: Dataset) -> np.ndarray:
    """Mask of the rows whose move can be told in volatilities."""
    return (block.volatility_ticks > 0) & np.isfinite(block.move_ticks)
