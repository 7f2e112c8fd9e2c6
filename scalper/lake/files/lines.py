"""Lines of text read a few megabytes at a time, from a plain, gzipped or zipped file, as tables of cells."""

from __future__ import annotations

import gzip
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import IO

import polars as pl

from scalper.errors import BadInput
from scalper.lake.files.layouts import Layout, recognise

BLOCK = 8 << 20
"""Bytes read at a time; a file of any length needs the memory of a few of them."""
HEAD = 1 << 16
"""Bytes in which the first two lines must lie."""


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of one file: `where` names it in messages, `opened` opens its bytes."""

    where: str
    opened: Callable[[], IO[bytes] | BufferedIOBase]

    @classmethod
    def of(cls, path: Path) -> Lines:
        """Those of a file on disk, gzipped if its name says so."""
        packed = path.name.lower().endswith(".gz")
        return cls(str(path), lambda: gzip.open(path) if packed else path.open("rb"))

    def layout(self) -> Layout:
        """The layout that the first lines tell. Raises BadInput."""
        lines: list[tuple[int, str]] = []
        for row, block in self.blocks():
            head = block[:HEAD].decode(errors="replace").split("\n")
            lines += [(at, line.strip()) for at, line in enumerate(head, row) if line.strip()]
            if len(lines) > 1:
                break
        return recognise(self.where, lines[:2])

    def blocks(self) -> Iterator[tuple[int, bytes]]:
        """Pieces of whole lines, each with the row (from 1) of its first line. Raises BadInput: damaged, no text."""
        row, rest = 1, b""
        try:
            with self.opened() as file:
                while piece := file.read(BLOCK):
                    if b"\0" in piece:
                        raise BadInput(f"{self.where}: holds bytes that are no text; save it as plain text (UTF-8)")
                    end = piece.rfind(b"\n") + 1
                    if end == 0 and len(rest) >= BLOCK:
                        raise BadInput(f"{self.where}: row {row}: a line of megabytes; this is no table of prices")
                    if end:
                        whole = rest + piece[:end]
                        yield row, whole.removeprefix(b"\xef\xbb\xbf") if row == 1 else whole
                        row += whole.count(b"\n")
                        rest = b""
                    rest += piece[end:]
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
            raise BadInput(
                f"{self.where}: cannot be read ({error}); the file is damaged or incomplete, fetch it again"
            ) from None
        if rest:
            yield row, rest + b"\n"

    def tables(self, layout: Layout, wanted: Sequence[str]) -> Iterator[pl.DataFrame]:
        """The rows as `row` (the line's number) and the `wanted` columns of the layout, all text, stripped; blank lines
        are left out. Raises BadInput naming the first row with more values than the layout has."""
        names = layout.separator.join(layout.columns).encode() + b"\n"
        cells = pl.col(*wanted)
        for row, block in self.blocks():
            try:
                table = pl.read_csv(
                    names + block,
                    separator=layout.separator,
                    schema=dict.fromkeys(layout.columns, pl.String),
                    columns=list(wanted),
                    quote_char=None,
                )
            except pl.exceptions.PolarsError as error:
                raise self._ragged(layout, row, block, error) from None
            if len(table) != block.count(b"\n"):
                raise BadInput(f"{self.where}: row {row} and after: its lines do not part; save it as plain text")
            table = table.with_columns(cells.str.strip_chars())
            table = table.with_row_index("row", offset=row).with_columns(pl.col("row").cast(pl.Int64))
            if row <= layout.header or table[wanted[0]].null_count() or (table[wanted[0]] == "").any():
                blank = pl.all_horizontal(cells.is_null() | (cells == "")) | (pl.col("row") <= layout.header)
                table = table.filter(~blank)
            yield table

    def _ragged(self, layout: Layout, row: int, block: bytes, error: Exception) -> BadInput:
        """The error for a piece that is no table: its first row with too many values, if that is what is wrong."""
        most = len(layout.columns)
        for at, line in enumerate(block.splitlines(), row):
            if (found := line.count(layout.separator.encode()) + 1) > most:
                return BadInput(f"{self.where}: row {at}: {found} values, where the layout has {most}; mend the row")
        what = str(error).splitlines()[0]
        return BadInput(f"{self.where}: from row {row} on: no table of text ({what}); mend the file or leave it out")
