"""What the simulated Databento says of itself: datasets, schemas, fields, prices, conditions, and symbology."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import databento_dbn
import numpy as np

from scalper.clock import iso
from scalper.sandbox.dbn import KINDS
from scalper.sandbox.faults import Days
from scalper.sandbox.query import DATASET, DAY_NS, EPOCH, ApiError, Span, check_stypes, read_date, resolve
from scalper.sandbox.symbology import Interval, Symbology, instrument_id, raw_symbol

USD_PER_GB = {
    **dict.fromkeys(("ohlcv-1s", "ohlcv-1m", "ohlcv-1h", "ohlcv-1d"), 20.0),
    "trades": 14.0,
    "tbbo": 10.0,
    "mbp-1": 1.0,
    "definition": 5.0,
    "status": 5.0,
}
"""What a gigabyte of records costs in the sandbox; Databento's prices differ by plan."""

PUBLISHERS = [{"publisher_id": 1, "dataset": DATASET, "venue": "GLBX", "description": "CME Globex MDP 3.0"}]
SATURDAY = 5


def cost(schema: str, count: int) -> float:
    """Dollars for so many records."""
    return count * KINDS[schema].itemsize / 2**30 * USD_PER_GB[schema]


def unit_prices() -> list[dict[str, Any]]:
    """metadata.list_unit_prices: dollars a gigabyte by feed mode and schema."""
    return [{"mode": mode, "unit_prices": USD_PER_GB} for mode in ("historical", "historical-streaming")]


def fields(form: Mapping[str, Any]) -> list[dict[str, str]]:
    """metadata.list_fields: the fields of a schema's DBN record and their types. Raises ApiError."""
    schema, encoding = str(form.get("schema", "")), str(form.get("encoding", ""))
    if schema not in KINDS or encoding != "dbn":
        raise ApiError(422, "validation_failed", f"the sandbox has no fields of schema '{schema}' in '{encoding}'")
    layout = [(name, np.dtype(kind)) for name, kind in _message(schema)._dtypes]  # pyright: ignore[reportPrivateUsage]
    return [{"name": name, "type": _type(kind)} for name, kind in layout if not name.startswith("_")]


def available(span: Span) -> dict[str, Any]:
    """metadata.get_dataset_range: what there is, of the dataset and of each schema."""
    told = {"start": _nano_iso(span.start_ns), "end": _nano_iso(span.end_ns)}
    return {**told, "schema": dict.fromkeys(KINDS, told)}


def conditions(form: Mapping[str, Any], span: Span, days: Days) -> list[dict[str, str | None]]:
    """metadata.get_dataset_condition: a line a UTC day; Saturdays have none. Raises ApiError."""
    first, last = (EPOCH + timedelta(days=ns // DAY_NS) for ns in (span.start_ns, span.end_ns - 1))
    day, until = read_date(form, "start_date", first), read_date(form, "end_date", last)
    every = [day + timedelta(days=i) for i in range((until - day).days + 1)]
    told = {d: days.condition(d) if first <= d <= last else "missing" for d in every if d.weekday() != SATURDAY}
    return [
        {
            "date": d.isoformat(),
            "condition": state,
            "last_modified_date": None if state in ("missing", "pending") else d.isoformat(),
        }
        for d, state in told.items()
    ]


def resolved(form: Mapping[str, Any], symbology: Symbology, span: Span) -> dict[str, Any]:
    """symbology.resolve: what symbols stood for, day by day. Raises ApiError."""
    stype_in, stype_out = check_stypes(form)
    start = read_date(form, "start_date", EPOCH + timedelta(days=span.start_ns // DAY_NS))
    end = read_date(form, "end_date", start + timedelta(days=1))
    symbols, mappings, not_found = resolve(form, symbology, stype_in, start, end)
    partial = [s for s, spans in mappings.items() if not _covers(spans, start, end)]
    return {
        "result": {s: [_line(i, stype_out) for i in spans] for s, spans in mappings.items()},
        "symbols": symbols,
        "stype_in": stype_in,
        "stype_out": stype_out,
        "start_date": start.isoformat(),
        "end_date": end.isoformat(),
        "partial": partial,
        "not_found": not_found,
        "message": "Not found" if not mappings else "Partially resolved" if partial or not_found else "OK",
        "status": 2 if not mappings else 1 if partial or not_found else 0,
    }


def _message(schema: str) -> Any:
    """databento_dbn's own class of a schema's record."""
    names = {"trades": "TradeMsg", "definition": "InstrumentDefMsg", "status": "StatusMsg"}
    name = "OHLCVMsg" if schema.startswith("ohlcv") else names.get(schema, "MBP1Msg")
    return getattr(databento_dbn, name)


def _type(kind: np.dtype[Any]) -> str:
    letter = {"u": "uint", "i": "int"}.get(kind.kind)
    return f"{letter}{8 * kind.itemsize}_t" if letter else "char" if kind.itemsize == 1 else f"char[{kind.itemsize}]"


def _covers(spans: list[Interval], start: date, end: date) -> bool:
    return spans[0].start == start and spans[-1].end == end


def _line(interval: Interval, stype_out: str) -> dict[str, str]:
    name = str(instrument_id(interval.contract)) if stype_out == "instrument_id" else raw_symbol(interval.contract)
    return {"d0": interval.start.isoformat(), "d1": interval.end.isoformat(), "s": name}


def _nano_iso(ts_ns: int) -> str:
    return iso(ts_ns)[:-1] + ".000000000Z"
