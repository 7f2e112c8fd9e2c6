"""The nightly retrain: the approved recipe repeated on newer sessions, and compared with the champion.

It searches nothing, opens no hold-out and never promotes. What it may look at lies in the hold-out that the recipe has
met, or after it; what it has looked at is nobody's hold-out any more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from scalper import clock
from scalper.errors import Refused
from scalper.files import write_json
from scalper.lake import Lake
from scalper.lane.approved import Approved, approved
from scalper.lane.comparison import Comparison, shown
from scalper.lane.learning import learnable
from scalper.lane.stage import Progress, StageReport, bar, calendar, ledger_path, models_root, seen_path
from scalper.learn import fitting, ledger, tracking
from scalper.learn.digests import choice_of, data_digest, fit_input, read_choice, read_json, recipe_digest, sha256
from scalper.learn.folds import Fold, walk_forward
from scalper.learn.holdout import note_path
from scalper.learn.recipe import Recipe
from scalper.learn.session import Sessions
from scalper.learn.trials import COMPLETE, RETRAIN
from scalper.settings import Home, Lane

RETRAINED = "retrained"
Named = tuple[str, Recipe]


def retrain(
    lane: Lane, home: Home, *, origin: Mapping[str, str] | None = None, progress: Progress | None = None
) -> StageReport:
    """Train the approved recipe on the newest fold, compare it with the champion, register it as candidate.

    Without a champion it is compared with the approved recipe itself. What was done before with the same inputs is
    skipped. The model lies in state/models/<lane>/retrained/<newest session>/. origin: tags of what ran it.

    Raises DataUnavailable without an approved recipe; Refused where the comparison would look at sessions it may not,
    or that the champion was made from; BadInput for too few sessions; and what a training and MLflow raise.
    """
    started = clock.monotonic()
    lake, base = Lake(home.lake), approved(lane, home)
    fold = newest(lane, learnable(lane, home))
    _demand_open(lane, base, fold)
    rival = _rival(lane, home, base, fold)
    own, _ = fitting.variant(lane, models_root(lane, home), base.changes)
    made, data = fit_input(own, lake, fold)[0], data_digest(lake, lane, fold.search)
    key = hashlib.sha256(f"{made} {data} {recipe_digest(lane)} {rival[1].model.digest}".encode()).hexdigest()
    folder = models_root(lane, home) / RETRAINED / fold.search[-1].isoformat()
    record = read_json(folder / "retrain.json")
    if record.get("input") == key and record.get("onnx") == sha256(folder / fitting.MODEL):
        return _report(lane, record, started, skipped=True)
    with bar(f"{lane.name}: retrain", progress) as advance:
        fitting.fit(own, lake, fold, folder)
        choice = {"choice": base.recipe.choice.numbers(), "model": base.changes, "until": fold.calibrate[-1]}
        write_json(folder / "choice.json", choice)
        candidate = Recipe(lane, fitting.open_model(lane, folder / fitting.MODEL), base.recipe.choice)
        advance(1, 3)
        note_path(seen_path(lane, home), fold.search, lane=lane.name, recipe=recipe_digest(lane))
        found = _compare(lane, Sessions(lane, lake, calendar(lane)), fold.search, candidate, rival)
        ledger.append(ledger_path(lane, home), [_trial(lane, base, found) | {"data": data, "input": made}])
        advance(2, 3)
        tags = {"made_by": RETRAIN, "recipe": recipe_digest(lane), "judged": found.judged(), **(origin or {})}
        tags["trials_head"] = ledger.verify(ledger_path(lane, home)).head
        words = f"Retrained on {fold.train[0]} to {fold.train[-1]}: {found.judged()}."
        version = tracking.register(home, lane.name, candidate.model.content, tags, description=words)
        tracking.set_candidate(home, lane.name, version)
        record = {"input": key, "onnx": candidate.model.digest, "version": version, "windows": _windows(fold)}
        write_json(folder / "retrain.json", record | {"comparison": found.as_dict()})
        advance(3, 3)
    return _report(lane, read_json(folder / "retrain.json"), started, skipped=False)


def newest(lane: Lane, days: Sequence[date]) -> Fold:
    """The newest fold: it trains and calibrates as the final one does, up to the last session, where that searches
    this one compares. Raises BadInput for too few sessions."""
    return walk_forward(days, lane.folds.model_copy(update={"holdout_sessions": 0})).final


def _demand_open(lane: Lane, base: Approved, fold: Fold) -> None:
    """Raise Refused unless the comparison looks at the hold-out that the recipe has met, or at what came after."""
    early = [day for day in fold.search if day < base.first]
    if early:
        raise Refused(
            f"lane {lane.name}: the newest fold would be compared from {fold.search[0]} on, but {len(early)} of these "
            f"sessions lie before the hold-out that the recipe has met ({base.first} to {base.last}): it was chosen by "
            f"them; retrain when {len(early)} more have closed"
        )


def _rival(lane: Lane, home: Home, base: Approved, fold: Fold) -> Named:
    """The champion, with the numbers that were kept beside it or else the approved ones; the approved recipe if nobody
    was promoted.

    Raises Refused for a champion that was made from sessions of the comparison.
    """
    found = tracking.champion(home, lane.name)
    if found is None:
        return "approved recipe", base.recipe
    model, name = fitting.open_model(lane, found[1]), f"champion, version {found[0]}"
    if model.digest == base.recipe.model.digest:
        return name, base.recipe
    choice, until = base.recipe.choice, date.fromisoformat(model.papers.window[1])
    for folder in (models_root(lane, home) / RETRAINED).glob("*"):
        if sha256(folder / fitting.MODEL) == model.digest:
            kept = read_choice(folder)
            choice, until = choice_of(kept), date.fromisoformat(kept["until"])
    if until >= fold.search[0]:
        raise Refused(
            f"lane {lane.name}: the {name} was made from sessions up to {until}, and the comparison begins on "
            f"{fold.search[0]}: it would be judged by what it learned from; retrain when newer sessions have closed"
        )
    return name, Recipe(lane, model, choice)


def _compare(lane: Lane, sessions: Sessions, days: Sequence[date], candidate: Recipe, rival: Named) -> Comparison:
    mine = shown("candidate", lane, sessions, candidate, days)
    return Comparison.of(lane, days, mine, shown(rival[0], lane, sessions, rival[1], days))


def _trial(lane: Lane, base: Approved, found: Comparison) -> dict[str, Any]:
    """The retrain as a record of the trial ledger."""
    mine, days = found.candidate, [day.isoformat() for day in found.sessions]
    record: dict[str, Any] = {"lane": lane.name, "fold": RETRAINED, "kind": RETRAIN, "status": COMPLETE}
    record |= {"sessions": days, "daily": list(mine.daily), "score": mine.sharpe, "trades": mine.trades}
    return record | {"net": mine.net, "model": base.changes} | base.recipe.choice.numbers()


def _windows(fold: Fold) -> dict[str, tuple[date, date]]:
    """First and last session of each."""
    windows = {"train": fold.train, "calibrate": fold.calibrate, "compare": fold.search}
    return {name: (days[0], days[-1]) for name, days in windows.items()}


def _report(lane: Lane, record: dict[str, Any], started: float, *, skipped: bool) -> StageReport:
    found = Comparison.read(record["comparison"])
    last = found.sessions[-1]
    detail = {
        "judged": found.judged(),
        "version": record["version"],
        "compared with": found.rival.name,
        "from": found.sessions[0],
        "to": last,
        "next": f"nothing was promoted. A new full verdict needs {lane.folds.holdout_sessions} sessions after {last} "
        "that nobody has looked at: pause the retrain until then, and run the lane",
        "windows": record["windows"],
        "comparison": found.as_dict(),
    }
    seconds, done = clock.monotonic() - started, 0 if skipped else 1
    return StageReport("retrain", found.candidate.rows, done, 1 - done, seconds, detail, found.table(), found.picture())
