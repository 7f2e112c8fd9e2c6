"""Trades and quotes to bars with order flow: one compiled pass, the same bars whatever the chunks."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import polars as pl

from scalper.clock import iso
from scalper.errors import BadInput
from scalper.market import tick_kernel
from scalper.market.tick_kernel import BAR_FLOW, QUOTE, STATE

_kernel = cast(Any, tick_kernel)

Bars = npt.NDArray[Any]
Int64s = npt.NDArray[np.int64]


class TickBars:
    """Ticks of one contract to bars of one interval, chunk by chunk.

    A bar has ended when a later tick lies at or past its end, or at `close`. Only bars with a trade are given. Nothing
    in a bar depends on what comes after its end; of what came before it, only on the last price and the direction of
    its last change (for sides that are not told) and on the last quote.
    """

    def __init__(self, interval_ns: int, *, quotes: bool = False) -> None:
        self.interval_ns = interval_ns
        self._state = np.zeros(1, STATE)
        self._state["spread"], self._state["quoted"] = -1, quotes

    def push(
        self,
        ts_ns: Int64s,
        price: Int64s,
        size: Int64s,
        side: npt.NDArray[np.int8],
        rows: Int64s,
        quotes: Bars | None = None,
    ) -> Bars:
        """The bars, dtype BAR_FLOW, that these ticks end.

        `price` in ticks; `size` 0 is a quote without a trade; `side` +1 the buyer was the aggressor, -1 the seller, 0
        not told; `rows` number the source's rows; `quotes`, dtype QUOTE, for a feed made with quotes=True. Raises
        BadInput naming the row of a tick that is earlier than the one before it.
        """
        if len(ts_ns) == 0:
            return np.zeros(0, BAR_FLOW)
        told = bool(self._state["quoted"][0])
        if told != (quotes is not None):
            raise ValueError("quotes go with a feed that was made for them, and only with such a one")
        if wrong := backwards(ts_ns, rows, int(self._state["last_ns"][0])):
            raise BadInput(wrong)
        out = np.zeros(min(len(ts_ns), (ts_ns[-1] - ts_ns[0]) // self.interval_ns + 2), BAR_FLOW)
        given = np.zeros(0, QUOTE) if quotes is None else quotes
        wrote = int(_kernel.push(self._state[0], self.interval_ns, ts_ns, price, size, side, rows, given, out))
        return out[:wrote].copy()

    def close(self) -> Bars:
        """The bar in the making, as an array of one; of none if there is no trade in it. The feed is over."""
        state = self._state[:1]
        if state["count"][0] == 0:
            return np.zeros(0, BAR_FLOW)
        out = np.zeros(1, BAR_FLOW)
        for name in BAR_FLOW.names or ():
            out[name] = state[name]
        state["count"] = 0
        return out


def backwards(ts_ns: Int64s, rows: Int64s, last_ns: int) -> str | None:
    """What is wrong with stamps that do not ascend from `last_ns` on; None if they do."""
    at = int(_kernel.descent(ts_ns, last_ns))
    if at < 0:
        return None
    return f"row {rows[at]}: its stamp {iso(int(ts_ns[at]))} is earlier than that of the tick before it; sort by time"


def to_frame(bars: Bars, tick: Decimal, contract: str | None) -> pl.DataFrame:
    """Bars as an import's rows: `row`, the lake's columns (prices and spread in points) and `count`, the trades.

    What quotes would tell is null where the feed has none; spread and sizes also where the book was not whole.
    """
    over, under = tick.as_integer_ratio()
    quoted, whole = bars["quoted"] == 1, bars["spread"] > 0

    def known(name: str, where: npt.NDArray[np.bool_], scale: float = 1) -> pl.Series:
        values = pl.Series(bars[name] * scale if scale != 1 else np.ascontiguousarray(bars[name]))
        return pl.select(pl.when(pl.Series(where)).then(values)).to_series()

    return pl.DataFrame(
        {
            "row": bars["first_row"],
            "ts_ns": bars["ts_ns"],
            "contract": pl.repeat(contract, len(bars), dtype=pl.String, eager=True),
            **{name: bars[name] * over / under for name in ("open", "high", "low", "close")},
            **{
                name: bars[name]
                for name in ("volume", "trades", "bid_volume", "ask_volume", "inferred_volume", "largest")
            },
            "spread": known("spread", whole).cast(pl.Float64) * over / under,
            "bid_size": known("bid_size", whole),
            "ask_size": known("ask_size", whole),
            "imbalance": known("imbalance", quoted),
            "count": bars["count"],
        }
    )
