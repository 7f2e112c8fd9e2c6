"""The search of a lane's folds: one choice a fold, and a page of what was tried and how it was chosen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scalper import clock, log
from scalper.errors import BadInput, Refused
from scalper.files import write_bytes
from scalper.lake import Lake
from scalper.lane.learning import folds
from scalper.lane.searched_page import Searched, page
from scalper.lane.stage import Progress, StageReport, bar, calendar, ledger_path, models_root
from scalper.learn import fitting
from scalper.learn.digests import choice_input, read_choice, sha256
from scalper.learn.folds import Fold
from scalper.learn.search import choose
from scalper.learn.search.choosing import REFUSED, demand_founded
from scalper.learn.session import Sessions
from scalper.settings import Home, Lane
from scalper.simulate.sketch import columns_svg


def search(
    lane: Lane, home: Home, names: Sequence[str] | None = None, *, progress: Progress | None = None
) -> StageReport:
    """Search each fold's choice on windows that end before its test; see learn.search.choose.

    Other processes that search the same lane in the same home share the work. A fold without a model, or whose trials
    all failed, has an outcome that says so and trades nothing. Writes the page state/search/<lane>/index.html. Raises
    Refused for the final recipe's search, without which there is nothing to judge.
    """
    started = clock.monotonic()
    lake, every = Lake(home.lake), folds(lane, home).all()
    chosen = [fold for fold in every if names is None or fold.name in names]
    sessions, root = Sessions(lane, lake, calendar(lane)), models_root(lane, home)
    records: list[dict[str, Any]] = []
    draws = lane.search.trials
    with bar(f"{lane.name}: search", progress) as advance:
        for index, fold in enumerate(chosen):

            def heard(done: int, of: int, index: int = index) -> None:
                advance(index * draws + done * draws // of, len(chosen) * draws)

            record: dict[str, Any] = {"fold": fold.name, "skipped": False}
            folder, studies = root / fold.name, home.state / "studies" / lane.name
            if why := fitting.refused(lane, lake, fold, folder):
                if why == (kept := read_choice(folder)).get("outcome"):
                    demand_founded(lane, fold, folder, kept, ledger_path(lane, home), studies)
                record |= {"skipped": True} | _without(lane, fold, folder, why)
            else:
                try:
                    record |= choose(
                        *(lane, sessions, fold, folder, ledger_path(lane, home)),
                        before=[(one, root / one.name) for one in _before(lane, home, every, fold)],
                        studies=studies,
                        heard=heard,
                    )
                except Refused as error:
                    if read_choice(folder).get("outcome") != f"{REFUSED}: {error}":
                        raise  # a search that was not made, and not one that found nothing
                    log.warn(f"lane {lane.name}: {fold.name} has no choice and will trade nothing: {error}")
                    record |= _without(lane, fold, folder, f"{REFUSED}: {error}")
            records.append(record)
            heard(draws, draws)
    return _reported(lane, home, every, records, clock.monotonic() - started)


def _before(lane: Lane, home: Home, every: Sequence[Fold], fold: Fold) -> list[Fold]:
    """The walk's folds before this one that have a model, oldest first, where their windows score trials too.

    The final recipe comes after them all.
    """
    if lane.search.windows == 1:
        return []
    lake, root = Lake(home.lake), models_root(lane, home)
    here = [one for one in every if one.number and (one.number < fold.number or not fold.number)]
    return [one for one in here if not fitting.refused(lane, lake, one, root / one.name)]


def _without(lane: Lane, fold: Fold, folder: Path, why: str) -> dict[str, Any]:
    """The record of a fold without a model or a choice. Raises Refused for the final recipe."""
    if not fold.number:
        raise Refused(f"lane {lane.name}: {why}")
    record = read_choice(folder)
    return record if record.get("outcome") == why else {"outcome": why}


def _reported(
    lane: Lane, home: Home, every: Sequence[Fold], records: Sequence[dict[str, Any]], seconds: float
) -> StageReport:
    """The table of these folds, and the page of all that were ever searched as the lane is now."""
    kept = {one["fold"]: one for one in records}
    lake, root = Lake(home.lake), models_root(lane, home)
    for fold in every:
        record = {} if fold.name in kept else read_choice(root / fold.name)
        if record and record["input"] == choice_input(lane, lake, fold, sha256(root / fold.name / fitting.MODEL))[0]:
            kept[fold.name] = record | {"fold": fold.name}
    shown = Searched(lane, [kept[fold.name] for fold in every if fold.name in kept])
    path = home.state / "search" / lane.name / "index.html"
    write_bytes(path, page(shown).encode())
    mine = Searched(lane, records)
    tried = sum(len(one.get("trials", ())) for one in records if not one["skipped"])
    detail: dict[str, Any] = {"trials": tried, "ledger": str(ledger_path(lane, home)), "page": str(path)}
    detail |= {"lonely": mine.lonely, "verdict": mine.verdict(), "importance": mine.importance(), **mine.counts()}
    if without := [one["fold"] for one in records if "choice" not in one]:
        detail["without a choice"] = without
    skipped = sum(bool(one["skipped"]) for one in records)
    scored = [one for one in records if "choice" in one]
    picture = columns_svg(
        "score of what was chosen, on its search windows",
        [one["fold"] for one in scored],
        [one["score"] for one in scored],
    )
    return StageReport("search", tried, len(records) - skipped, skipped, seconds, detail, mine.table(), picture)


def sharable(lane: Lane) -> None:
    """Raise BadInput if the lane's studies cannot be shared between workers."""
    if lane.search.storage == "memory":
        raise BadInput("search.storage: workers share a journal or a database; a study in memory has one worker")
