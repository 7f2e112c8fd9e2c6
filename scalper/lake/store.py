"""The lake: one Parquet file a session and table, found by its keys, written whole or not at all."""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import polars as pl

from scalper.errors import BadInput, DataUnavailable
from scalper.lake.parquet import Table, types_of, write_parquet
from scalper.lake.schema import COLUMNS, SCHEMA_KEY, VERSIONS, filled, stamp, told, verify
from scalper.lake.seal import is_sealed
from scalper.lake.storage import Storage
from scalper.lake.transaction import recover

PART = "part.parquet"
BROUGHT = ("bars", "definitions", "status")
"""Kinds that come from outside; the others are made from them."""
SEALED = ("features", "labels")
"""Kinds of which the lane makes damaged and edited files anew."""

Keys = dict[str, str]
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def bar_keys(source: str, symbol: str, interval: str, day: date) -> Keys:
    """The keys of one session's bars, in the order of their folders."""
    return {"source": source, "symbol": symbol, "interval": interval, "date": day.isoformat()}


def relative(kind: str, keys: Keys) -> str:
    """The name of a table in the lake: kind/key=value/…/part.parquet. Raises BadInput for a value no folder has."""
    stamp(kind)
    for key, value in keys.items():
        if not _WORD.fullmatch(value):
            raise BadInput(f"{kind} key {key}={value!r}: use letters, digits, dots, dashes and underscores")
    return "/".join((kind, *(f"{key}={value}" for key, value in keys.items()), PART))


def keys_of(kind: str, name: str) -> Keys:
    """The keys in the name of a kind's table. Raises BadInput for a file that lies where no table belongs."""
    keys = dict(part.split("=", 1) for part in name.split("/") if "=" in part)
    if "date" in keys:
        dated(name.removesuffix(f"/{PART}"))
    if relative(kind, keys) != name:
        raise BadInput(f"{name}: no table of {kind} belongs there; move the file out of the lake")
    return keys


def dated(folder: str) -> date:
    """The date of a folder `…/date=2026-11-18`. Raises BadInput for one that is no date."""
    text = folder.rsplit("date=", 1)[-1]
    try:
        found = date.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.isoformat() != text:
        raise BadInput(f"{folder}: {text!r} is no date such as 2026-11-18; move the folder out of the lake")
    return found


def write_table(path: Path, kind: str, table: Table, metadata: dict[str, str] | None = None) -> None:
    """Write a table of a kind, with its schema in the metadata, to a local file.

    Of bars the optional columns that tell nothing are left out. Raises BadInput if the schema is not the kind's.
    """
    verify(kind, types_of(table), str(path))
    if kind == "bars" and isinstance(table, pl.DataFrame):
        table = told(table)
    write_parquet(path, table, {SCHEMA_KEY: stamp(kind), **(metadata or {})})


def view(kind: str, paths: Sequence[Path]) -> str:
    """The statement that makes DuckDB's view of a kind over local files (patterns too); bars have every column."""
    files = ", ".join("'" + str(path).replace("'", "''") + "'" for path in paths)
    found = f"SELECT * FROM read_parquet([{files}], hive_partitioning = true, union_by_name = true)"
    if kind == "bars":
        types: dict[pl.DataType, str] = {pl.Int64(): "BIGINT", pl.Float64(): "DOUBLE", pl.String(): "VARCHAR"}
        nothing = ", ".join(f"NULL::{types[dtype]} AS {name}" for name, dtype in COLUMNS.items())
        found = f"SELECT {nothing} WHERE false UNION ALL BY NAME {found}"
    return f"CREATE VIEW {kind} AS {found}"


