"""One table to one Parquet file: the same bytes for the same table, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from scalper.errors import BadInput
from scalper.lake.seal import OPEN, SEAL_KEY, sealed

Table = pl.DataFrame | Mapping[str, np.ndarray]
"""What is written: a frame, or columns of numbers of one length."""

NUMBERS: dict[np.dtype[Any], pl.DataType] = {
    np.dtype("i8"): pl.Int64(),
    np.dtype("i4"): pl.Int32(),
    np.dtype("i2"): pl.Int16(),
    np.dtype("i1"): pl.Int8(),
    np.dtype("f8"): pl.Float64(),
    np.dtype("f4"): pl.Float32(),
}
"""The types of arrays that a table may be given as."""


def write_parquet(path: Path, table: Table, metadata: dict[str, str]) -> None:
    """Write lz4 Parquet under a temporary name in the same folder, then rename; the same table gives the same bytes.

    A frame is written by polars, which writes numbers plainly (a dictionary of floats costs six times the time). Arrays
    have no nulls and no need of types of polars' own: pyarrow writes them in two thirds of the time, a column a page.
    They are what the program computed, and are sealed: see seal.py.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if isinstance(table, pl.DataFrame):
            table.write_parquet(temporary, compression="lz4", statistics=False, metadata=metadata)
        else:
            with temporary.open("wb") as file:
                for part in sealed(memoryview(_packed(table, metadata | {SEAL_KEY: OPEN}))):
                    file.write(part)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _packed(columns: Mapping[str, np.ndarray], metadata: dict[str, str]) -> Any:
    """Columns of numbers as a Parquet file in memory: from there it is on disk sooner than piece by piece."""
    pa: Any = import_module("pyarrow")
    arrays = [pa.array(column) for column in columns.values()]
    table = pa.Table.from_arrays(arrays, schema=_schema(tuple(columns), tuple(array.type for array in arrays)))
    rows = max(len(table), 1)
    made = pa.BufferOutputStream()
    with import_module("pyarrow.parquet").ParquetWriter(
        made,
        table.schema,
        compression="lz4",
        use_dictionary=False,
        write_statistics=False,
        store_schema=False,
        data_page_size=2**30,
        write_batch_size=rows,
    ) as writer:
        writer.write_table(table, rows)
        writer.add_key_value_metadata(metadata)
    return made.getvalue()


@lru_cache(maxsize=16)
def _schema(names: tuple[str, ...], types: tuple[Any, ...]) -> Any:
    """Columns that are never null: nothing is written of which of their values are there."""
    pa: Any = import_module("pyarrow")
    return pa.schema([pa.field(name, one, nullable=False) for name, one in zip(names, types, strict=True)])


def types_of(table: Table) -> Mapping[str, pl.DataType]:
    """The columns of a table, by their types in the lake. Raises BadInput for an array that holds no numbers."""
    if isinstance(table, pl.DataFrame):
        return table.schema
    if odd := [name for name, column in table.items() if column.dtype not in NUMBERS]:
        raise BadInput(f"column {odd[0]}: no table is made of arrays of {table[odd[0]].dtype}; give a frame")
    return {name: NUMBERS[column.dtype] for name, column in table.items()}
