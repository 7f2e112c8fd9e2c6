"""The columns of a session file, and the version that its metadata carries."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from scalper.errors import BadInput

VERSIONS: dict[str, int] = {"bars": 2, "features": 1, "labels": 2, "predictions": 1, "definitions": 1, "status": 1}
"""Kind of table to the version of its schema; raised when the meaning or the set of fixed columns changes."""

SCHEMA_KEY = "scalper.schema"
"""Key in a Parquet file's metadata; its value is such as `bars/2`."""

FRONT_KEYS: dict[str, str] = {letter: f"scalper.front.{letter}" for letter in "cvn"}
"""In a bars file's metadata: the contract that the vendor's continuous symbol of that letter (c: calendar, v: volume,
n: open interest) stood for in the session."""

MADE_OF_KEY = "scalper.made_of"
"""In a bars file's metadata: what its bars were aggregated from."""

BARS: dict[str, pl.DataType] = {
    "ts_ns": pl.Int64(),  # UTC nanoseconds, the bar's START
    "contract": pl.String(),  # MESZ26
    "open": pl.Float64(),  # points, unadjusted
    "high": pl.Float64(),
    "low": pl.Float64(),
    "close": pl.Float64(),
    "volume": pl.Int64(),  # contracts, above 0: only traded bars are stored
}
"""Bars of one session, sorted by (ts_ns, contract) and unique in it; several contracts may lie in one file."""

FLOW: dict[str, pl.DataType] = {
    "trades": pl.Int64(),
    "bid_volume": pl.Int64(),  # sold to the bid: the seller was the aggressor
    "ask_volume": pl.Int64(),  # bought at the ask: the buyer was the aggressor
    "inferred_volume": pl.Int64(),  # part of the two above whose side the tick rule inferred; 0: the source told all
    "largest": pl.Int64(),  # largest single trade, contracts
    "spread": pl.Float64(),  # points, ask - bid of the last quote in the bar
    "bid_size": pl.Int64(),  # contracts at the best price of that last quote
    "ask_size": pl.Int64(),
    "imbalance": pl.Int64(),  # sum of e_n over the bar's quote updates, Cont, Kukanov & Stoikov (2014)
}
"""Order flow: null where the source does not tell; a file holds only the columns of which it tells anything."""

COLUMNS: dict[str, pl.DataType] = BARS | FLOW
"""What a reader of bars always gets, in this order."""

PRICES = ("open", "high", "low", "close")
KEY = ("ts_ns", "contract")


_NOTHING = {name: pl.lit(None, kind).alias(name) for name, kind in FLOW.items()}
"""A column of which a source tells nothing; made once, for an expression costs more than reading a column."""


def stamp(kind: str) -> str:
    """What a file of this kind carries as its schema, e.g. `bars/2`. Raises BadInput for an unknown kind."""
    if kind not in VERSIONS:
        raise BadInput(f"the lake keeps no {kind!r}; it keeps {', '.join(VERSIONS)}")
    return f"{kind}/{VERSIONS[kind]}"


def verify(kind: str, columns: Mapping[str, pl.DataType], where: str) -> None:
    """Raise BadInput, with the difference spelled out, if the columns are not those of the kind's schema."""
    if kind != "bars":
        if columns.get("ts_ns") != pl.Int64():
            raise BadInput(f"{where}: {kind} need a column ts_ns of Int64; found {', '.join(columns) or 'no columns'}")
        return
    wrong = [
        f"{name} is {columns[name]}, not {want}" for name, want in COLUMNS.items() if columns.get(name, want) != want
    ]
    wrong += [f"{name} is missing" for name in BARS if name not in columns]
    wrong += [f"{name} does not belong there" for name in columns if name not in COLUMNS]
    if wrong:
        difference = "; ".join(wrong)
        raise BadInput(f"{where}: not the schema {stamp(kind)}: {difference}; delete the file and import it again")


def told(frame: pl.DataFrame) -> pl.DataFrame:
    """Bars as a file keeps them: columns in the schema's order, without the optional ones that are null throughout."""
    kept = [
        name for name in COLUMNS if name in BARS or (name in frame.columns and frame[name].null_count() < len(frame))
    ]
    return frame.select(kept)


def filled(frame: pl.DataFrame) -> pl.DataFrame:
    """Bars as a reader gets them: every column of COLUMNS, null where the source does not tell."""
    return frame.select(name if name in frame.columns else _NOTHING[name] for name in COLUMNS)
