"""Checks of rows on their way in: the first row that is wrong refuses the whole import."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from scalper.clock import NS, iso
from scalper.compiled import kernel
from scalper.errors import BadInput
from scalper.lake.files.dbn import Codes
from scalper.lake.files.readers import LENGTHS
from scalper.lake.schema import FLOW, PRICES
from scalper.market.bars import GRID_SLACK

MOST_POINTS, MOST_CONTRACTS = 1e7, 10**9
"""No product of ours comes near; such a number is a damaged file."""
FIRST_NS, LAST_NS = 315_532_800 * NS, 4_102_444_800 * NS
"""1980 and 2100: no stamp of a market lies outside."""
FEW = 20
"""From so many rows on, no two neighbours one interval apart means that the interval is another one."""
NEVER = np.iinfo(np.int64).min
COUNTS = tuple(name for name, kind in FLOW.items() if kind == pl.Int64() and name != "imbalance")

Int64s = npt.NDArray[np.int64]
Float64s = npt.NDArray[np.float64]


@dataclass(slots=True)
class RowChecks:
    """The checks of one file, fed chunk by chunk; it remembers the last stamp of each contract."""

    path: Path
    interval: str
    tick: Decimal
    checked: bool
    _last: Int64s = field(default_factory=lambda: np.full(8, NEVER))
    _least: Int64s = field(default_factory=lambda: np.full(1, np.iinfo(np.int64).max))
    _rows: int = 0

    def check(self, frame: pl.DataFrame, codes: Codes) -> None:
        """Raise BadInput naming the file's first wrong row: empty or infinite price, off the tick grid, high or low
        that do not enclose the bar, negative volume, stamps unsorted, repeated or off the interval, order flow that
        cannot be.

        `codes` numbers the rows' contracts, from 0.
        """
        if frame.is_empty():
            return
        if (most := int(codes.max())) >= len(self._last):
            self._last = np.append(self._last, np.full(most + 1, NEVER))
        over, under = self.tick.as_integer_ratio()
        opens, highs, lows, closes = (floats(frame[name]) for name in PRICES)
        stamps, volume, length = frame["ts_ns"].to_numpy(), whole(frame["volume"]), LENGTHS[self.interval]
        prices = (opens, highs, lows, closes)
        at: int = first_fault(stamps, codes, prices, volume, under / over, length, self._last, self._least)
        odd, why = _odd_flow(frame)
        if at >= 0 or odd >= 0:
            first = min(one for one in (at, odd) if one >= 0)
            if first == at:
                why = self._explained(frame, at, int(self._last[codes[at]]))
            raise BadInput(f"{self.path}: row {frame['row'][first]}: {why}")
        self._rows += len(frame)

    def finish(self) -> None:
        """Raise BadInput if the rows' distances say that the interval is another one."""
        least = int(self._least[0])
        if self.checked or self._rows < FEW or least in (LENGTHS[self.interval], np.iinfo(np.int64).max):
            return
        real = next((name for name, length in LENGTHS.items() if length == least), f"{least // NS} s")
        raise BadInput(
            f"{self.path}: its rows are at least {real} apart, so they are not {self.interval} bars; "
            f"use --interval {real} if the file holds {real} bars"
        )

    def _explained(self, frame: pl.DataFrame, at: int, before: int) -> str:
        """What is wrong with a row, the first reason there is; `before` is the stamp before it of its contract."""
        row = frame.row(at, named=True)
        values = [row[name] for name in PRICES]
        known = [value for value in values if value is not None and np.isfinite(value)]
        over, under = self.tick.as_integer_ratio()
        ts, volume, length = row["ts_ns"], row["volume"], LENGTHS[self.interval]
        prices, stamp = ", ".join(f"{name} {row[name]}" for name in PRICES), _stamp(ts)
        if len(known) < len(values):
            return f"a price is empty or no number ({prices}); mend or remove the row"
        if not all(0 < value < MOST_POINTS for value in known):
            return f"a price is below zero or beyond any market ({prices}); mend or remove the row"
        if volume is None:
            return "volume is empty or no whole number; mend or remove the row"
        if volume > MOST_CONTRACTS:
            return f"a volume is beyond any market ({volume}); mend or remove the row"
        if row["high"] < max(values) or row["low"] > min(values):
            return f"high and low do not enclose the bar ({prices}); mend or remove the row"
        if any(abs(value * under / over - round(value * under / over)) > GRID_SLACK for value in known):
            remedy = "mend the row, or import under the symbol it belongs to"
            return f"a price is off the grid of {self.tick} ({prices}); {remedy}"
        if volume < 0:
            return f"a volume or count is negative ({volume}); mend or remove the row"
        if ts == before:
            return f"stamp {stamp} is there twice for its contract; remove one of the rows"
        if ts < before:
            return f"stamp {stamp} is earlier than the row before; sort the rows by time"
        if ts % length:
            remedy = "give the file's --interval, stamps at bar start"
            return f"stamp {stamp} does not start a {self.interval} bar; {remedy}"
        return f"stamp {stamp} ({ts}) is of no market's time; stamps are UTC nanoseconds since 1970"


