"""What the lake holds, for people: a list of its tables, and SQL over them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from importlib import import_module
from math import isfinite
from pathlib import Path
from typing import Any

import polars as pl

from scalper.errors import BadInput
from scalper.lake.schema import FLOW, VERSIONS
from scalper.lake.store import PART, Lake, keys_of, view

TABLES: dict[str, pl.DataType] = {
    "kind": pl.String(),
    "source": pl.String(),  # of bars, definitions and status
    "symbol": pl.String(),
    "interval": pl.String(),
    "lane": pl.String(),  # of features, labels and predictions
    "sessions": pl.Int64(),
    "first": pl.Date(),
    "last": pl.Date(),
    "rows": pl.Int64(),
    "contracts": pl.Int64(),
    "volume": pl.Int64(),
    "flow": pl.List(pl.String()),  # optional columns of bars that any file has
    "bytes": pl.Int64(),
    "digest": pl.String(),
}
_NUMBER = re.compile(r"(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|FLOAT|DOUBLE|BOOLEAN|DECIMAL\(\d+,\d+\))$")
NAMED = 40
"""So many columns of a view are named in a message."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Tables of the lake: `tables` has the columns TABLES, `digest` is over all bars (names and bytes)."""

    tables: pl.DataFrame
    digest: str

    def as_dict(self) -> dict[str, Any]:
        """The JSON document of `scalper lake ls`; what a kind does not have is left out."""
        rows = self.tables.with_columns(pl.col("first", "last").cast(pl.String)).to_dicts()
        told = [{key: value for key, value in row.items() if value is not None} for row in rows]
        return {"tables": told, "digest": self.digest}


def ls(lake: Lake) -> Listing:
    """Every group of tables that differ only in their date. Raises BadInput for a file that cannot be read."""
    rows: list[dict[str, Any]] = []
    every: list[tuple[str, str]] = []
    for kind in VERSIONS:
        groups: dict[str, list[tuple[str, int]]] = {}
        for name, size in lake.storage.listing(kind):
            if name.endswith(f"/{PART}"):
                groups.setdefault(_group(name), []).append((name, size))
        for files in groups.values():
            digests = [(name, lake.storage.digest(name)) for name, _ in files]
            every += digests if kind == "bars" else []
            rows.append(_row(lake, kind, [name for name, _ in files], sum(size for _, size in files), digests))
    return Listing(pl.DataFrame(rows, schema=TABLES), _digest(every))


def _group(name: str) -> str:
    return "/".join(part for part in name.split("/") if not part.startswith("date="))


def _digest(digests: Iterable[tuple[str, str]]) -> str:
    found = hashlib.sha256()
    for name, digest in sorted(digests):
        found.update(f"{name} {digest}\n".encode())
    return found.hexdigest()


def _row(lake: Lake, kind: str, names: list[str], size: int, digests: list[tuple[str, str]]) -> dict[str, Any]:
    every = [keys_of(kind, name) for name in names]
    for keys in every:
        lake.metadata(kind, keys)  # refuses a file of another schema version, naming it
    days = sorted(date.fromisoformat(keys["date"]) for keys in every if "date" in keys)
    group: dict[str, Any] = dict.fromkeys(TABLES) | every[0]
    row = {key: group[key] for key in TABLES} | {"kind": kind, "sessions": len(days)}
    row |= {"first": days[0], "last": days[-1]} if days else {}
    return row | {"bytes": size, "digest": _digest(digests)} | _figures(lake, kind, every)


def _figures(lake: Lake, kind: str, every: list[dict[str, str]]) -> dict[str, Any]:
    """Rows; of bars contracts, volume and the order flow that any file tells, too."""
    if kind != "bars":
        return {"rows": sum(int(lake.scan(kind, [keys]).select(pl.len()).collect().item()) for keys in every)}
    table = lake.scan(kind, every)
    told = [pl.col(name).count().alias(name) for name in FLOW]
    found = table.select(
        pl.len().alias("rows"), pl.col("contract").n_unique().alias("contracts"), pl.col("volume").sum(), *told
    )
    figures = found.collect().row(0, named=True)
    flow = [name for name in FLOW if figures[name]]
    return {key: figures[key] for key in ("rows", "contracts", "volume")} | {"flow": flow}


