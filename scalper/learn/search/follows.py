"""A choice held against the trial ledger: it must follow from the trials that were written down as they were made."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from scalper.learn.fitting import REFUSED
from scalper.learn.folds import Fold
from scalper.learn.ledger import Record
from scalper.learn.search.front import pick
from scalper.learn.search.space import MODEL, Space, space
from scalper.learn.search.trial import FAILED, Found, Trial
from scalper.learn.search.windows import changes, drawdown, scored
from scalper.learn.trials import TRIAL
from scalper.policy import Choice
from scalper.settings import Lane

NUMBERS = tuple(one.name for one in fields(Choice))


def unfounded(lane: Lane, fold: Fold, record: Mapping[str, Any], records: Iterable[Record]) -> str | None:
    """What of the record of a fold's search (choice.json) does not follow from the ledger's records; None if all does.

    Its trials are those that the ledger has of its study, all of them and with the same figures, and the lane's rule
    picks its choice from them. Error and drawdown, which the rules weigh too, come from the ledger's daily net.
    """
    lines, rows, axes = _lines(lane, fold, record, records), record.get("trials", []), space(lane)
    trials: list[Trial] = []
    for number, row in enumerate(rows):
        line = lines.pop(_tried(row), None)
        if line is None:
            return f"trial {number} is not in the ledger"
        if odd := [name for name in ("score", "status", "trades") if row.get(name) != line[name]]:
            return f"trial {number} has {odd[0]} {row.get(odd[0])}, and in the ledger {line[odd[0]]}"
        trials.append(_trial(lane, fold, axes, number, line))
        if row.get("number") != number or None in trials[-1].point.values():
            return f"trial {number} has another number, or was drawn from other axes than the lane's"
    if lines:
        return f"the ledger has {len(lines)} more trials of its study"
    refused = str(record.get("outcome")).startswith(REFUSED)
    if refused == any(one.found.complete for one in trials):
        return "it has no choice, and a trial of it is complete" if refused else "no trial of it is complete"
    wrong = [name for name, value in _chosen(lane, axes, trials).items() if _text(record.get(name)) != _text(value)]
    return f"its {wrong[0]} is not what {lane.search.rule} picks from its trials" if wrong else None


def _lines(lane: Lane, fold: Fold, record: Mapping[str, Any], records: Iterable[Record]) -> dict[str, Record]:
    """The ledger's trials of the record's study, by what was tried: the first that did not fail, for a worker may fail
    where another does not."""
    wanted, found = (lane.name, fold.name, TRIAL, record.get("study")), dict[str, Record]()
    for one in records:
        if (one.get("lane"), one.get("fold"), one.get("kind"), one.get("input")) == wanted:
            kept = found.get(_tried(one))
            if kept is None or kept["status"].startswith(FAILED):
                found[_tried(one)] = one
    return found


def _trial(lane: Lane, fold: Fold, axes: Space, number: int, line: Record) -> Trial:
    """A line of the ledger as the search had it."""
    model: Record = line.get("model", {})
    numbers = line | {MODEL + name: value for name, value in model.items()}
    point: dict[str, Any] = {axis.name: numbers.get(axis.name) for axis in axes.axes}
    if line["score"] is None:
        return Trial(number, point, Found(line["status"]))
    told = {"error": scored(lane, fold, line["daily"], line["trades"])[1]}
    scores = (line["score"], drawdown(lane, line["daily"]))[: len(lane.search.objectives)]
    return Trial(number, point, Found(line["status"], scores, told=told))


def _chosen(lane: Lane, axes: Space, trials: list[Trial]) -> dict[str, Any]:
    """What the lane's rule picks; nothing where every trial failed."""
    if not any(one.found.complete for one in trials):
        return dict.fromkeys(("choice", "model", "number", "score"))
    best = pick(trials, lane.search.rule, axes)
    found = {"choice": axes.choice(best.point).numbers(), "model": changes(lane, axes, best.point)}
    return found | {"number": best.number, "score": best.score}


def _tried(one: Mapping[str, Any]) -> str:
    """The numbers of a trial, of the ledger or of a record, as text."""
    return _text([{name: one[name] for name in NUMBERS if name in one}, one.get("model", {})])


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True)
