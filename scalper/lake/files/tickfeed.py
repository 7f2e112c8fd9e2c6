"""Ticks of many contracts and sessions to chunks of bars, every tick accounted for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from scalper.errors import BadInput
from scalper.lake.files.checks import MOST_CONTRACTS
from scalper.lake.files.readers import OUTSIDE, UNTRADED, Chunk, day_of
from scalper.market import INTERVALS, Session, instrument, sessions
from scalper.market.bars import GRID_SLACK
from scalper.market.ticks import Bars, TickBars, backwards, to_frame

Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Ticks:
    """Ticks of one contract in file order, as TickBars.push takes them; `rows` number the file's rows."""

    ts_ns: Int64s
    price: Int64s
    size: Int64s
    side: npt.NDArray[np.int8]
    rows: Int64s
    quotes: Bars | None = None

    def __getitem__(self, part: slice) -> Ticks:
        quotes = None if self.quotes is None else self.quotes[part]
        return Ticks(self.ts_ns[part], self.price[part], self.size[part], self.side[part], self.rows[part], quotes)


class TickFeed:
    """Takes the ticks of a file, gives its bars; a session's bars are made of that session's ticks alone.

    The tick rule and the order flow start anew with every session, and with every feed: a file that begins inside a
    session has no side for its first trades, until a price changes. Ticks outside the sessions are dropped, a bar never
    reaches from one session into another.
    """

    def __init__(
        self, symbol: str, interval: str, where: Path, *, quotes: bool = False, untraded: str = UNTRADED
    ) -> None:
        """`quotes`: the ticks carry quotes; `untraded`: the reason under which a tick of size 0 is counted.

        Raises BadInput for an interval that ticks are not made into.
        """
        if interval not in INTERVALS:
            raise BadInput(f"{where}: ticks become bars of {', '.join(INTERVALS)}, not of {interval}")
        self._symbol, self._where, self._quotes, self._untraded = symbol, where, quotes, untraded
        self._tick, self._interval_ns = instrument(symbol).tick, INTERVALS[interval]
        self._open: dict[str | None, tuple[date, TickBars]] = {}
        self._last: dict[str | None, int] = {}
        self._done: list[pl.DataFrame] = []
        self._dropped: Counter[str] = Counter()

    def add(self, contract: str | None, ticks: Ticks) -> None:
        """Take the next ticks of a contract. Raises BadInput naming the row of one that goes back in time, or of one so
        large that a bar's sum could overflow."""
        if len(ticks.ts_ns) == 0:
            return
        for at in np.flatnonzero(ticks.size > MOST_CONTRACTS)[:1].tolist():
            what = f"its size is beyond any market ({ticks.size[at]}); mend or remove the row"
            raise BadInput(f"{self._where}: row {ticks.rows[at]}: {what}")
        if wrong := backwards(ticks.ts_ns, ticks.rows, self._last.get(contract, 0)):
            raise BadInput(f"{self._where}: {wrong}")
        self._last[contract] = int(ticks.ts_ns[-1])
        traded = ticks.size > 0
        self._dropped[self._untraded] += len(traded) - int(np.count_nonzero(traded))
        outside = int(np.count_nonzero(traded))
        for one, part in self._pieces(ticks.ts_ns):
            outside -= int(np.count_nonzero(traded[part]))
            self._push(contract, one, ticks[part])
        self._dropped[OUTSIDE] += outside

    def chunk(self, read: int, dropped: Mapping[str, int], share: float | None = None) -> Chunk:
        """The bars that have ended since the last call, by stamp and contract. The arguments are the reader's."""
        frames, self._done = self._done, []
        frame = pl.concat(frames) if frames else to_frame(TickBars(1).close(), self._tick, None)
        total = Counter[str](dropped) + self._dropped
        self._dropped.clear()
        return Chunk(frame.sort("ts_ns", "contract"), read, dict(total), share)

    def close(self) -> Chunk:
        """The last bar of every contract. The feed is over."""
        for contract in list(self._open):
            self._end(contract)
        return self.chunk(0, {})

    def _push(self, contract: str | None, one: Session, ticks: Ticks) -> None:
        if contract in self._open and self._open[contract][0] != one.date:
            self._end(contract)
        if contract not in self._open:
            self._open[contract] = (one.date, TickBars(self._interval_ns, quotes=self._quotes))
        made = self._open[contract][1]
        self._keep(
            contract, made.push(ticks.ts_ns, ticks.price, ticks.size, ticks.side, ticks.rows, quotes=ticks.quotes)
        )

    def _end(self, contract: str | None) -> None:
        self._keep(contract, self._open.pop(contract)[1].close())

    def _keep(self, contract: str | None, bars: Bars) -> None:
        if len(bars):
            self._done.append(to_frame(bars, self._tick, contract))

    def _pieces(self, ts: Int64s) -> Iterator[tuple[Session, slice]]:
        """The ascending stamps' parts that lie in a session and outside its halts."""
        week = timedelta(days=7)
        for one in sessions(self._symbol, day_of(int(ts[0])) - week, day_of(int(ts[-1])) + week):
            edges = [one.open_ns, *(edge for halt in one.halts for edge in halt), one.close_ns]
            at = np.searchsorted(ts, edges).tolist()
            for start, end in zip(at[::2], at[1::2], strict=True):
                if start < end:
                    yield one, slice(start, end)


