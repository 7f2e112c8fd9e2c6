"""From checked rows to session files: locate, aggregate ticks, merge with what the lake has, stage."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from scalper.clock import iso
from scalper.errors import BadInput
from scalper.lake.readers import KNOWN, OUTSIDE, UNTRADED, day_of
from scalper.lake.schema import BARS, FRONT_KEY, KEY, PRICES, SCHEMA_KEY, SIDES, stamp
from scalper.lake.store import Lake, bar_keys, relative, write_parquet
from scalper.lake.transaction import Transaction
from scalper.market import INTERVALS, front_contract, locate, sessions

FLUSH = 1_000_000
"""Rows held before they are merged into the staged session files."""
VALUES = (*PRICES, "volume", *SIDES)


@dataclass(slots=True)
class Tally:
    """What became of the rows."""

    kept: int = 0
    bars: int = 0
    volume: int = 0
    dropped: Counter[str] = field(default_factory=Counter[str])
    contracts: set[str] = field(default_factory=set[str])
    sessions: set[date] = field(default_factory=set[date])


@dataclass(slots=True)
class Intake:
    """The rows of one import for one (source, symbol, interval), merged session by session into a transaction.

    A row with the stamp and contract of one that is already there (in the lake, or from a file before it in the same
    import) and the same values is dropped as `already in the lake`; with other values the import is refused.
    """

    lake: Lake
    into: Transaction
    source: str
    symbol: str
    interval: str
    fronts: dict[date, str] = field(default_factory=dict[date, str])
    tally: Tally = field(default_factory=Tally)
    _held: list[pl.DataFrame] = field(default_factory=list[pl.DataFrame])
    _rows: int = 0
    _files: list[Path] = field(default_factory=list[Path])

    def add(self, path: Path, frame: pl.DataFrame, *, ticks: bool) -> None:
        """Take checked rows of a file: `row` and the bar columns."""
        if path not in self._files:
            self._files.append(path)
        located = self._located(frame.filter(pl.col("volume") > 0), len(frame))
        if located.is_empty():
            return
        if ticks:
            located = self._aggregated(located)
        held = located.with_columns(file=pl.lit(self._files.index(path), pl.Int32))
        self._held.append(held)
        self._rows += len(held)
        if self._rows >= FLUSH:
            self.flush()

    def flush(self) -> None:
        """Merge what is held with the sessions' files and stage those that gain rows. Raises BadInput on a conflict."""
        if not self._held:
            return
        new = pl.concat(self._held)
        self._held, self._rows = [], 0
        days = new["date"].unique().sort().to_list()
        merged = pl.concat([self._present(days, new), new], how="vertical").sort([*KEY, "file"], maintain_order=True)
        again = pl.all_horizontal(pl.col(name) == pl.col(name).shift(1) for name in KEY).fill_null(False)
        other = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift(1)) for name in VALUES)
        merged = merged.with_columns(again=again, conflict=again & other)
        self._refuse_conflict(merged)
        self.tally.dropped[KNOWN] += int(merged.filter(pl.col("again"))["count"].sum())
        kept = merged.filter(~pl.col("again"))
        gained = kept.filter(pl.col("file") >= 0)
        self._count(gained)
        changed = gained["date"].unique()
        for part in kept.filter(pl.col("date").is_in(changed.implode())).partition_by("date", maintain_order=True):
            self._stage(part["date"][0], part.select(*BARS))

    def _located(self, frame: pl.DataFrame, read: int) -> pl.DataFrame:
        """The rows inside a session, with its `date` and `count` 1; the others are counted by reason."""
        self.tally.dropped[UNTRADED] += read - len(frame)
        if frame.is_empty():
            return frame
        stamps = frame["ts_ns"]
        lowest, highest = int(stamps.min()), int(stamps.max())  # pyright: ignore[reportArgumentType]
        around = sessions(self.symbol, day_of(lowest) - timedelta(days=4), day_of(highest) + timedelta(days=4))
        index = locate(stamps.to_numpy(), around)
        days = np.array([one.date for one in around], "datetime64[D]")
        inside = frame.with_columns(date=pl.Series(days[index]), index=pl.Series(index)).filter(pl.col("index") >= 0)
        self.tally.dropped[OUTSIDE] += len(frame) - len(inside)
        return self._named(inside.drop("index").with_columns(count=pl.lit(1, pl.Int64)))

    def _named(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Rows without a contract get the front contract of their session, by the calendar's default rule."""
        if frame["contract"].null_count() == 0:
            return frame
        days = frame["date"].unique().to_list()
        fronts = [front_contract(self.symbol, day, "monday") for day in days]
        return frame.with_columns(pl.col("contract").fill_null(pl.col("date").replace_strict(days, fronts)))

    def _aggregated(self, ticks: pl.DataFrame) -> pl.DataFrame:
        """Trades in time order as bars of the interval; `count` is the number of trades, `row` the first of them."""
        length = INTERVALS[self.interval]
        start = (pl.col("ts_ns") // length * length).alias("ts_ns")
        bars = ticks.group_by("date", start, "contract", maintain_order=True).agg(
            pl.col("row").first(),
            pl.col("open").first(),
            pl.col("high").max(),
            pl.col("low").min(),
            pl.col("close").last(),
            pl.col("volume").sum(),
            pl.col("trades").sum(),
            pl.col("bid_volume").first(),
            pl.col("ask_volume").first(),
            pl.col("count").sum(),
        )
        return bars.select(ticks.columns)

    def _present(self, days: list[date], like: pl.DataFrame) -> pl.DataFrame:
        """What the sessions hold already, staged or in the lake, as file -1."""
        parts: list[pl.DataFrame] = []
        for day in days:
            keys = bar_keys(self.source, self.symbol, self.interval, day)
            staged = self.into.staged(relative("bars", keys))
            if staged is not None:
                frame = pl.read_parquet(staged, hive_partitioning=False, glob=False)
            elif self.lake.exists("bars", keys):
                frame = self.lake.read("bars", keys)
            else:
                continue
            parts.append(frame.with_columns(date=pl.lit(day)))
        if not parts:
            return like.clear()
        extra = {"row": pl.lit(0, pl.Int64), "count": pl.lit(0, pl.Int64), "file": pl.lit(-1, pl.Int32)}
        return pl.concat(parts).with_columns(**extra).select(like.columns)

    def _refuse_conflict(self, merged: pl.DataFrame) -> None:
        for row in merged.filter("conflict").sort("file", "row").head(1).iter_rows(named=True):
            raise BadInput(
                f"{self._files[row['file']]}: row {row['row']}: {row['contract']} at {iso(row['ts_ns'])} differs from "
                f"the {self.interval} bar that the lake (source {self.source}) or a file before it has; import only "
                f"one of the two, or delete the session date={row['date']} from the lake first"
            )

    def _count(self, gained: pl.DataFrame) -> None:
        self.tally.kept += int(gained["count"].sum())
        self.tally.bars += len(gained)
        self.tally.volume += int(gained["volume"].sum())
        self.tally.contracts |= set(gained["contract"].unique().to_list())
        self.tally.sessions |= set(gained["date"].unique().to_list())

    def _stage(self, day: date, frame: pl.DataFrame) -> None:
        target = relative("bars", bar_keys(self.source, self.symbol, self.interval, day))
        front = {FRONT_KEY: self.fronts[day]} if day in self.fronts else {}
        write_parquet(self.into.stage(target), frame, {SCHEMA_KEY: stamp("bars")} | front)
