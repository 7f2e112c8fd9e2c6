"""What a request to Databento's historical API asks for, and the errors it answers with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from scalper.clock import NS, from_ns
from scalper.sandbox.dbn import KINDS
from scalper.sandbox.symbology import STYPES_IN, STYPES_OUT, Interval, Symbology

DATASET = "GLBX.MDP3"
DAY_NS = 86_400 * NS
EPOCH = date(1970, 1, 1)


class ApiError(Exception):
    """An answer with status 4xx and Databento's body; `headers` are sent along."""

    def __init__(self, status: int, case: str, message: str, **payload: Any) -> None:
        super().__init__(message)
        self.status = status
        self.headers: dict[str, str] = {}
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
    """A valid request for records; symbols are resolved."""

    schema: str
    stype_in: str
    stype_out: str
    span: Span
    limit: int | None
    symbols: list[str]
    not_found: list[str]
    mappings: dict[str, list[Interval]]


def read_query(form: Mapping[str, Any], symbology: Symbology, available: Span) -> Query:
    """A request's form as a Query. Raises ApiError as Databento does."""
    check_dataset(form)
    schema = _one_of(form, "schema", tuple(KINDS), "trades")
    stype_in = _one_of(form, "stype_in", STYPES_IN, "raw_symbol")
    stype_out = _one_of(form, "stype_out", STYPES_OUT, "instrument_id")
    span = _span(form, available)
    limit = form.get("limit")
    symbols, mappings, not_found = resolve(form, symbology, stype_in, utc_date(span.start_ns), _until(span.end_ns))
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
    return default if text in (None, "") else utc_date(read_moment(key, str(text))[0])


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
    start, ahead = read_moment("start", str(form.get("start", "")))
    end = read_moment("end", str(form["end"]))[0] if form.get("end") else start + ahead
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


def read_moment(key: str, text: str) -> tuple[int, int]:
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


def utc_date(ts_ns: int) -> date:
    return EPOCH + timedelta(days=ts_ns // DAY_NS)


def _until(end_ns: int) -> date:
    return EPOCH + timedelta(days=-(-end_ns // DAY_NS))


def _iso(ts_ns: int) -> str:
    return from_ns(ts_ns).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")


def _text(ts_ns: int) -> str:
    return from_ns(ts_ns).strftime("%Y-%m-%d %H:%M:%S+00:00")