class Lake:
    """Session files below one root: a folder (`<home>/data_lake`) or a bucket, see storage.py.

    Opening a lake finishes or throws away what a killed import left behind; see transaction.py.
    """

    def __init__(self, root: Path | str) -> None:
        self.storage = Storage(root)
        recover(self.storage)

    @property
    def root(self) -> Path:
        """The local folder: the lake itself, or the mirror of a bucket."""
        return self.storage.root

    def name(self, kind: str, keys: Keys) -> str:
        """The name of a table in the storage; it need not exist. Raises BadInput for a bad kind or key."""
        return relative(kind, keys)

    def path(self, kind: str, keys: Keys) -> Path:
        """The local file of a table of a local lake."""
        return self.storage.root / relative(kind, keys)

    def exists(self, kind: str, keys: Keys) -> bool:
        """Whether the table is in the lake."""
        return self.storage.exists(self.name(kind, keys))

    def write(self, kind: str, keys: Keys, table: Table, metadata: dict[str, str] | None = None) -> str:
        """Write one table atomically, replacing what was there; returns its name.

        Bars may leave out optional columns. Raises BadInput if the schema is not the kind's.
        """
        name = self.name(kind, keys)
        verify(kind, types_of(table), self.storage.uri(name))
        made = self.storage.scratch() / f"{os.getpid()}.{name.replace('/', '.')}"
        try:
            write_table(made, kind, table, metadata)
            self.storage.put(made, name)
        finally:
            made.unlink(missing_ok=True)
        return name

    def read(self, kind: str, keys: Keys, columns: list[str] | None = None, *, whole: bool = True) -> pl.DataFrame:
        """Read one table, or only these columns of it, ts_ns among them.

        Bars have every column of COLUMNS, null where the file tells nothing; unless `whole` is False, which is faster.
        Raises DataUnavailable if it is missing, BadInput if it is unreadable or of another schema version.
        """
        with self._present(kind, keys) as path:
            self._metadata(kind, keys, path)
            try:
                frame = pl.read_parquet(path, columns=columns, hive_partitioning=False, glob=False)
            except (pl.exceptions.PolarsError, OSError) as error:
                raise self._unreadable(kind, keys, error) from None
        if columns is None:
            verify(kind, frame.schema, self.storage.uri(self.name(kind, keys)))
        return filled(frame) if kind == "bars" and whole and columns is None else frame

    def scan(self, kind: str, keys: Sequence[Keys]) -> pl.LazyFrame:
        """Several tables of a kind as one, in the order given, with the column `date` of their keys.

        The caller has seen that they exist and are of this schema version. Raises DataUnavailable for a missing one.
        """
        if not keys:
            return pl.LazyFrame(schema=(COLUMNS if kind == "bars" else {"ts_ns": pl.Int64()}) | {"date": pl.Date()})
        paths: list[Path] = []
        for one in keys:
            with self._present(kind, one) as path:
                paths.append(path)
        found = pl.scan_parquet(
            paths,
            hive_partitioning=False,
            glob=False,
            include_file_paths="date",
            schema=COLUMNS if kind == "bars" else None,
            missing_columns="insert" if kind == "bars" else "raise",
        )
        return found.with_columns(pl.col("date").str.extract(r"date=(\d{4}-\d{2}-\d{2})").str.to_date())

    def metadata(self, kind: str, keys: Keys, *, sealed: bool = False) -> dict[str, str]:
        """What the writer left in the file's metadata, schema included. Raises as `read` does.

        With `sealed` it raises BadInput too for a file that is not byte for byte what was written; see seal.py.
        """
        with self._present(kind, keys) as path:
            if sealed and not is_sealed(memoryview(path.read_bytes())):
                where = self.storage.uri(self.name(kind, keys))
                raise BadInput(f"{where}: damaged, edited or never sealed; {_remedy(kind)}")
            return self._metadata(kind, keys, path)

    def dates(self, kind: str, keys: Keys) -> list[date]:
        """The dates below these keys (all of them but `date`), in order. Raises BadInput for a folder with no date."""
        folder, end = relative(kind, keys).removesuffix(PART), f"/{PART}"
        found = (one.removesuffix(end) for one in self.storage.names(folder[:-1], end))
        return sorted(dated(one) for one in found if one.startswith(f"{folder}date="))

    def digest(self, kind: str, keys: Keys) -> str:
        """SHA-256 (hex) of the file's bytes. Raises DataUnavailable if it is missing."""
        with self._present(kind, keys):
            return self.storage.digest(self.name(kind, keys))

    def delete(self, kind: str, keys: Keys) -> None:
        """Remove a table; nothing happens if it is not there."""
        self.storage.delete(self.name(kind, keys))

    def views(self) -> None:
        """Make `catalog.duckdb` of a local lake anew: one view a kind over its session files, for people; no data.

        Raises BadInput for a file that cannot be read.
        """
        import duckdb

        if not self.storage.is_local:
            return  # views over a bucket would need duckdb's own S3 reader; `scalper lake sql` goes by the mirror
        self.root.mkdir(parents=True, exist_ok=True)
        catalog, temporary = self.root / "catalog.duckdb", self.root / f".catalog.duckdb.{os.getpid()}"
        temporary.unlink(missing_ok=True)
        with duckdb.connect(str(temporary)) as connection:
            for kind in VERSIONS:
                if next((self.root / kind).rglob(PART), None) is not None:
                    try:
                        connection.execute(view(kind, [self.root.resolve() / kind / "**" / PART]))
                    except duckdb.Error as error:
                        temporary.unlink()
                        raise BadInput(
                            f"{kind}: {str(error).splitlines()[0]}; delete the file and make it again"
                        ) from None
        temporary.replace(catalog)

    @contextmanager
    def _present(self, kind: str, keys: Keys) -> Generator[Path]:
        name = self.name(kind, keys)
        if not self.storage.exists(name):
            wanted = ", ".join(f"{key} {value}" for key, value in keys.items())
            how = "import or download it" if kind in BROUGHT else "run the lane's earlier stages"
            raise DataUnavailable(f"the lake has no {kind} for {wanted}; {how} first")
        with self.storage.local(name) as path:
            yield path

    def _metadata(self, kind: str, keys: Keys, path: Path) -> dict[str, str]:
        try:
            found = {key: str(value) for key, value in pl.read_parquet_metadata(path).items() if key != "ARROW:schema"}
        except (pl.exceptions.PolarsError, OSError) as error:
            raise self._unreadable(kind, keys, error) from None
        if found.get(SCHEMA_KEY) != stamp(kind):
            raise BadInput(
                f"{self.storage.uri(self.name(kind, keys))}: schema {found.get(SCHEMA_KEY, 'unknown')}, this program "
                f"reads {stamp(kind)}; delete the file and make it again (import, download or run)"
            )
        return found

    def _unreadable(self, kind: str, keys: Keys, error: Exception) -> BadInput:
        where, what = self.storage.uri(self.name(kind, keys)), str(error).splitlines()[0]
        return BadInput(f"{where}: cannot be read as Parquet ({what}); {_remedy(kind)}")


def _remedy(kind: str) -> str:
    """How a damaged file is replaced."""
    return "run the lane again, which makes it anew" if kind in SEALED else "delete it and make it again"
