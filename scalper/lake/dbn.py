"""Databento's DBN files: ohlcv-1s, -1m, -1h of versions 1 to 3, plain or zstd; and who its instrument ids are."""

from __future__ import annotations

import warnings
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import zstandard

from scalper.errors import BadInput
from scalper.lake.readers import Chunk, Source, classify
from scalper.lake.schema import BARS, PRICES
from scalper.market import INTERVALS

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
PIECE = 1 << 20
"""Bytes read at once."""

ROWS = 500_000
UNDEFINED = np.iinfo(np.int64).max
PRICE_SCALE = 1e9
DAY_NS = 86_400_000_000_000

Names = list[tuple[int, date, date, str]]
"""Instrument id, first date, end date (not included), raw symbol."""


def open_dbn(path: Path, *, symbol: str, interval: str | None, names: Names | None = None) -> Source:
    """Open a DBN file of bars. `names` tells the raw symbols of a file that was asked for by continuous symbol.

    Raises BadInput: unreadable, another schema, another interval than asked, symbols that name no contract.
    """
    with loaded(path) as store:
        schema = str(store.schema)
        known = names or _names(path, store)
    own = schema.removeprefix("ohlcv-")
    if own not in INTERVALS or own == schema:
        usable = ", ".join(f"ohlcv-{name}" for name in INTERVALS if name != "5m")
        raise BadInput(f"{path}: schema {schema} is not imported; ask Databento for {usable}")
    if interval not in (None, own):
        raise BadInput(f"{path}: holds {own} bars, not {interval}; use --interval {own} or leave it out")
    return Source(path, own, _chunks(path, symbol, known))


def _whole(path: Path) -> bool:
    """Whether the last zstd frame ends; the client reads a cut one as a shorter file. True for files without zstd."""
    with path.open("rb") as file:
        if file.read(4) != ZSTD_MAGIC:
            return True
        file.seek(0)
        frame, ended = zstandard.ZstdDecompressor().decompressobj(), True
        while piece := file.read(PIECE):
            while piece:
                if ended:
                    frame, ended = zstandard.ZstdDecompressor().decompressobj(), False
                try:
                    frame.decompress(piece)
                except zstandard.ZstdError:
                    return True  # not cut off but damaged: the client says how
                ended = frame.eof
                piece = frame.unused_data if ended else b""
    return ended


@contextmanager
def loaded(path: Path) -> Generator[Any]:
    """Databento's DBNStore over the file, closed afterwards. Raises BadInput if it is no DBN."""
    import databento
    from databento_dbn import DBNError

    if not _whole(path):
        raise BadInput(f"{path}: the file was cut off (its compressed stream does not end); fetch it again")
    try:
        store = databento.DBNStore.from_file(path)
    except (databento.BentoError, DBNError, ValueError, OSError) as error:
        raise _damaged(path, error) from None
    try:
        yield store
    finally:
        store.reader.close()


def records(path: Path, rows: int = ROWS) -> Iterator[npt.NDArray[Any]]:
    """The records as structured arrays, so many at a time. Raises BadInput for a truncated or damaged file."""
    from databento.common.error import BentoError, BentoWarning
    from databento_dbn import DBNError

    with loaded(path) as store:
        arrays: Iterator[npt.NDArray[Any]] | None = None
        while True:
            with warnings.catch_warnings():
                warnings.simplefilter("error", BentoWarning)  # a truncated file is only a warning there
                try:
                    arrays = arrays or iter(store.to_ndarray(count=rows))
                    array = next(arrays, None)
                except (BentoError, BentoWarning, DBNError, ValueError, OSError) as error:
                    raise _damaged(path, error) from None
            if array is None:
                return
            yield array


def _names(path: Path, store: Any) -> Names:
    """Instrument ids to raw symbols, from the file's own mappings. Raises BadInput if they name no raw symbols."""
    stype_in, stype_out = str(store.stype_in), str(store.stype_out)
    mappings: Mapping[str, Iterable[Mapping[str, Any]]] = store.mappings
    found = [(key, m["start_date"], m["end_date"], m["symbol"]) for key, spans in mappings.items() for m in spans]
    if stype_in == "instrument_id" and stype_out == "raw_symbol":
        return [(int(key), start, end, symbol) for key, start, end, symbol in found]
    if stype_in not in ("raw_symbol", "parent") or any("." in key for key in mappings):
        raise BadInput(
            f"{path}: its mappings go from {stype_in} to {stype_out} and name no contract; "
            "ask Databento for raw symbols (stype_in raw_symbol), or use `scalper download`"
        )
    return [(int(symbol), start, end, key) for key, start, end, symbol in found if symbol]


def _chunks(path: Path, symbol: str, names: Names) -> Iterator[Chunk]:
    row = 1
    for records_ in records(path):
        yield _chunk(path, records_, row, symbol, names)
        row += len(records_)


def _chunk(path: Path, rows: npt.NDArray[Any], first: int, symbol: str, names: Names) -> Chunk:
    contracts, dropped = _contracts(path, rows, first, symbol, names)
    keep = np.flatnonzero(contracts[0] >= 0)
    kept = rows[keep]
    prices = {name: kept[name] / PRICE_SCALE for name in PRICES}
    for name in PRICES:
        prices[name][kept[name] == UNDEFINED] = np.nan
    labels = pl.Series(contracts[1], dtype=pl.String).gather(contracts[0][keep])
    frame = pl.DataFrame(
        {
            "row": keep.astype(np.int64) + first,
            "ts_ns": kept["ts_event"].astype(np.int64),
            "contract": labels,
            **prices,
            "volume": kept["volume"].astype(np.int64),
        }
    ).with_columns(**{name: pl.lit(None, pl.Int64) for name in ("trades", "bid_volume", "ask_volume")})
    return Chunk(frame.select("row", *BARS), len(rows), dropped)


def _contracts(
    path: Path, rows: npt.NDArray[Any], first: int, symbol: str, names: Names
) -> tuple[tuple[npt.NDArray[np.int64], list[str]], dict[str, int]]:
    """For each record the index of its contract (-1: dropped) with the contracts, and the dropped by reason."""
    found = np.full(len(rows), -2, np.int64)
    contracts: list[str] = []
    dropped: dict[str, int] = {}
    days = rows["ts_event"].astype(np.int64) // DAY_NS
    ids = rows["instrument_id"]
    present = set(np.unique(ids).tolist())
    for instrument_id, start, end, text in names:
        if instrument_id not in present:
            continue
        since, until = (np.datetime64(day, "D").astype(np.int64) for day in (start, end))
        mine = (ids == instrument_id) & (days >= since) & (days < until)
        contract, why = classify(text, symbol, start, any_product=True)
        if why is not None:
            dropped[why] = dropped.get(why, 0) + int(np.count_nonzero(mine & (found == -2)))
            found[mine] = -1
        if contract is not None:
            contracts += [] if contract in contracts else [contract]
            found[mine] = contracts.index(contract)
    if (found == -2).any():
        at = int((found == -2).argmax())
        raise BadInput(
            f"{path}: row {first + at}: instrument id {ids[at]} is not in the file's symbol mappings on its date; "
            "download the file again with its symbology"
        )
    return (found, contracts), {name: count for name, count in dropped.items() if count}


def _damaged(path: Path, error: Exception | Warning) -> BadInput:
    what = str(error).splitlines()[0] if str(error) else type(error).__name__
    return BadInput(f"{path}: cannot be read as DBN ({what}); the file is damaged or incomplete, fetch it again")
