"""The lake: one Parquet file a session and table, found by its keys, written whole or not at all."""

from __future__ import annotations

import hashlib
import os
import re
from datetime import date
from pathlib import Path

import polars as pl

from scalper.errors import BadInput, DataUnavailable
from scalper.lake.schema import SCHEMA_KEY, VERSIONS, stamp, verify
from scalper.lake.transaction import recover

PART = "part.parquet"
Keys = dict[str, str]
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def bar_keys(source: str, symbol: str, interval: str, day: date) -> Keys:
    """The keys of one session's bars, in the order of their folders."""
    return {"source": source, "symbol": symbol, "interval": interval, "date": day.isoformat()}


def relative(kind: str, keys: Keys) -> Path:
    """Where a table lies below the lake: kind/key=value/…/part.parquet. Raises BadInput for a value no folder has."""
    stamp(kind)
    for key, value in keys.items():
        if not _WORD.fullmatch(value):
            raise BadInput(f"{kind} key {key}={value!r}: use letters, digits, dots, dashes and underscores")
    return Path(kind, *(f"{key}={value}" for key, value in keys.items()), PART)


def write_parquet(path: Path, frame: pl.DataFrame, metadata: dict[str, str]) -> None:
    """Write lz4 Parquet under a temporary name in the same folder, then rename; the same frame gives the same bytes.

    polars writes numbers plainly (a dictionary of floats costs six times the time).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        frame.write_parquet(temporary, compression="lz4", statistics=False, metadata=metadata)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


class Lake:
    """Session files below one root (`<home>/data_lake`).

    Opening a lake puts back what a killed import had half published; see transaction.py.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        recover(root)

    def path(self, kind: str, keys: Keys) -> Path:
        """The file of a table; it need not exist. Raises BadInput for a bad kind or key."""
        return self.root / relative(kind, keys)

    def exists(self, kind: str, keys: Keys) -> bool:
        """Whether the table is in the lake."""
        return self.path(kind, keys).is_file()

    def write(self, kind: str, keys: Keys, frame: pl.DataFrame, metadata: dict[str, str] | None = None) -> Path:
        """Write one table atomically, replacing what was there. Raises BadInput if the schema is not the kind's."""
        path = self.path(kind, keys)
        verify(kind, frame.schema, str(path))
        write_parquet(path, frame, {SCHEMA_KEY: stamp(kind), **(metadata or {})})
        return path

    def read(self, kind: str, keys: Keys) -> pl.DataFrame:
        """Read one table.

        Raises DataUnavailable if it is missing, BadInput if it is unreadable or of another schema version.
        """
        path = self._present(kind, keys)
        self.metadata(kind, keys)
        try:
            frame = pl.read_parquet(path, hive_partitioning=False, glob=False)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise _unreadable(path, error) from None
        verify(kind, frame.schema, str(path))
        return frame

    def metadata(self, kind: str, keys: Keys) -> dict[str, str]:
        """What the writer left in the file's metadata, schema included. Raises as `read` does."""
        path = self._present(kind, keys)
        try:
            found = {key: str(value) for key, value in pl.read_parquet_metadata(path).items() if key != "ARROW:schema"}
        except (pl.exceptions.PolarsError, OSError) as error:
            raise _unreadable(path, error) from None
        if found.get(SCHEMA_KEY) != stamp(kind):
            raise BadInput(
                f"{path}: schema {found.get(SCHEMA_KEY, 'unknown')}, this program reads {stamp(kind)}; "
                "delete the file and make it again (import, download or run)"
            )
        return found

    def dates(self, kind: str, keys: Keys) -> list[date]:
        """The dates below these keys (all of them but `date`), in order."""
        folder = self.path(kind, keys).parent
        found = (path.parent.name for path in folder.glob(f"date=*/{PART}"))
        return sorted(date.fromisoformat(name.removeprefix("date=")) for name in found)

    def digest(self, kind: str, keys: Keys) -> str:
        """SHA-256 (hex) of the file's bytes. Raises DataUnavailable if it is missing."""
        with self._present(kind, keys).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def views(self) -> None:
        """Make `catalog.duckdb` anew: one view a kind over its session files, for people; it holds no data."""
        import duckdb

        self.root.mkdir(parents=True, exist_ok=True)
        catalog, temporary = self.root / "catalog.duckdb", self.root / f".catalog.duckdb.{os.getpid()}"
        temporary.unlink(missing_ok=True)
        with duckdb.connect(str(temporary)) as connection:
            for kind in VERSIONS:
                if next((self.root / kind).rglob(PART), None) is not None:
                    pattern = str(self.root.resolve() / kind / "**" / PART).replace("'", "''")
                    options = "hive_partitioning = true, union_by_name = true"
                    connection.execute(f"CREATE VIEW {kind} AS SELECT * FROM read_parquet('{pattern}', {options})")
        temporary.replace(catalog)

    def _present(self, kind: str, keys: Keys) -> Path:
        path = self.path(kind, keys)
        if not path.is_file():
            wanted = ", ".join(f"{key} {value}" for key, value in keys.items())
            how = "import or download it" if kind == "bars" else "run the lane's earlier stages"
            raise DataUnavailable(f"the lake has no {kind} for {wanted}; {how} first")
        return path


def _unreadable(path: Path, error: Exception) -> BadInput:
    return BadInput(f"{path}: cannot be read as Parquet ({str(error).splitlines()[0]}); delete it and make it again")
