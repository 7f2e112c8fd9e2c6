"""DBN files of ticks, made record by record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import databento_dbn
import numpy as np
import polars as pl
import zstandard
from databento.common.constants import SCHEMA_STRUCT_MAP

from scalper.lake.files.dbn import header, names_of
from scalper.lake.files.dbn_ticks import open_ticks
from scalper.lake.files.readers import ImportOptions
from scalper.market import session

DAY = date(2024, 7, 2)
OPEN = session("ES", DAY).open_ns
MS = 1_000_000
QUARTER = 250_000_000
ESU4, ESZ4, NQU4, SPREAD = 1, 2, 3, 4
NAMES = {"ESU4": ESU4, "ESZ4": ESZ4, "NQU4": NQU4, "ESU4-ESZ4": SPREAD}
RTYPES = {"trades": 0, "tbbo": 1, "mbp-1": 1, "mbp-10": 10, "mbo": 160}
LAST, DOUBTED = 128, 4


def record(at_ms: int, action: str, side: str = "N", price: int = 0, size: int = 0, **more: int) -> dict[str, Any]:
    """A record `at_ms` after the session's open; `price` in ticks. By default of ESU4, closing its event."""
    return {"at": at_ms, "action": action, "side": side, "price": price * QUARTER, "size": size, "flags": LAST} | more


def quoted(one: dict[str, Any], bid: int, ask: int, bid_size: int, ask_size: int) -> dict[str, Any]:
    """The record with the top of the book, prices in ticks."""
    prices = {"bid_px_00": bid * QUARTER, "ask_px_00": ask * QUARTER}
    return one | prices | {"bid_sz_00": bid_size, "ask_sz_00": ask_size}


def write(
    path: Path, schema: str, rows: Sequence[Mapping[str, Any]], names: Mapping[str, int] = NAMES, version: int = 3
) -> Path:
    """The records as a file; what a row does not say is zero."""
    kind = np.dtype(SCHEMA_STRUCT_MAP[databento_dbn.Schema.from_str(schema)]._dtypes)
    made = np.zeros(len(rows), kind)
    made["length"], made["rtype"], made["instrument_id"] = kind.itemsize // 4, RTYPES[schema], ESU4
    for i, row in enumerate(rows):
        made["ts_recv"][i] = made["ts_event"][i] = OPEN + row["at"] * MS
        for name, value in row.items():
            if name != "at":
                made[name][i] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(zstandard.compress(head(schema, names, version) + made.tobytes()))
    return path


def head(schema: str, names: Mapping[str, int], version: int = 3) -> bytes:
    """The file's header; every name is listed for the week around DAY."""
    week = timedelta(days=7)
    spans = {
        name: SimpleNamespace(start_date=DAY - week, end_date=DAY + week, symbol=str(number))
        for name, number in names.items()
    }
    return databento_dbn.Metadata(
        dataset="GLBX.MDP3",
        start=OPEN,
        end=OPEN + 1,
        stype_in=databento_dbn.SType.RAW_SYMBOL,
        stype_out=databento_dbn.SType.INSTRUMENT_ID,
        schema=databento_dbn.Schema.from_str(schema),
        symbols=list(names),
        partial=[],
        not_found=[],
        mappings=[SimpleNamespace(raw_symbol=name, intervals=[span]) for name, span in spans.items()],
        version=version,
    ).encode()


def bars(path: Path, interval: str | None = None, symbol: str = "ES") -> tuple[pl.DataFrame, dict[str, int]]:
    """What an import would get: the bars and the dropped records, which together are all records."""
    told = header(path)
    source = open_ticks(path, told.schema, ImportOptions(symbol, interval), names_of(path, told))
    frames: list[pl.DataFrame] = []
    dropped: dict[str, int] = {}
    read = 0
    for chunk in source.chunks:
        frames.append(chunk.frame)
        read += chunk.read
        for why, count in chunk.dropped.items():
            dropped[why] = dropped.get(why, 0) + count
    frame = pl.concat(frames)
    assert read == frame["count"].sum() + sum(dropped.values()), "every record is kept or dropped with a reason"
    return frame, {why: count for why, count in dropped.items() if count}
