"""What every stage of a lane shares: its report, its progress bar, its calendar, its places."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from scalper import clock
from scalper.log import progress
from scalper.market import Session, sessions
from scalper.settings import Home, Lane

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class StageReport:
    """What a stage did: rows written or held, items done and skipped, seconds, and things to look at."""

    stage: str
    rows: int = 0
    done: int = 0
    skipped: int = 0
    seconds: float = 0.0
    detail: dict[str, Any] = field(default_factory=dict[str, Any])
    preview: pl.DataFrame | None = None
    picture: str | None = None


@contextmanager
def bar(title: str, given: Progress | None) -> Generator[Progress]:
    """The caller's progress callback, or a bar of our own."""
    if given is not None:
        yield given
        return
    with progress(title) as own:
        yield own


def calendar(lane: Lane) -> list[Session]:
    """The lane's sessions, from its start to its end or to the last one that has closed."""
    last = lane.end or clock.now().date()
    now = clock.now_ns()
    return [one for one in sessions(lane.symbol, lane.start, last) if one.close_ns <= now]


def befores(every: Sequence[Session]) -> dict[date, Session]:
    """The session before each of a calendar but its first, by date."""
    return dict(zip([one.date for one in every[1:]], every, strict=False))


def models_root(lane: Lane, home: Home) -> Path:
    """Where the models and choices of the lane's folds lie."""
    return home.state / "models" / lane.name


def ledger_path(lane: Lane, home: Home) -> Path:
    """The trial ledger of the lane's underlying: every lane on it shares it."""
    return home.state / "ledger" / f"{_underlying(lane)}.jsonl"


def seen_path(lane: Lane, home: Home) -> Path:
    """The record of what has been seen out of sample on the lane's underlying."""
    return home.state / "holdout" / f"{_underlying(lane)}.jsonl"


def _underlying(lane: Lane) -> str:
    """ES for ES and MES, whatever the source and the interval; a simulated market is its own."""
    root = lane.symbol.removeprefix("M")
    return f"{root}-{lane.source_key}" if lane.source == "sandbox" else root


def evidence_folder(lane: Lane, home: Home) -> Path:
    """Where the last simulation left its evidence."""
    return home.state / "evidence" / lane.name
