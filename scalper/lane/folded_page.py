"""The page of a lane's folds: their picture, the hold-out and what was seen of it, and the table of their windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from typing import Any

from scalper.lake.quality.datadocs import STYLE
from scalper.learn.folds import WINDOWS, Folds
from scalper.learn.holdout import HOLDOUT
from scalper.settings import Lane
from scalper.simulate.markup import card, count, table

EXTRA = "svg { display: block; width: 100%; height: auto; }"


@dataclass(frozen=True, slots=True)
class Folded:
    """A lane's folds and what they were cut from; seen: the records of its hold-out's sessions, oldest first."""

    lane: Lane
    folds: Folds
    sessions: Sequence[date]
    planned: bool
    """The sessions are the calendar's: none has features and labels yet."""
    seen: Sequence[dict[str, Any]]

    @property
    def kind(self) -> str:
        """How they are cut, in words."""
        one = self.lane.folds
        train = f"{count(one.train, one.unit[:-1])}" + (" or more" if one.kind == "expanding" else "")
        validate, test = (count(size, one.unit[:-1]) for size in (one.validate_, one.test))
        return (
            f"{one.kind}: train {train}, validate {validate}, test {test}, step {count(one.step, one.unit[:-1])}, "
            f"embargo {count(one.embargo_sessions, 'session')}"
        )

    def origin(self) -> str:
        """Which sessions they are cut from."""
        span = f"{count(len(self.sessions), 'session')}, {self.sessions[0]} to {self.sessions[-1]}"
        return f"{span}, of the calendar: none has features and labels yet" if self.planned else span

    def holdout(self) -> dict[str, Any]:
        """First and last session of the hold-out, how many, whether and when it was opened, and every sighting."""
        days = self.folds.holdout
        opened = [row["opened_at"] for row in self.seen if row["kind"] == HOLDOUT]
        return {
            "from": days[0] if days else None,
            "to": days[-1] if days else None,
            "sessions": len(days),
            "opened": bool(opened),
            "opened_at": opened[0] if opened else None,
            "seen": list(self.seen),
        }

    def sightings(self) -> list[str]:
        """What was seen of the hold-out, a sentence each."""
        if not self.folds.holdout:
            return ["There is no hold-out: folds.holdout_sessions is 0."]
        first, last = self.folds.holdout[0].isoformat(), self.folds.holdout[-1].isoformat()
        said = [
            f"{max(first, row['first'])} to {min(last, row['last'])}: "
            + (f"opened on {row['opened_at']}" if row["kind"] == HOLDOUT else "walked over, so seen,")
            + f" by recipe {row['recipe'][:12]} of lane {row['lane']}."
            for row in self.seen
        ]
        return said or ["Nobody has opened it."]

    def cells(self) -> list[tuple[str, ...]]:
        """A row a fold: its name, then each window as dates and length."""
        rows: list[tuple[str, ...]] = []
        for fold in self.folds.all():
            windows = fold.windows()
            rows.append((fold.name, *(_window(windows.get(name, ())) for name in WINDOWS)))
        return rows


def page(found: Folded) -> str:
    """The whole document, without a script."""
    lane = found.lane
    title = escape(f"Folds of {lane.name}")
    lead = f"{lane.symbol} {lane.interval} from {lane.source}. Cut from {found.origin()}. {found.kind.capitalize()}."
    words = (
        "What a fold learns and chooses ends before its test begins; between two windows lies the embargo. The final "
        "recipe has no test: it meets the hold-out once. Point at a window for its dates."
    )
    seen = "".join(f"<p>{escape(one)}</p>" for one in found.sightings())
    days = found.folds.holdout
    span = f"{_window(days)}. No fold uses it." if days else ""
    body = (
        f"<h1>{title}</h1><p>{escape(lead)}</p>{_counts(found)}"
        + card("Windows", words, found.folds.svg())
        + card("Hold-out", span, seen)
        + card("Sessions", "", table(("fold", *WINDOWS), found.cells(), set()))
    )
    head = f'<meta charset="utf-8"><title>{title}</title><style>{STYLE}{EXTRA}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body><main>{body}</main></body></html>\n'


def _window(days: Sequence[date]) -> str:
    return f"{days[0]} to {days[-1]} ({len(days)})" if days else "—"


def _counts(found: Folded) -> str:
    holdout = found.holdout()
    cells = (
        ("folds", f"{len(found.folds.folds)}"),
        ("tested sessions", f"{len(found.folds.tested()):,}"),
        ("hold-out", f"{holdout['sessions']}"),
        ("opened", str(holdout["opened_at"])[:10] if holdout["opened"] else "no"),
    )
    return f"<dl>{''.join(f'<div><dt>{name}</dt><dd>{value}</dd></div>' for name, value in cells)}</dl>"
