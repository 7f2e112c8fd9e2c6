"""Databento's ohlcv records as bars: the arrays of the file itself, no row becomes a Python object."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from scalper.compiled import kernel
from scalper.errors import BadInput
from scalper.lake.files.dbn import Codes, Contracts, Header, Names, Records, pieces
from scalper.lake.files.dbn_kernel import UNDEFINED
from scalper.lake.files.readers import DAILY, LENGTHS, Chunk, ImportOptions, Source, labelled
from scalper.lake.schema import PRICES

PRICE_SCALE = 1e9


def open_bars(path: Path, head: Header, options: ImportOptions, names: Names) -> Source:
    """A file of schema ohlcv-1s, -1m, -1h or -1d. Raises BadInput for another interval than asked.

    A file without a record imports nothing, and a note says so. Databento's days are UTC days: their interval is
    `1d-utc`.
    """
    own = head.schema.removeprefix("ohlcv-")
    own = DAILY if own == "1d" else own
    if own not in LENGTHS:
        usable = ", ".join(f"ohlcv-{name}" for name in ("1s", "1m", "1h", "1d"))
        raise BadInput(f"{path}: schema {head.schema} is not imported; ask Databento for {usable}")
    if options.interval not in (None, own):
        raise BadInput(f"{path}: holds {own} bars, not {options.interval}; use --interval {own} or leave it out")
    source = Source(path, own, iter(()))
    return Source(path, own, _chunks(path, options.symbol, names, source.notes), notes=source.notes)


def _chunks(path: Path, symbol: str, names: Names, notes: list[str]) -> Iterator[Chunk]:
    contracts = Contracts(path, symbol, names)
    row = 1
    for array, share in pieces(path):
        codes = contracts.codes(array["instrument_id"], array["ts_event"].view(np.int64), row)
        yield Chunk(_frame(array, codes, row, contracts.names), len(array), contracts.dropped(codes), share)
        row += len(array)
    if row == 1:
        notes.append(f"{path.name}: no records, nothing to import")


def _frame(array: Records, codes: Codes, first: int, labels: Sequence[str]) -> pl.DataFrame:
    """The records of our contracts in the lake's columns."""
    ours = int(np.count_nonzero(codes >= 0))
    whole = np.empty((3, ours), np.int64)
    prices = np.empty((len(PRICES), ours), np.float64)
    unpack(array, codes, first, whole, prices)
    row, ts, volume = whole
    contract = labelled(codes if ours == len(codes) else codes[codes >= 0], labels)
    values = dict(zip(PRICES, prices, strict=True))
    return pl.DataFrame({"row": row, "ts_ns": ts, "contract": contract, **values, "volume": volume})


@kernel
def unpack(array: Any, codes: Any, first: int, whole: Any, prices: Any) -> None:
    """Row number, stamp and volume, and the four prices in points (NaN where undefined), of records with a contract."""
    i = 0
    for at in range(len(array)):
        if codes[at] < 0:
            continue
        one = array[at]
        whole[0, i] = at + first
        whole[1, i] = np.int64(one["ts_event"])
        whole[2, i] = np.int64(min(one["volume"], np.uint64(UNDEFINED)))
        prices[0, i] = np.nan if one["open"] == UNDEFINED else one["open"] / PRICE_SCALE
        prices[1, i] = np.nan if one["high"] == UNDEFINED else one["high"] / PRICE_SCALE
        prices[2, i] = np.nan if one["low"] == UNDEFINED else one["low"] / PRICE_SCALE
        prices[3, i] = np.nan if one["close"] == UNDEFINED else one["close"] / PRICE_SCALE
        i += 1
