"""The bars of one session: what the lake has and what comes, as one table, and what that changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from scalper.lake.files.dbn import Codes
from scalper.lake.files.readers import labelled
from scalper.lake.schema import COLUMNS, FLOW, PRICES

VALUES = (*PRICES, "volume")

Keys = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows of one session from one file, in file order; `codes` are their contracts."""

    file: int
    frame: pl.DataFrame
    codes: Codes


@dataclass(frozen=True, slots=True)
class Fault:
    """A row that cannot be merged: a conflict with a bar that is there, or its file's second row of the key."""

    file: int
    row: int
    contract: str
    ts_ns: int
    repeated: bool


@dataclass(slots=True)
class Merged:
    """A session's bars after a merge; counts are of the files' rows.

    `kept` and `known` are disjoint; `enriched` are bars that were there and got columns that they lacked.
    """

    frame: pl.DataFrame | None = None
    kept: int = 0
    known: int = 0
    bars: int = 0
    enriched: int = 0
    volume: int = 0
    contracts: set[str] = field(default_factory=set[str])
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class _Table:
    """Bars with their keys, ascending: stamp and place of the contract among the session's contracts."""

    frame: pl.DataFrame
    keys: Keys


def merge(present: pl.DataFrame | None, pieces: Sequence[Piece], names: Sequence[str], length: int) -> Merged:
    """Merge rows of files, in order, into the bars that are there; bars are `length` nanoseconds long.

    A row with the key of a bar that is there is known if it tells nothing new; it enriches the bar if it tells optional
    columns that were null; with any other value it is a fault, and the merge ends there.
    """
    done = Merged()
    used = {names[code] for piece in pieces for code in np.flatnonzero(np.bincount(piece.codes)).tolist()}
    labels: list[str] = sorted(used | set(present["contract"].unique().to_list() if present is not None else ()))
    rank = np.array([labels.index(name) if name in used else 0 for name in names], np.int64)
    held: _Table | None = None
    if present is not None:
        codes = present["contract"].cast(pl.Enum(labels)).to_physical().to_numpy().astype(np.int64)
        held = _Table(_numbered(present, codes), _keys(present, codes, length, len(labels)))
    for file in dict.fromkeys(piece.file for piece in pieces):
        new = _table([piece for piece in pieces if piece.file == file], rank, length, len(labels))
        twice = np.flatnonzero(new.keys[1:] == new.keys[:-1])
        if len(twice):
            done.fault = _fault(file, new.frame, int(twice[0]) + 1, labels, repeated=True)
            return done
        if held is None:
            _count(done, new.frame, labels)
            held = new
        else:
            held = _joined(held, new, done, file, labels)
        if done.fault is not None:
            return done
    if held is not None and (done.bars or done.enriched):
        contract = _spelled(held.frame["contract"], labels)
        stored = [name for name in COLUMNS if name in held.frame.columns]
        done.frame = held.frame.with_columns(contract=contract).select(stored)
    return done


def _table(pieces: Sequence[Piece], rank: Keys, length: int, width: int) -> _Table:
    """The rows of one file, sorted by key. Files are mostly sorted already."""
    codes = rank[np.concatenate([piece.codes for piece in pieces])]
    frame = _numbered(pl.concat([piece.frame for piece in pieces], how="diagonal", rechunk=True), codes)
    return _sorted(frame, _keys(frame, codes, length, width))


def _sorted(frame: pl.DataFrame, keys: Keys) -> _Table:
    if (keys[1:] > keys[:-1]).all():
        return _Table(frame, keys)
    order = np.argsort(keys, kind="stable")
    return _Table(frame[order], keys[order])


def _numbered(frame: pl.DataFrame, codes: Keys) -> pl.DataFrame:
    return frame.with_columns(contract=pl.Series(codes.astype(np.uint32)))


def _keys(frame: pl.DataFrame, codes: Keys, length: int, width: int) -> Keys:
    return frame["ts_ns"].to_numpy() // length * width + codes


def _joined(held: _Table, new: _Table, done: Merged, file: int, labels: list[str]) -> _Table:
    """`held` with what `new` adds to it; counted in `done`, as is the first fault."""
    at = np.minimum(np.searchsorted(held.keys, new.keys), len(held.keys) - 1)
    hit = held.keys[at] == new.keys
    old, same, fresh = held.frame[at[hit]], new.frame.filter(pl.Series(hit)), new.frame.filter(pl.Series(~hit))
    differs = _differs(old, same)
    if differs.any():
        done.fault = _fault(file, same, int(differs.argmax()), labels, repeated=False)
        return held
    flow = [name for name in FLOW if name in same.columns]
    old = old.with_columns(pl.lit(None, FLOW[name]).alias(name) for name in flow if name not in old.columns)
    adds = np.zeros(len(old), np.bool_)
    for name in flow:
        adds |= (old[name].is_null() & same[name].is_not_null()).to_numpy()
    done.known += _rows(same.filter(pl.Series(~adds)))
    done.kept += _rows(same.filter(pl.Series(adds)))
    done.enriched += int(adds.sum())
    done.contracts |= {labels[code] for code in same.filter(pl.Series(adds))["contract"].unique().to_list()}
    _count(done, fresh, labels)
    if not adds.any() and fresh.is_empty():
        return held
    better = old.with_columns(old[name].fill_null(same[name]) for name in flow).filter(pl.Series(adds))
    stays = np.ones(len(held.keys), np.bool_)
    stays[at[hit][adds]] = False
    frames = [held.frame.filter(pl.Series(stays)), better, fresh]
    keys = np.concatenate([held.keys[stays], held.keys[~stays], new.keys[~hit]])
    return _sorted(pl.concat(frames, how="diagonal", rechunk=True), keys)


def _differs(old: pl.DataFrame, same: pl.DataFrame) -> npt.NDArray[np.bool_]:
    """Where two bars of one key contradict each other; null contradicts nothing."""
    found = np.zeros(len(old), np.bool_)
    for name in (*VALUES, *(name for name in FLOW if name in old.columns and name in same.columns)):
        found |= (old[name] != same[name]).fill_null(False).to_numpy()
    return found


def _count(done: Merged, fresh: pl.DataFrame, labels: list[str]) -> None:
    """Count bars that are new."""
    done.kept += _rows(fresh)
    done.bars += len(fresh)
    done.volume += int(fresh["volume"].sum())
    done.contracts |= {labels[code] for code in fresh["contract"].unique().to_list()}


def _spelled(codes: pl.Series, labels: list[str]) -> pl.Series:
    """Contracts as text, as they are stored."""
    if len(labels) == 1:
        return pl.repeat(labels[0], len(codes), dtype=pl.String, eager=True)
    return labelled(codes.to_numpy(), labels).cast(pl.String)


def _rows(frame: pl.DataFrame) -> int:
    """How many of the file's rows these bars were made of."""
    return int(frame["count"].sum()) if "count" in frame.columns else len(frame)


def _fault(file: int, frame: pl.DataFrame, at: int, labels: list[str], *, repeated: bool) -> Fault:
    row: dict[str, Any] = frame.row(at, named=True)
    return Fault(file, row["row"], labels[int(row["contract"])], row["ts_ns"], repeated)
