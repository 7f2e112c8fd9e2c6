"""`scalper bench ticks`: DBN files of quotes and of trades to one-second bars with order flow, decoding included."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import databento
import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
import zstandard
from databento.common.constants import SCHEMA_STRUCT_MAP
from databento_dbn import Schema

from bench.measure import rate, ratios, result, timed
from scalper.lake.files.dbn import records
from scalper.lake.files.opening import open_source
from scalper.lake.files.readers import ImportOptions
from scalper.market import INTERVALS, session
from scalper.market.tick_kernel import QUOTE
from scalper.market.ticks import TickBars
from scalper.sandbox.dbn import metadata
from scalper.sandbox.symbology import Interval, instrument_id, raw_symbol

ROWS = 2_000_000
DAY = date(2024, 7, 2)
CONTRACT = "ESU24"
SECOND_NS = INTERVALS["1s"]
QUARTER = 250_000_000
"""ES's tick in 1e-9 points."""

KINDS = {name: np.dtype(SCHEMA_STRUCT_MAP[Schema.from_str(name)]._dtypes) for name in ("trades", "mbp-1")}
RTYPES = {"trades": 0, "mbp-1": 1}

Records = npt.NDArray[Any]


def run(size: int | None = None) -> dict[str, Any]:
    """`rows` records of mbp-1, one in eight a trade, and as many of trades, of one session of ES.

    The document's own figure is mbp-1 from the file to bars; its peer is the client's `to_df` and a resample;
    the same of trades stands under `trades`. `kernel` is TickBars alone, on trades that are decoded already, and so are
    its peers'. All peers make prices, volume and the volume of each side only, a part of what ours makes.
    """
    rows = size or ROWS
    with TemporaryDirectory() as folder:
        made: dict[str, Records] = {"mbp-1": quotes(rows)}
        made["trades"] = trades(made["mbp-1"])
        for name, every in made.items():
            bars(file(Path(folder, f"first.{name}.dbn.zst"), name, every[:1000]))  # compiles
        files = {name: file(Path(folder, f"{name}.dbn.zst"), name, every) for name, every in made.items()}
        found, alone = (_figures(rows, files[name]) for name in ("mbp-1", "trades"))
        decoded = np.concatenate(list(records(files["trades"])))
        found |= {"bytes_per_row": round(files["mbp-1"].stat().st_size / rows, 1)}
    return found | {"trades": alone, "kernel": kernel(made["mbp-1"], decoded)}


def _figures(rows: int, path: Path) -> dict[str, Any]:
    """The file to bars, and its peer."""
    found = result("rows", rows, timed(lambda: bars(path)))
    peers = {"databento to_df, pandas resample": rate(rows, lambda: client(path))}
    return found | {"peers": peers, "ratios": ratios(found["rows_per_second"], peers)}


def kernel(book: Records, decoded: Records) -> dict[str, Any]:
    """TickBars on columns in memory, with quotes and without, and its peers on the trades."""
    rows = len(decoded)
    columns, shown = ticks(book), np.zeros(rows, QUOTE)
    for side in ("bid", "ask"):
        shown[side], shown[f"{side}_size"] = book[f"{side}_px_00"] // QUARTER, book[f"{side}_sz_00"]
    with_quotes = rate(rows, lambda: TickBars(SECOND_NS, quotes=True).push(*columns, shown))
    columns = ticks(decoded)
    found = result("rows", rows, timed(lambda: TickBars(SECOND_NS).push(*columns)))
    found |= {"rows_per_second_with_quotes": with_quotes}
    frame = polars_frame(decoded)
    table = frame.to_pandas().set_index("ts")
    assert polars_bars(frame)["volume"].sum() == pandas_bars(table)["volume"].sum() == int(decoded["size"].sum())
    peers = {
        "polars group_by_dynamic": rate(rows, lambda: polars_bars(frame)),
        "pandas resample": rate(rows, lambda: pandas_bars(table)),
    }
    return found | {"peers": peers, "ratios": ratios(found["rows_per_second"], peers)}


def bars(path: Path) -> None:
    """Read the file as an import does; every record is in a bar or dropped with a reason."""
    read = kept = 0
    for chunk in open_source(path, options=ImportOptions("ES", "1s")).chunks:
        read += chunk.read
        kept += chunk.frame["count"].sum() + sum(chunk.dropped.values())
    assert read == kept > 0


