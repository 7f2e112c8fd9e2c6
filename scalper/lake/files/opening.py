"""Which reader a file is for: by its name, and inside DBN by its schema."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from scalper.errors import BadInput
from scalper.lake.files.dbn import Names, header, names_of
from scalper.lake.files.dbn_bars import open_bars
from scalper.lake.files.dbn_ticks import open_ticks
from scalper.lake.files.parquet import open_parquet
from scalper.lake.files.readers import ImportOptions, Source
from scalper.lake.files.text import open_text
from scalper.lake.files.zipped import open_zips

KINDS = ".dbn(.zst), .parquet, .txt(.gz), .csv(.gz) or .zip"
TICKS = ("trades", "tbbo", "mbp-1", "mbp-10", "mbo")


def opener(paths: Sequence[Path], *, options: ImportOptions) -> Callable[[Path], list[Source]]:
    """What opens each of these files for one import. Zipped days belong together (a day's quotes go to its trades), so
    the first that is asked for gives the sources of all of them."""
    zips = [path for path in paths if path.name.lower().endswith(".zip")]

    def opened(path: Path) -> list[Source]:
        if not path.name.lower().endswith(".zip"):
            return [open_source(path, options=options)]
        together = [_there(one) for one in zips]
        zips.clear()
        return open_zips(together, options=options) if together else []

    return opened


def open_source(path: Path, *, options: ImportOptions) -> Source:
    """Open a file for import: .dbn(.zst), .parquet, .txt/.csv(.gz). Raises BadInput."""
    name = _there(path).name.lower()
    if name.endswith((".dbn", ".dbn.zst")):
        return open_dbn(path, options=options)
    if name.endswith(".parquet"):
        return open_parquet(path, options=options)
    if name.removesuffix(".gz").endswith((".txt", ".csv")):
        return open_text(path, options=options)
    raise BadInput(f"{path}: not a kind of file that can be imported; use {KINDS}")


def _there(path: Path) -> Path:
    """The path, if it is that of a file. Raises BadInput."""
    if not path.is_file():
        raise BadInput(f"{path}: no such file; check the path (a folder is not read, name its files)")
    return path


def open_dbn(path: Path, *, options: ImportOptions, names: Names | None = None) -> Source:
    """Open a DBN file by its schema.

    `names` tells the raw symbols of a file that was asked for by continuous symbol. Raises BadInput: unreadable, a
    schema that is not imported, another interval than asked, symbols that name no contract.
    """
    head = header(path)
    if head.schema.startswith("ohlcv-"):
        return open_bars(path, head, options, names or names_of(path, head))
    if head.schema in TICKS:
        return open_ticks(path, head.schema, options, names or names_of(path, head))
    raise BadInput(
        f"{path}: schema {head.schema} is not imported; ask Databento for ohlcv-1s, ohlcv-1m, ohlcv-1h, ohlcv-1d, "
        "trades, tbbo, mbp-1 or mbo"
    )
