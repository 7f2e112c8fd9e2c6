"""Checks of rows on their way in: the first row that is wrong refuses the whole import."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from scalper.clock import NS, iso
from scalper.errors import BadInput
from scalper.lake.schema import PRICES, SIDES
from scalper.market import INTERVALS

MOST_POINTS, MOST_CONTRACTS = 1e7, 10**9
"""No product of ours comes near; such a number is a damaged file."""
FEW = 20
"""From so many rows on, no two neighbours one interval apart means that the interval is another one."""


@dataclass(slots=True)
class RowChecks:
    """The checks of one file, fed chunk by chunk; it remembers the last stamp of each contract."""

    path: Path
    interval: str
    tick: Decimal
    ticks: bool
    _last: dict[str | None, int] = field(default_factory=dict[str | None, int])
    _rows: int = 0
    _step: int | None = None

    def check(self, frame: pl.DataFrame) -> None:
        """Raise BadInput naming the file's first wrong row: empty or infinite price, off the tick grid, high or low
        that do not enclose the bar, negative volume, stamps unsorted, repeated or off the interval."""
        if frame.is_empty():
            return
        steps = frame.select(self._steps(frame).alias("step"))["step"]
        faults = self._faults()
        fault = pl.coalesce(pl.when(wrong).then(pl.lit(i, pl.Int32)) for i, wrong in enumerate(faults.values()))
        marked = frame.with_columns(step=steps).with_columns(fault=fault)
        for row in marked.filter(pl.col("fault").is_not_null()).head(1).iter_rows(named=True):
            message = list(faults)[int(row["fault"])]
            raise BadInput(f"{self.path}: row {row['row']}: {message.format(**_words(row), **self._context())}")
        self._remember(frame, steps)

    def finish(self) -> None:
        """Raise BadInput if the rows' distances say that the interval is another one."""
        if self.ticks or self._rows < FEW or self._step is None or self._step == INTERVALS[self.interval]:
            return
        real = next((name for name, length in INTERVALS.items() if length == self._step), f"{self._step // NS} s")
        raise BadInput(
            f"{self.path}: its rows are at least {real} apart, so they are not {self.interval} bars; "
            f"use --interval {real} if the file holds {real} bars"
        )

    def _steps(self, frame: pl.DataFrame) -> pl.Expr:
        """Nanoseconds since the row before of the same contract; null for a contract's first row."""
        if frame["contract"].n_unique() == 1:
            return pl.col("ts_ns").diff().fill_null(pl.col("ts_ns").first() - self._last.get(frame["contract"][0]))
        last = pl.DataFrame(
            {"contract": list(self._last), "last": list(self._last.values())},
            schema={"contract": pl.String, "last": pl.Int64},
        )
        before = frame.select("contract").join(last, "contract", "left", maintain_order="left")["last"]
        return pl.col("ts_ns") - pl.coalesce(pl.col("ts_ns").shift(1).over("contract"), before)

    def _faults(self) -> dict[str, pl.Expr]:
        """What can be wrong with a row, in the order in which it is said, to the rows where it is."""
        tick = float(self.tick)
        off = pl.any_horizontal(((pl.col(p) / tick).round() * tick - pl.col(p)).abs() > tick * 1e-6 for p in PRICES)
        absurd = pl.any_horizontal((pl.col(p) <= 0) | (pl.col(p) >= MOST_POINTS) for p in PRICES)
        nothing = pl.any_horizontal(~pl.col(p).is_finite().fill_null(False) for p in PRICES)
        faults = {
            "a price is empty or no number ({prices}); mend or remove the row": nothing,
            "a price is below zero or beyond any market ({prices}); mend or remove the row": absurd,
            "a volume is beyond any market ({volume}); mend or remove the row": pl.col("volume") > MOST_CONTRACTS,
            "volume is empty or no whole number; mend or remove the row": pl.col("volume").is_null(),
            "high and low do not enclose the bar ({prices}); mend or remove the row": (
                pl.col("high") < pl.max_horizontal("open", "low", "close")
            )
            | (pl.col("low") > pl.min_horizontal("open", "close")),
            "a price is off the grid of {tick} ({prices}); mend the row, or import under the symbol it belongs to": off,
            "a volume or count is negative ({volume}); mend or remove the row": pl.any_horizontal(
                pl.col(name) < 0 for name in ("volume", *SIDES)
            ),
        }
        if self.ticks:
            return faults | {"stamp {stamp} is earlier than the row before; sort the rows by time": pl.col("step") < 0}
        return faults | {
            "stamp {stamp} is there twice for its contract; remove one of the rows": pl.col("step") == 0,
            "stamp {stamp} is earlier than the row before; sort the rows by time": pl.col("step") < 0,
            "stamp {stamp} does not start a {interval} bar; give the file's --interval, stamps at bar start": (
                pl.col("ts_ns") % INTERVALS[self.interval] != 0
            ),
        }

    def _context(self) -> dict[str, str]:
        return {"tick": str(self.tick), "interval": self.interval}

    def _remember(self, frame: pl.DataFrame, steps: pl.Series) -> None:
        self._last |= dict(frame.group_by("contract").agg(pl.col("ts_ns").last()).iter_rows())
        self._rows += len(frame)
        least: Any = steps.min()
        if least is not None:
            self._step = least if self._step is None else min(self._step, least)


def _words(row: dict[str, Any]) -> dict[str, str]:
    prices = ", ".join(f"{name} {row[name]}" for name in PRICES)
    second, rest = divmod(row["ts_ns"], NS)
    stamp = iso(second * NS) if rest == 0 else f"{iso(second * NS)[:-1]}.{rest:09d}Z"
    return {"prices": prices, "stamp": stamp, "volume": str(row["volume"])}
