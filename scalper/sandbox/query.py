"""What a request to Databento's historical API asks for, and the errors it answers with."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np

from scalper.clock import NS, from_ns
from scalper.market import INTERVALS, Bars, Session, aggregate
from scalper.sandbox.dbn import OHLCV, RTYPES, Records, records
from scalper.sandbox.market import SimulatedMarket
from scalper.sandbox.symbology import STYPES_IN, STYPES_OUT, Interval, Symbology

DATASET = "GLBX.MDP3"
DAY_NS = 86_400 * NS
BAR_NS = {"ohlcv-1s": INTERVALS["1s"], "ohlcv-1m": INTERVALS["1m"], "ohlcv-1h": INTERVALS["1h"], "ohlcv-1d": DAY_NS}
EPOCH = date(1970, 1, 1)


class ApiError(Exception):
    """An answer with status 4xx and Databento's body."""

    def __init__(self, status: int, case: str, message: str, **payload: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body: dict[str, Any] = {
            "detail": {
                "case": case,
                "message": message,
                "status_code": status,
                "docs": "https://databento.com/docs/api-reference-historical/basics/errors",
                "payload": payload,
            }
        }


@dataclass(frozen=True, slots=True)
class Span:
    """UTC nanoseconds [start, end)."""

    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class Query:
    """A valid request for bars; symbols are resolved."""

    schema: str
    stype_in: str
    stype_out: str
    span: Span
    limit: int | None
    symbols: list[str]
    not_found: list[str]
    mappings: dict[str, list[Interval]]

    def chunks(self, symbology: Symbology) -> Iterator[Records]:
        """The records in order of time, in pieces of a session (of the whole range for daily bars)."""
        left = self.limit
        for chunk in self._daily(symbology) if self.schema == "ohlcv-1d" else self._by_session(symbology):
            piece = chunk if left is None else chunk[:left]
            left = None if left is None else left - len(piece)
            if len(piece):
                yield piece
            if left == 0:
                return

    def count(self, symbology: Symbology) -> int:
        """How many records there are."""
        return sum(len(chunk) for chunk in self.chunks(symbology))

    def _by_session(self, symbology: Symbology) -> Iterator[Records]:
        at: dict[int, dict[str, Session]] = {}
        for market in symbology.markets.values():
            for s in market.sessions:
                if s.open_ns < self.span.end_ns and s.close_ns > self.span.start_ns:
                    at.setdefault(s.open_ns, {})[market.symbol] = s
        for _, open_now in sorted(at.items()):
            parts = [self._of(market, i, [open_now[market.symbol]]) for market, i in self._parts(symbology, open_now)]
            yield _in_order(parts)

    def _daily(self, symbology: Symbology) -> Iterator[Records]:
        yield _in_order(
            [self._of(market, i, market.sessions) for market, i in self._parts(symbology, symbology.markets)]
        )

    def _parts(self, symbology: Symbology, roots: Container[str]) -> list[tuple[SimulatedMarket, Interval]]:
        every = [(symbology.market_of(i.contract), i) for intervals in self.mappings.values() for i in intervals]
        return [(market, i) for market, i in every if market.symbol in roots]

    def _of(self, market: SimulatedMarket, interval: Interval, sessions: Sequence[Session]) -> Records:
        """Records of one interval in some sessions; a bar belongs to it by its start."""
        step = BAR_NS[self.schema]
        start = max(self.span.start_ns, (interval.start - EPOCH).days * DAY_NS)
        end = min(self.span.end_ns, (interval.end - EPOCH).days * DAY_NS)
        until = -(-end // step) * step  # the last bar may start before `end` and close after it
        pieces: list[Bars] = [
            market.bars(interval.contract, s, min(step, INTERVALS["1h"]))
            for s in sessions
            if s.open_ns < until and s.close_ns > start and interval.contract in market.contracts(s)
        ]
        if not pieces:
            return np.zeros(0, OHLCV)
        bars = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        bars = bars if step <= INTERVALS["1h"] else aggregate(bars, step)
        bars = bars[(bars["ts_ns"] >= start) & (bars["ts_ns"] < end)]
        return records(bars, interval.contract, self.schema, int(market.instrument.tick * NS))


def _in_order(parts: list[Records]) -> Records:
    parts = [p for p in parts if len(p)] or parts[:1]
    if len(parts) == 1:
        return parts[0]
    every = np.concatenate(parts)
    return every[np.argsort(every["ts_event"], kind="stable")]


def read_query(form: Mapping[str, Any], symbology: Symbology, available: Span) -> Query:
    """A request's form as a Query. Raises ApiError as Databento does."""
    check_dataset(form)
    schema = _one_of(form, "schema", tuple(RTYPES), "trades")
    stype_in = _one_of(form, "stype_in", STYPES_IN, "raw_symbol")
    stype_out = _one_of(form, "stype_out", STYPES_OUT, "instrument_id")
    span = _span(form, available)
    limit = form.get("limit")
    symbols, mappings, not_found = resolve(form, symbology, stype_in, _utc_date(span.start_ns), _until(span.end_ns))
    if not mappings:
        raise ApiError(422, "symbology_invalid_request", "None of the symbols could be resolved", symbols=symbols)
    limited = int(limit) if limit is not None and str(limit).isdigit() else None
    return Query(schema, stype_in, stype_out, span, limited, symbols, not_found, mappings)


def resolve(
    form: Mapping[str, Any], symbology: Symbology, stype_in: str, start: date, end: date
) -> tuple[list[str], dict[str, list[Interval]], list[str]]:
    """Symbols asked for, what they map to in [start, end), and those that map to nothing."""
    symbols = [s for s in (part.strip().upper() for part in str(form.get("symbols", "")).split(",")) if s]
    if stype_in == "continuous":  # the rule's letter is small
        symbols = [s.replace(".C.", ".c.").replace(".V.", ".v.").replace(".N.", ".n.") for s in symbols]
    found = {s: symbology.resolve(s, stype_in, start, end) for s in symbols}
    mappings = {name: intervals for answer in found.values() for name, intervals in answer.items()}
    return symbols, mappings, [s for s, answer in found.items() if not answer]


def check_dataset(form: Mapping[str, Any]) -> None:
    """Raises ApiError if another dataset than ours is asked for."""
    dataset = str(form.get("dataset", ""))
    if dataset != DATASET:
        raise ApiError(422, "data_invalid_dataset", f"Invalid dataset '{dataset}': the sandbox has {DATASET}")


def read_date(form: Mapping[str, Any], key: str, default: date) -> date:
    """A field that holds a UTC date. Raises ApiError."""
    text = form.get(key)
    return default if text in (None, "") else _utc_date(_moment(key, str(text))[0])


def check_stypes(form: Mapping[str, Any]) -> tuple[str, str]:
    """Both symbology types of a request. Raises ApiError."""
    return _one_of(form, "stype_in", STYPES_IN, "raw_symbol"), _one_of(form, "stype_out", STYPES_OUT, "instrument_id")


def _one_of(form: Mapping[str, Any], key: str, known: tuple[str, ...], default: str) -> str:
    value = str(form.get(key, default))
    if value not in known:
        case = "data_schema_not_available" if key == "schema" else "validation_failed"
        raise ApiError(422, case, f"Invalid {key} '{value}': available are {', '.join(known)}")
    return value


def _span(form: Mapping[str, Any], available: Span) -> Span:
    start, ahead = _moment("start", str(form.get("start", "")))
    end = _moment("end", str(form["end"]))[0] if form.get("end") else start + ahead
    if start >= end:
        raise ApiError(422, "data_time_range_start_on_or_after_end", "`start` cannot be on or after `end`")
    have = {"dataset": DATASET, "available_start": _iso(available.start_ns), "available_end": _iso(available.end_ns)}
    if start < available.start_ns:
        raise ApiError(
            422,
            "data_start_before_available_start",
            f"The dataset {DATASET} has data available from '{_text(available.start_ns)}'. The `start` in the query "
            f"('{_text(start)}') is before the available range.",
            **have,
        )
    if end > available.end_ns:
        raise ApiError(
            422,
            "data_end_after_available_end",
            f"The dataset {DATASET} has data available up to '{_text(available.end_ns)}'. The `end` in the query "
            f"('{_text(end)}') is after the available range.",
            **have,
        )
    return Span(start, end)


def _moment(key: str, text: str) -> tuple[int, int]:
    """A time as UTC ns, and how far its resolution reaches: a bare date covers the day, 14:30 the minute."""
    if text.isdigit() and len(text) > 8:
        return int(text), 1
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ApiError(422, "validation_failed", f"Invalid `{key}` '{text}': write ISO 8601 or nanoseconds") from None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    ahead = DAY_NS if len(text) <= 10 else 3600 * NS if len(text) == 13 else 60 * NS if len(text) == 16 else NS
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000, ahead


def _utc_date(ts_ns: int) -> date:
    return EPOCH + timedelta(days=ts_ns // DAY_NS)


def _until(end_ns: int) -> date:
    return EPOCH + timedelta(days=-(-end_ns // DAY_NS))


def _iso(ts_ns: int) -> str:
    return from_ns(ts_ns).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")


def _text(ts_ns: int) -> str:
    return from_ns(ts_ns).strftime("%Y-%m-%d %H:%M:%S+00:00")