def floats(column: pl.Series) -> Float64s:
    """A column of prices, NaN where it is empty."""
    return column.fill_null(np.nan).to_numpy()


def whole(column: pl.Series) -> Int64s:
    """A column of whole numbers, the smallest of all where it is empty."""
    return column.fill_null(NEVER).to_numpy()


def _odd_flow(frame: pl.DataFrame) -> tuple[int, str]:
    """The first row whose order flow cannot be, and what is wrong with it; -1 if there is none.

    That the sides are at most the volume is left to the quality rule `sides`: real files have rare exceptions.
    """
    flow = {name: frame[name].cast(kind) for name, kind in FLOW.items() if name in frame.columns}
    odd: list[tuple[str, str, pl.Series]] = []
    for name in flow.keys() & set(COUNTS):
        odd.append((name, "a volume or count is negative", flow[name] < 0))
        odd.append((name, f"{name} is beyond any market", flow[name] > MOST_CONTRACTS))
    if flow.keys() >= {"inferred_volume", "bid_volume", "ask_volume"}:
        sides = flow["bid_volume"] + flow["ask_volume"]
        what = "inferred_volume is more than bid_volume and ask_volume together"
        odd.append(("inferred_volume", what, flow["inferred_volume"] > sides))
    if "largest" in flow:
        odd.append(("largest", "the largest trade is larger than the volume", flow["largest"] > frame["volume"]))
    if "spread" in flow:  # what is no number is not below anything
        odd.append(("spread", "the spread is no number of points", ~(flow["spread"].abs() < MOST_POINTS)))
    found = [(int(wrong.arg_true()[0]), what, name) for name, what, wrong in odd if wrong.any()]
    if not found:
        return -1, ""
    at, what, name = min(found)
    return at, f"{what} ({flow[name][at]}); mend or remove the row"


def _stamp(ts_ns: int) -> str:
    second, rest = divmod(ts_ns, NS)
    return iso(second * NS) if rest == 0 else f"{iso(second * NS)[:-1]}.{rest:09d}Z"


@kernel
def first_fault(
    ts: Any, codes: Any, prices: Any, volume: Any, per_tick: float, length: int, last: Any, least: Any
) -> int:
    """The first row that is wrong, -1 if there is none.

    Until there, `last` follows each contract's stamp and `least` the smallest step of a contract.
    """
    opens, highs, lows, closes = prices
    for i in range(len(ts)):
        o, h, l, c = opens[i], highs[i], lows[i], closes[i]  # noqa: E741
        if not (o > 0 and l > 0 and c > 0 and h < MOST_POINTS):  # what is no number is not above 0
            return i
        if not (h >= o and h >= l and h >= c and l <= o and l <= c):
            return i
        if not 0 <= volume[i] <= MOST_CONTRACTS:
            return i
        o, h, l, c = o * per_tick, h * per_tick, l * per_tick, c * per_tick  # noqa: E741
        off = max(abs(o - np.rint(o)), abs(h - np.rint(h)), abs(l - np.rint(l)), abs(c - np.rint(c)))
        if off > GRID_SLACK:
            return i
        before = last[codes[i]]
        if ts[i] <= before or ts[i] % length != 0 or ts[i] < FIRST_NS or ts[i] >= LAST_NS:
            return i
        if before != NEVER and ts[i] - before < least[0]:
            least[0] = ts[i] - before
        last[codes[i]] = ts[i]
    return -1
