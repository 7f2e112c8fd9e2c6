"""Sessions of real data, read through the lake as a lane reads them."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from scalper.lake import Lake, import_files, read_session
from scalper.market import INTERVALS, carry, session

CHICAGO = "America/Chicago"
BOTH = ("trades", "quotes")


@dataclass(frozen=True, slots=True)
class Source:
    """Files, the session to read of them, and the groups of order flow that they tell."""

    paths: tuple[str, ...]
    day: date
    interval: str
    groups: tuple[str, ...]
    tz: str | None = None
    begins: tuple[str, ...] = ()
    """What the kept lines of a text file begin with: a part costs less to import."""
    inferred: float = 0.0
    """Share of the sides that the tick rule inferred."""

    def read(self, real_data: Path, folder: Path) -> np.ndarray:
        """The session's bars, carried if they are seconds; the test is skipped without the files."""
        paths = [real_data / path for path in self.paths]
        if absent := [path for path in paths if not path.is_file()]:
            pytest.skip(f"no {absent[0]}")
        if self.begins:
            paths = [_part(path, self.begins, folder) for path in paths]
        lake, day = Lake(folder / "lake"), session("ES", self.day)
        import_files(lake, paths, symbol="ES", interval="5m" if self.interval == "5m" else None, tz=self.tz)
        held = read_session(lake, source="import", symbol="ES", interval=self.interval, session=day, roll="monday")
        return carry(held.bars, day, INTERVALS["1s"]) if self.interval == "1s" else held.bars


def _part(path: Path, begins: tuple[str, ...], folder: Path) -> Path:
    """The header of a zipped text file and the lines that begin so."""
    out = folder / path.name
    with gzip.open(path, "rt") as lines, gzip.open(out, "wt") as kept:
        kept.write(next(lines))
        kept.writelines(line for line in lines if line.startswith(begins))
    return out


SOURCES = {
    "five minutes": Source(
        ("es_5m/ESU21.txt.gz",), date(2021, 7, 14), "5m", ("trades",), CHICAGO, ("2021/7/13", "2021/7/14")
    ),
    "ticks": Source(
        ("es_ticks_2013/tick_data.csv.gz",), date(2013, 9, 3), "1s", ("trades",), CHICAGO, ("2013-09-03 08",), 1.0
    ),
    "minutes": Source(
        ("es_minutes_2013/20131118_trade.zip", "es_minutes_2013/20131118_quote.zip"),
        date(2013, 11, 18), "1m", ("quotes",),
    ),
    "mbp-1": Source(("dbn_real/esu4_2024-07-01.mbp-1.dbn.zst",), date(2024, 7, 2), "1s", BOTH),
    "mbo": Source(("dbn_real/esh4_2023-12-25.mbo.dbn.zst",), date(2023, 12, 26), "1s", BOTH),
}  # fmt: skip