def bars_of_ticks(chunks: Iterable[Chunk], symbol: str, interval: str, where: Path) -> Iterator[Chunk]:
    """Chunks of trades to chunks of bars.

    A chunk's frame has `row` Int64, `ts_ns` Int64 ascending a contract, `price` Float64 (points), `size` Int64,
    `contract` (null: not told) and perhaps `side` Int8: +1 the buyer was the aggressor, -1 the seller, 0 or null not
    told. Its `read` and `dropped` are passed on, with the ticks outside sessions and those of size 0. Raises BadInput
    naming the row: a price that is none or off the grid, a size that is none or negative, stamps that go back.
    """
    feed = TickFeed(symbol, interval, where)
    tick = instrument(symbol).tick
    for chunk in chunks:
        for part in chunk.frame.partition_by("contract", maintain_order=True):
            feed.add(part["contract"][0], _ticks(part, tick, where))
        yield feed.chunk(chunk.read, chunk.dropped, chunk.share)
    yield feed.close()


def _ticks(frame: pl.DataFrame, tick: Decimal, where: Path) -> Ticks:
    """Columns for the kernel; writable all, for an array that is not is another type and is compiled for again."""
    over, under = tick.as_integer_ratio()
    exact = frame["price"].cast(pl.Float64).fill_null(float("nan")).to_numpy() * under / over
    whole = np.rint(exact)
    off = ~(np.abs(exact - whole) <= GRID_SLACK)  # what is no number lies on no grid
    size = frame["size"].cast(pl.Int64).fill_null(-1).to_numpy(writable=True)
    for wrong, what in (
        (off, f"its price does not lie on the tick grid of {tick}; mend the row, or import it under its symbol"),
        (size < 0, "its size is empty or negative; mend or remove the row"),
        (frame["ts_ns"].is_null().to_numpy(), "its stamp is empty; mend or remove the row"),
    ):
        if wrong.any():
            at = int(wrong.argmax())
            raise BadInput(f"{where}: row {frame['row'][at]}: {what} ({frame['price'][at]}, {frame['size'][at]})")
    side = np.zeros(len(frame), np.int8)
    if "side" in frame.columns:
        side = frame["side"].cast(pl.Int8).fill_null(0).to_numpy(writable=True)
    stamps, rows = (frame[name].cast(pl.Int64).to_numpy(writable=True) for name in ("ts_ns", "row"))
    return Ticks(stamps, whole.astype(np.int64), size, side, rows)