def ticks(made: Records) -> tuple[npt.NDArray[Any], ...]:
    """Columns for TickBars.push."""
    stamps, price = made["ts_recv"].astype(np.int64), made["price"] // QUARTER
    size = np.where(made["action"] == b"T", made["size"], 0).astype(np.int64)
    side = np.where(made["side"] == b"B", 1, -1).astype(np.int8)
    return stamps, price, size, side, np.arange(len(made))


# --------------------------------------------------------------------- peers


def polars_frame(made: Records) -> pl.DataFrame:
    columns = {"price": made["price"] / 1e9, "size": made["size"].astype(np.int64), "buy": made["side"] == b"B"}
    return pl.DataFrame({"ts": made["ts_recv"].astype(np.int64)} | columns).with_columns(pl.from_epoch("ts", "ns"))


def polars_bars(frame: pl.DataFrame) -> pl.DataFrame:
    """One-second bars with the volume of each side."""
    price, size = pl.col("price"), pl.col("size")
    return frame.group_by_dynamic("ts", every="1s").agg(
        price.first().alias("open"),
        price.max().alias("high"),
        price.min().alias("low"),
        price.last().alias("close"),
        size.sum().alias("volume"),
        size.filter("buy").sum().alias("ask_volume"),
        size.filter(~pl.col("buy")).sum().alias("bid_volume"),
    )


def pandas_bars(frame: pd.DataFrame) -> pd.DataFrame:
    """The same by resample."""
    wide = frame.assign(ask_volume=frame["size"].where(frame["buy"], 0), bid_volume=frame["size"].mask(frame["buy"], 0))
    grouped = wide.resample("1s")
    sums = grouped[["size", "ask_volume", "bid_volume"]].sum().rename(columns={"size": "volume"})
    return grouped["price"].ohlc().join(sums).query("volume > 0")


def client(path: Path) -> pd.DataFrame:
    """From the file by the vendor's client: to_df, then the same bars."""
    frame = databento.DBNStore.from_file(path).to_df()
    told = frame[frame["action"] == "T"]
    return pandas_bars(told.assign(buy=told["side"] == "B")[["price", "size", "buy"]])


# ----------------------------------------------------------------- the files


def quotes(rows: int) -> Records:
    """`rows` mbp-1 records of one session; the book wanders."""
    random = np.random.default_rng(1)
    made = np.zeros(rows, KINDS["mbp-1"])
    one = session("ES", DAY)
    stamps = np.sort(random.integers(one.open_ns, one.close_ns, rows))
    made["ts_recv"], made["ts_event"] = stamps, stamps - 200_000
    trade, buy = random.random(rows) < 1 / 8, random.random(rows) < 0.5
    bid = 22_000 + np.cumsum(np.where(random.random(rows) < 1 / 50, random.integers(-1, 2, rows), 0))
    made["bid_px_00"], made["ask_px_00"] = bid * QUARTER, (bid + 1) * QUARTER
    for name in ("bid_sz_00", "ask_sz_00", "bid_ct_00", "ask_ct_00"):
        made[name] = random.integers(1, 60, rows)
    made["action"] = np.where(trade, b"T", random.choice([b"A", b"C", b"M"], rows))
    made["side"] = np.where(buy, b"B", b"A")
    made["price"] = (bid + (buy == trade)) * QUARTER
    made["size"] = random.integers(1, 9, rows)
    made["flags"] = np.where(trade, 0, 130)
    made["sequence"] = np.arange(rows)
    return _headed(made, "mbp-1")


def trades(book: Records) -> Records:
    """The same records, all of them trades."""
    made = np.zeros(len(book), KINDS["trades"])
    for name in KINDS["trades"].names or ():
        made[name] = book[name]
    made["action"], made["flags"] = b"T", 0
    return _headed(made, "trades")


def _headed(made: Records, schema: str) -> Records:
    made["length"], made["rtype"], made["publisher_id"] = made.dtype.itemsize // 4, RTYPES[schema], 1
    made["instrument_id"] = instrument_id(CONTRACT)
    return made


def file(path: Path, schema: str, made: Records) -> Path:
    """The records as a DBN file, zstd."""
    day = timedelta(days=1)
    name = raw_symbol(CONTRACT)
    head = metadata(
        dataset="GLBX.MDP3",
        schema=schema,
        stype_in="raw_symbol",
        stype_out="instrument_id",
        start_ns=int(made["ts_recv"][0]),
        end_ns=int(made["ts_recv"][-1]) + 1,
        limit=None,
        symbols=[name],
        not_found=[],
        mappings={name: [Interval(CONTRACT, DAY - day, DAY + day)]},
    )
    path.write_bytes(zstandard.ZstdCompressor(level=3).compress(head + made.tobytes()))
    return path
