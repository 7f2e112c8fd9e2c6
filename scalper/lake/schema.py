"""The columns of a session file, and the version that its metadata carries."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from scalper.errors import BadInput

VERSIONS: dict[str, int] = {"bars": 1, "features": 1, "labels": 1, "predictions": 1}
"""Kind of table to the version of its schema; raised when the meaning or the set of fixed columns changes."""

SCHEMA_KEY = "scalper.schema"
"""Key in a Parquet file's metadata; its value is such as `bars/1`."""

FRONT_KEY = "scalper.front"
"""In a bars file's metadata: the contract that a vendor's continuous symbol stood for on the session's date."""

BARS: dict[str, pl.DataType] = {
    "ts_ns": pl.Int64(),  # UTC nanoseconds, the bar's START
    "contract": pl.String(),  # MESZ26
    "open": pl.Float64(),  # points, unadjusted
    "high": pl.Float64(),
    "low": pl.Float64(),
    "close": pl.Float64(),
    "volume": pl.Int64(),  # contracts, above 0: only traded bars are stored
    "trades": pl.Int64(),  # null where the source does not tell
    "bid_volume": pl.Int64(),  # null where the source does not tell
    "ask_volume": pl.Int64(),
}
"""Bars of one session, sorted by (ts_ns, contract) and unique in it; several contracts may lie in one file."""

PRICES = ("open", "high", "low", "close")
SIDES = ("trades", "bid_volume", "ask_volume")
KEY = ("ts_ns", "contract")


def stamp(kind: str) -> str:
    """What a file of this kind carries as its schema, e.g. `bars/1`. Raises BadInput for an unknown kind."""
    if kind not in VERSIONS:
        raise BadInput(f"the lake keeps no {kind!r}; it keeps {', '.join(VERSIONS)}")
    return f"{kind}/{VERSIONS[kind]}"


def verify(kind: str, columns: Mapping[str, pl.DataType], where: str) -> None:
    """Raise BadInput, with the difference spelled out, if the columns are not those of the kind's schema."""
    if kind != "bars":
        if columns.get("ts_ns") != pl.Int64():
            raise BadInput(f"{where}: {kind} need a column ts_ns of Int64; found {', '.join(columns) or 'no columns'}")
        return
    wrong = [f"{name} is {columns[name]}, not {want}" for name, want in BARS.items() if columns.get(name, want) != want]
    wrong += [f"{name} is missing" for name in BARS if name not in columns]
    wrong += [f"{name} does not belong there" for name in columns if name not in BARS]
    if wrong:
        difference = "; ".join(wrong)
        raise BadInput(f"{where}: not the schema {stamp(kind)}: {difference}; delete the file and import it again")
