"""Databento's trades, tbbo, mbp-1, mbp-10 and mbo as bars with order flow.

Bars go by ts_recv, as Databento's own ohlcv bars do (and the ts_event of a snapshot's record may lie days before).
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import polars as pl

from scalper.errors import BadInput
from scalper.lake.files import dbn_kernel
from scalper.lake.files.dbn import Contracts, Names, pieces
from scalper.lake.files.readers import Chunk, ImportOptions, Source
from scalper.lake.files.tickfeed import TickFeed, Ticks
from scalper.market import instrument
from scalper.market.book import Book
from scalper.market.book_kernel import EVENT
from scalper.market.tick_kernel import QUOTE

NO_TRADE = "quote, no trade"
"""Why a record of quotes or orders is no part of a bar's count; it feeds the bar's spread, sizes and imbalance."""

_unpack = cast(Any, dbn_kernel)
Records = npt.NDArray[Any]


def open_ticks(path: Path, schema: str, options: ImportOptions, names: Names) -> Source:
    """A file of ticks as bars of the options' interval, one second if it says none.

    `names` tells the contracts of instrument ids. Of a record of trades, tbbo and mbp the book is the one before the
    trade; of mbo the book is rebuilt from the orders. The chunks raise BadInput naming the record.
    """
    interval = options.interval or "1s"
    return Source(path, interval, _chunks(path, schema, options.symbol, interval, names), checked=True)


def _chunks(path: Path, schema: str, symbol: str, interval: str, names: Names) -> Iterator[Chunk]:
    feed = TickFeed(symbol, interval, path, quotes=schema != "trades", untraded=NO_TRADE)
    unpacker = _Unpacker(path, Contracts(path, symbol, names), int(instrument(symbol).tick * 10**9))
    first = 1
    for found, share in _ahead(pieces(path)):
        dropped = unpacker.feed(feed, found, first)
        yield _told(feed.chunk(len(found), dropped, share), schema)
        first += len(found)
    yield _told(feed.close(), schema)


def _ahead[T](items: Iterator[T]) -> Iterator[T]:
    """The items; each is read in a thread while the one before it is worked on."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, items, None)
            yield item


def _told(chunk: Chunk, schema: str) -> Chunk:
    """tbbo shows the book at trades only: the order flow between them is not told."""
    if schema != "tbbo":
        return chunk
    frame = chunk.frame.with_columns(imbalance=pl.lit(None, pl.Int64))
    return Chunk(frame, chunk.read, chunk.dropped, chunk.share)


@dataclass(slots=True)
class _Unpacker:
    """Records of a file to ticks of its contracts; `tick_nano` is the tick in 1e-9 points."""

    path: Path
    contracts: Contracts
    tick_nano: int
    books: dict[str, Book] = field(default_factory=dict[str, Book])

    def feed(self, feed: TickFeed, found: Records, first: int) -> dict[str, int]:
        """Give the feed the records of every contract; the records of other products by reason."""
        codes = self.contracts.codes(found["instrument_id"], found["ts_recv"].astype(np.int64), first)
        raw = found.view([(name, "u1" if kind == "|S1" else kind) for name, kind in found.dtype.descr])
        for code, contract in enumerate(self.contracts.names):
            at = np.flatnonzero(codes == code)
            if len(at):
                feed.add(contract, self._ticks(raw, at, first, contract))
        return self.contracts.dropped(codes)

    def _ticks(self, raw: Records, at: npt.NDArray[np.int64], first: int, contract: str) -> Ticks:
        """The records at `at` as ticks; what is no trade has size 0."""
        ts, price, size = np.zeros((3, len(at)), np.int64)
        side = np.zeros(len(at), np.int8)
        self._on_grid(_unpack.trades(raw, at, self.tick_nano, ts, price, size, side), raw, at, first)
        return Ticks(ts, price, size, side, at + first, self._quotes(raw, at, first, contract))

    def _quotes(self, raw: Records, at: npt.NDArray[np.int64], first: int, contract: str) -> Records | None:
        """The top of the book with each record, dtype QUOTE; None for trades alone."""
        names = raw.dtype.names or ()
        if "bid_px_00" in names:
            quotes = np.zeros(len(at), QUOTE)
            _unpack.levels(raw, at, self.tick_nano, quotes)
            return quotes
        if "order_id" not in names:
            return None
        events = np.zeros(len(at), EVENT)
        self._on_grid(_unpack.events(raw, at, self.tick_nano, events), raw, at, first)
        try:
            return self.books.setdefault(contract, Book()).quotes(events)
        except BadInput as error:
            raise BadInput(f"{self.path}: {error}; the file is damaged, fetch it again") from None

    def _on_grid(self, bad: int, raw: Records, at: npt.NDArray[np.int64], first: int) -> None:
        if bad < 0:
            return
        price = int(raw["price"][at[bad]])
        shown = "none" if price == dbn_kernel.UNDEFINED else f"{price / 1e9:g}"
        raise BadInput(
            f"{self.path}: row {first + at[bad]}: its price ({shown}) does not lie on the tick grid of "
            f"{self.tick_nano / 1e9:g}; the file is damaged, fetch it again"
        )
