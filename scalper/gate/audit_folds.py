"""Audit of folds: windows in order of time, labels known before the next one opens, models and choices of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from itertools import pairwise
from pathlib import Path

import polars as pl

from scalper.errors import Refused, ScalperError
from scalper.gate.found import Found
from scalper.lake import Lake
from scalper.learn import fitting, ledger
from scalper.learn.digests import read_choice
from scalper.learn.folds import Fold, Folds
from scalper.learn.ledger import Record
from scalper.learn.search.follows import unfounded
from scalper.market import session, sessions
from scalper.settings import Lane


def folds(
    lake: Lake,
    lane: Lane,
    windows: Folds,
    daily: pl.DataFrame,
    rows: Mapping[date, int],
    models: Path | None = None,
    scored: pl.DataFrame | None = None,
    trials: Path | None = None,
) -> Found:
    """Every window of every fold, the path (`daily`: session, fold), and the papers of the models and choices.

    `rows` are the lane's rows a session; `scored` (fold, threshold) those that were predicted on the path; `trials`
    the ledger that the choices have to follow from, if it is given. Without `models` only the windows are looked at.
    """
    try:
        records = None if trials is None else ledger.read(trials)
    except Refused as error:
        return Found(0, f"{error}")
    for fold in windows.all():
        wrong = _ordered(lake, lane, fold, windows.holdout)
        if models and not wrong:
            wrong = _papers(lane, lake, fold, models, scored, records)
        if wrong:
            return Found(0, wrong)
    if wrong := _path(windows, daily):
        return Found(0, wrong)
    used = {day for fold in windows.all() for days in fold.windows().values() for day in days}
    counts = {"folds": len(windows.all()), "tested sessions": len(windows.tested())}
    return Found(
        sum(rows.get(day, 0) for day in used), counts=counts | ({"models": len(windows.all())} if models else {})
    )


def _ordered(lake: Lake, lane: Lane, fold: Fold, holdout: Sequence[date]) -> str | None:
    """What is wrong with the windows of a fold."""
    spans = list(fold.windows().items()) + ([("hold-out", holdout)] if holdout else [])
    for name, days in spans:
        if any(a >= b for a, b in pairwise(days)):
            return f"{fold.name}: the {name} window is out of order, or has a session twice"
    for (name, days), (next_name, next_days) in pairwise(spans):
        if days[-1] >= next_days[0]:
            return f"{fold.name}: {name} ends {days[-1]}, not before {next_name} begins {next_days[0]}"
        between = len(sessions(lane.symbol, days[-1], next_days[0])) - 2
        if between < lane.folds.embargo_sessions:  # a session leaves its context to the next one
            return f"{fold.name}: between {name}, to {days[-1]}, and {next_name}, from {next_days[0]}, lies no embargo"
        if _known(lake, lane, days) > session(lane.symbol, next_days[0]).open_ns:
            return f"{fold.name}: a label of {days[-1]} is known only after {next_name} has begun"
    return None


def _known(lake: Lake, lane: Lane, days: Sequence[date]) -> int:
    """When the last label of the window is known, 0 without labels in the lake."""
    keys = {"lane": lane.name, "date": days[-1].isoformat()}
    if not lake.exists("labels", keys):
        return 0
    ends = lake.read("labels", keys).filter(pl.col("label") >= 0)["end_ns"]
    return int(ends.to_numpy().max()) if len(ends) else 0


def _papers(
    lane: Lane, lake: Lake, fold: Fold, models: Path, scored: pl.DataFrame | None, records: Sequence[Record] | None
) -> str | None:
    """What is wrong with the model and the choice of a fold: each was made from this fold's own windows, the choice
    follows from the ledger's records, and the path was traded by that choice."""
    try:
        without = fitting.refused(lane, lake, fold, models / fold.name)
        choice = read_choice(models / fold.name)
        searched = without in (None, choice.get("outcome"))  # and not a fold without a model
        why = unfounded(lane, fold, choice, records) if records is not None and searched else None
        if why:
            return f"{fold.name}: its choice does not follow from the ledger: {why}"
        if without:
            return None  # it trades nothing, which the checks of trades find wanting
        used = fitting.recipe(lane, lake, fold, models / fold.name)
    except ScalperError as error:
        return f"{fold.name}: {error}"
    named = used.model.papers.window
    own = (fold.train[0].isoformat(), fold.train[-1].isoformat())
    if named != own:
        return (
            f"{fold.name}: its model says it learned from {' to '.join(named)}, its train window is {' to '.join(own)}"
        )
    mine = scored.filter(pl.col("fold") == fold.number) if scored is not None and fold.test else None
    if mine is not None and (mine["threshold"] != used.choice.confidence).any():
        return f"{fold.name}: the path was traded at another threshold than its search chose"
    return None


def _path(windows: Folds, daily: pl.DataFrame) -> str | None:
    """What is wrong with the path: each session tested once, by its fold, and none of the hold-out."""
    behind = windows.holdout[0] if windows.holdout else None
    tested = {day: fold.number for fold in windows.folds for day in fold.test}
    if len(tested) != len(windows.tested()):
        return "a session is tested by two folds"
    for day, number in daily.select("session", "fold").rows():
        if tested.get(day) != number:
            return f"session {day} of the path was traded by fold {number}, but it is a test of fold {tested.get(day)}"
        if behind is not None and day >= behind:
            return f"session {day} of the path lies in the hold-out"
    return None
