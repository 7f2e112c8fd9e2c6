"""Databento Binary Encoding, version 3: metadata and OHLCV records, in bulk from bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace

import databento_dbn
import numpy as np
from numpy.typing import NDArray

from scalper.market import Bars
from scalper.sandbox.symbology import Interval, instrument_id, raw_symbol

OHLCV = np.dtype(
    [
        ("length", "u1"),  # of the record, in units of 4 bytes
        ("rtype", "u1"),
        ("publisher_id", "<u2"),
        ("instrument_id", "<u4"),
        ("ts_event", "<u8"),
        ("open", "<i8"),  # 1e-9 points
        ("high", "<i8"),
        ("low", "<i8"),
        ("close", "<i8"),
        ("volume", "<u8"),
    ]
)
"""The record, 56 bytes, as databento_dbn.OHLCVMsg lays it out."""

_HEAD = [("length", "u1"), ("rtype", "u1"), ("publisher_id", "<u2"), ("instrument_id", "<u4"), ("ts_event", "<u8")]

TRADE = np.dtype(
    [
        *_HEAD,
        ("price", "<i8"),  # 1e-9 points
        ("size", "<u4"),
        ("action", "S1"),  # T trade, A add, C cancel
        ("side", "S1"),  # of a trade: B the buyer was the aggressor, A the seller
        ("flags", "u1"),
        ("depth", "u1"),
        ("ts_recv", "<u8"),
        ("ts_in_delta", "<i4"),
        ("sequence", "<u4"),
    ]
)
"""The record, 48 bytes, as databento_dbn.TradeMsg lays it out."""

MBP1 = np.dtype(
    [
        *TRADE.descr,
        ("bid_px_00", "<i8"),
        ("ask_px_00", "<i8"),
        ("bid_sz_00", "<u4"),
        ("ask_sz_00", "<u4"),
        ("bid_ct_00", "<u4"),
        ("ask_ct_00", "<u4"),
    ]
)
"""The record of mbp-1 and tbbo, 80 bytes, as databento_dbn.MBP1Msg lays it out."""

STATUS = np.dtype(
    [
        *_HEAD,
        ("ts_recv", "<u8"),
        ("action", "<u2"),
        ("reason", "<u2"),
        ("trading_event", "<u2"),
        ("is_trading", "S1"),
        ("is_quoting", "S1"),
        ("is_short_sell_restricted", "S1"),
        ("_reserved", "V7"),
    ]
)
"""The record, 40 bytes, as databento_dbn.StatusMsg lays it out."""

DEFINITION = np.dtype([*_HEAD, ("ts_recv", "<u8"), ("rest", "V496")])
"""The record, 520 bytes, as databento_dbn.InstrumentDefMsg lays it out; only what changes from day to day by name."""

RTYPES = {"ohlcv-1s": 0x20, "ohlcv-1m": 0x21, "ohlcv-1h": 0x22, "ohlcv-1d": 0x23}
KINDS = {
    **dict.fromkeys(RTYPES, OHLCV),
    "trades": TRADE,
    "tbbo": MBP1,
    "mbp-1": MBP1,
    "definition": DEFINITION,
    "status": STATUS,
}
"""Schema to its record."""

PUBLISHER = 1
"""GLBX.MDP3 on Globex."""

Records = NDArray[np.void]


def records(bars: Bars, contract: str, schema: str, tick_nano: int) -> Records:
    """Bars of one contract as OHLCV records; `tick_nano` is the instrument's tick in 1e-9 points."""
    out = np.zeros(len(bars), OHLCV)
    out["length"] = OHLCV.itemsize // 4
    out["rtype"] = RTYPES[schema]
    out["publisher_id"] = PUBLISHER
    out["instrument_id"] = instrument_id(contract)
    out["ts_event"] = bars["ts_ns"]
    for name in ("open", "high", "low", "close"):
        out[name] = bars[name] * tick_nano
    out["volume"] = bars["volume"]
    return out


def metadata(
    *,
    dataset: str,
    schema: str,
    stype_in: str,
    stype_out: str,
    start_ns: int,
    end_ns: int,
    limit: int | None,
    symbols: Sequence[str],
    not_found: Sequence[str],
    mappings: Mapping[str, Sequence[Interval]],
) -> bytes:
    """The header of a DBN stream, with what each symbol meant when."""

    def name(contract: str) -> str:
        return str(instrument_id(contract)) if stype_out == "instrument_id" else raw_symbol(contract)

    header = databento_dbn.Metadata(
        dataset=dataset,
        start=start_ns,
        end=end_ns,
        limit=limit,
        stype_in=databento_dbn.SType.from_str(stype_in),
        stype_out=databento_dbn.SType.from_str(stype_out),
        schema=databento_dbn.Schema.from_str(schema),
        symbols=list(symbols),
        partial=[],
        not_found=list(not_found),
        mappings=[  # pyright: ignore[reportArgumentType]  # any object with these attributes will do
            SimpleNamespace(
                raw_symbol=symbol,
                intervals=[SimpleNamespace(start_date=i.start, end_date=i.end, symbol=name(i.contract)) for i in spans],
            )
            for symbol, spans in mappings.items()
        ],
        version=3,
    )
    return header.encode()
