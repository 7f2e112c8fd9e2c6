"""A query cut by time, as the files of a batch job are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

from scalper.sandbox.query import DAY_NS, EPOCH, Query, Span

SPLITS = ("none", "day", "week", "month")


def spans(span: Span, split: str) -> Iterator[Span]:
    """The time cut at UTC midnights, at those of Sundays, or at firsts of the month."""
    start = span.start_ns
    while start < span.end_ns:
        end = min(_next(start, split), span.end_ns) if split != "none" else span.end_ns
        yield Span(start, end)
        start = end


def part_of(query: Query, span: Span) -> Query:
    """The query of a part of its time, mappings clipped to the UTC dates that it touches."""
    start, end = (EPOCH + timedelta(days=day) for day in (span.start_ns // DAY_NS, -(-span.end_ns // DAY_NS)))
    mappings = {
        name: [
            replace(i, start=max(i.start, start), end=min(i.end, end)) for i in spans if i.start < end and i.end > start
        ]
        for name, spans in query.mappings.items()
    }
    return replace(query, span=span, mappings={name: spans for name, spans in mappings.items() if spans})


def file_name(part: Query, split: str, *, packed: bool) -> str:
    """As Databento calls it: glbx-mdp3-20250310.trades.dbn.zst, or with the first and the last date of a part."""
    first, last = (EPOCH + timedelta(days=ns // DAY_NS) for ns in (part.span.start_ns, part.span.end_ns - 1))
    dates = f"{first:%Y%m%d}" if split == "day" else f"{first:%Y%m%d}-{last:%Y%m%d}"
    return f"glbx-mdp3-{dates}.{part.schema}.dbn{'.zst' if packed else ''}"


def _next(ts_ns: int, split: str) -> int:
    day = EPOCH + timedelta(days=ts_ns // DAY_NS)
    if split == "month":
        after = date(day.year + day.month // 12, day.month % 12 + 1, 1)
    else:
        after = day + timedelta(days=1 if split == "day" else 7 - day.isoweekday() % 7)
    return (after - EPOCH).days * DAY_NS
