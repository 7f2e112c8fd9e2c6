"""`scalper bench import`: Databento's DBN, one large Parquet file and text files into the lake, every row checked."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import databento
import pandas as pd

from bench.importing_data import SECOND_NS, ZONE, seconds_to_dbn, to_parquet, to_texts
from bench.measure import PASSES, rate, ratios

RECORDS, ROWS, LINES = 10_000_000, 33_000_000, 200_000
"""Of DBN, of Parquet, of text, where no size is given."""
PEERS = 1_000_000
"""At most so many rows for the peers, which hold the whole file in memory; rates are compared."""


def run(size: int | None = None) -> dict[str, Any]:
    """One-second ES bars as zstd DBN (the document's own figure) and as one Parquet file, one-minute bars as gzipped
    text. Each is imported into an empty lake by a process of its own, so that `peak_mib` is that of the import.

    Peers take the session from the clock and write a file a session; they check nothing, merge nothing, and a kill
    leaves half of it.
    """
    with TemporaryDirectory() as folder:
        place = Path(folder)
        found = _dbn(place, size or RECORDS)
        found["parquet"] = _parquet(place, size or ROWS)
        found["text"] = _texts(place, size or LINES)
    return found


def _dbn(place: Path, rows: int) -> dict[str, Any]:
    path, small = place / "es.dbn.zst", place / "small.dbn.zst"
    days = seconds_to_dbn(rows, path)
    seconds_to_dbn(min(rows, PEERS), small)
    peers = {"databento to_df, to_parquet": databento_parquet, "pandas, a file a session": pandas_dbn}
    return _figures([path], rows, small, peers) | {"sessions": days}


def _parquet(place: Path, rows: int) -> dict[str, Any]:
    path, small = place / "es.parquet", place / "small.parquet"
    days = to_parquet(rows, SECOND_NS, path)
    to_parquet(min(rows, PEERS), SECOND_NS, small)
    return _figures([path], rows, small, {"pandas": pandas_parquet}) | {"sessions": days}


def _texts(place: Path, rows: int) -> dict[str, Any]:
    paths, days = to_texts(rows, place)
    found = _figures(paths, rows, paths, {"pandas": pandas_texts}, tz=ZONE)
    return found | {"files": len(paths), "sessions": days}


def _figures(
    paths: list[Path],
    rows: int,
    small: Path | list[Path],
    peers: dict[str, Callable[[Any, Path], int]],
    tz: str | None = None,
) -> dict[str, Any]:
    """The import in a process of its own, then the peers here."""
    place = paths[0].parent
    words = [sys.executable, "-m", "bench.importing_alone", str(place), tz or "", *map(str, paths)]
    done = subprocess.run(words, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    found: dict[str, Any] = {"rows": rows, **json.loads(done.stdout)}
    found["rows_per_second"] = round(rows / found["seconds"], 1)
    theirs: dict[str, float] = {}
    for name, peer in peers.items():
        with TemporaryDirectory(dir=place) as folder:
            into = (Path(folder) / str(number) for number in range(PASSES))
            count = min(rows, PEERS)
            theirs[name] = rate(count, lambda peer=peer, into=into: peer(small, next(into)))
    return found | {"peers": theirs, "ratios": ratios(found["rows_per_second"], theirs)}


# --------------------------------------------------------------------- peers


def databento_parquet(path: Path, folder: Path) -> int:
    """The vendor's client: the records as a DataFrame, and all of them as one Parquet file; returns the rows."""
    folder.mkdir()
    store = databento.DBNStore.from_file(path)
    count = len(store.to_df())
    store.to_parquet(folder / "all.parquet")
    store.reader.close()
    return count


def pandas_dbn(path: Path, folder: Path) -> int:
    """The client's DataFrame, one Parquet file a session; returns the rows written."""
    store = databento.DBNStore.from_file(path)
    bars = store.to_df()
    store.reader.close()
    return _write(bars.assign(stamp=bars.index), folder)


def pandas_texts(paths: list[Path], folder: Path) -> int:
    """read_csv, stamps to UTC, one Parquet file a session; returns the rows written."""
    parts: list[pd.DataFrame] = []
    for path in paths:
        part = pd.read_csv(path, skipinitialspace=True)
        naive = pd.to_datetime(part["Date"] + " " + part["Time"], format="%Y/%m/%d %H:%M:%S")
        stamps = naive.dt.tz_localize(ZONE, ambiguous="NaT", nonexistent="NaT").dt.tz_convert("UTC")
        parts.append(part.drop(columns=["Date", "Time"]).assign(stamp=stamps, contract=path.name.split(".")[0]))
    return _write(pd.concat(parts), folder)


def pandas_parquet(path: Path, folder: Path) -> int:
    """read_parquet, one Parquet file a session; returns the rows written."""
    bars = pd.read_parquet(path)
    return _write(bars.assign(stamp=pd.to_datetime(bars["timestamp"], unit="ns", utc=True)), folder)


def _write(bars: pd.DataFrame, folder: Path) -> int:
    """A session runs from 18:00 to 17:00 New York and has the date of its end."""
    kept = bars.dropna(subset=["stamp"]).reset_index(drop=True)
    day = (kept["stamp"].dt.tz_convert("America/New_York").dt.tz_localize(None) + pd.Timedelta(hours=6)).dt.date
    for one, part in kept.groupby(day):
        path = folder / f"date={one}" / "part.parquet"
        path.parent.mkdir(parents=True)
        part.to_parquet(path, compression="lz4", index=False)
    return len(kept)