@dataclass(frozen=True, slots=True)
class Answer:
    """The rows of a query, of numbers, truth values and texts; `more` says that there are others beyond the limit."""

    columns: list[str]
    rows: list[tuple[Any, ...]]
    more: bool

    def as_dict(self) -> dict[str, Any]:
        """The JSON document of `scalper lake sql`; NaN and infinity as null."""
        rows = [[None if isinstance(one, float) and not isfinite(one) else one for one in row] for row in self.rows]
        return {"columns": self.columns, "rows": rows, "more": self.more}


def sql(lake: Lake, query: str, limit: int = 100) -> Answer:
    """Ask the lake by SQL, DuckDB's: views bars, features, labels, predictions, definitions and status, read only.

    A view has the tables' columns and those of their keys (source, symbol, interval, lane, date). Of a bucket the
    kinds that the query names are mirrored first. Raises BadInput, naming views and columns, for anything but one
    SELECT over them.
    """
    if any("\ud800" <= one <= "\udfff" for one in query):
        raise BadInput("SQL: the query is no UTF-8 text")
    duckdb: Any = import_module("duckdb")
    with duckdb.connect() as connection:
        views = _views(lake, connection, query.lower())
        try:
            statements = connection.extract_statements(query)
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise BadInput(f"one SELECT and nothing else: the lake is only read; {_told(connection, views)}")
            found = connection.sql(query).limit(limit + 1)
            columns: list[str] = found.columns
            kinds = [str(kind) for kind in found.types]
            rows = found.project(", ".join(map(_column, columns, kinds))).fetchall()
        except duckdb.Error as error:
            words = " ".join(str(error).split("\n\nLINE")[0].split())
            raise BadInput(f"SQL: {words}; {_told(connection, views)}") from None
    return Answer(columns, [tuple(map(_plain, row)) for row in rows[:limit]], len(rows) > limit)


def _column(name: str, kind: str) -> str:
    """A column of a query as it is to be fetched: what is no number comes as DuckDB's text, as Python and polars have
    no infinite stamps, years beyond 9999, long intervals or unions."""
    quoted = '"' + name.replace('"', '""') + '"'
    return quoted if _NUMBER.match(kind) else f"CAST({quoted} AS VARCHAR) AS {quoted}"


def _plain(value: Any) -> Any:
    """DuckDB's decimals as numbers."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def _views(lake: Lake, connection: Any, query: str) -> list[str]:
    """Make a view of every kind that the lake holds, and then close the connection's doors.

    Raises BadInput for a file that cannot be read or is of another schema.
    """
    duckdb: Any = import_module("duckdb")
    made: list[str] = []
    for kind in VERSIONS:
        names = lake.storage.names(kind, f"/{PART}")
        needed = names if lake.storage.is_local or kind in query else names[:1]  # one tells the columns
        paths: list[Path] = []
        for name in needed:
            lake.metadata(kind, keys_of(kind, name))
            with lake.storage.local(name) as path:
                paths.append(path)
        if paths:
            try:
                connection.execute(view(kind, paths))
            except duckdb.Error as error:
                raise BadInput(f"{kind}: {str(error).splitlines()[0]}; delete the file and make it again") from None
            made.append(kind)
    folder = str(lake.root.resolve()).replace("'", "''")
    connection.execute(f"SET allowed_directories = ['{folder}/']")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return made


def _told(connection: Any, views: list[str]) -> str:
    """The views with their columns, for a message."""
    if not views:
        return "the lake is empty: import or download first"
    told: list[str] = []
    for kind in views:
        names = [row[0] for row in connection.execute(f"DESCRIBE {kind}").fetchall()]
        told.append(f"{kind}({', '.join(names[:NAMED])}{', …' if len(names) > NAMED else ''})")
    return f"the views are {'; '.join(told)}"
