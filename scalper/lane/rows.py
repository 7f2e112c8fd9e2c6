"""Features and labels: one file a session each, made where the inputs have changed, both in one pass over the bars."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from datetime import date
from queue import SimpleQueue

import polars as pl

from scalper import clock
from scalper.features import RowScan
from scalper.lake import Lake
from scalper.lane.making import BALANCE, KINDS, Made, Maker, Recipe
from scalper.lane.quality import usable
from scalper.lane.sketches import stacked_svg
from scalper.lane.stage import Progress, StageReport, bar, befores, calendar
from scalper.market import Session
from scalper.settings import Home, Lane
from scalper.simulate.sketch import columns_svg

THREADS = 2
BLOCK = 16
"""Sessions that a thread goes through in a row; only before the first of them it reads a session for its context."""


def features(
    lane: Lane, home: Home, days: Sequence[date] | None = None, *, progress: Progress | None = None
) -> StageReport:
    """Write the feature rows of each usable session: traded, in the lane's hours, warm."""
    return materialise(lane, home, days, ("features",), progress=progress)["features"]


def labels(
    lane: Lane, home: Home, days: Sequence[date] | None = None, *, progress: Progress | None = None
) -> StageReport:
    """Write the label of every feature row of each usable session; its features come first."""
    return materialise(lane, home, days, ("labels",), progress=progress)["labels"]


def materialise(
    lane: Lane,
    home: Home,
    days: Sequence[date] | None = None,
    kinds: Sequence[str] = KINDS,
    *,
    progress: Progress | None = None,
) -> dict[str, StageReport]:
    """Write the files of each usable session, all kinds at once: what a stage alone would write, byte for byte.

    Files of sessions that may no longer be used are removed if `days` is None. Raises DataUnavailable if only labels
    are asked for and the features are not there; BadInput, naming the session, for bars that cannot be used.
    """
    started = clock.monotonic()
    lake, due = Lake(home.lake), usable(lane, home, days)
    with bar(f"{lane.name}: {' and '.join(kinds)}", progress) as advance:
        found = _made(lane, lake, due, kinds, advance)
    seconds = clock.monotonic() - started
    reports: dict[str, StageReport] = {}
    for kind in kinds:
        if days is None:
            _forget(lake, lane, kind, {one.date for one in due})
        reports[kind] = _report(lane, lake, kind, {one.date: found[one.date] for one in due}, seconds)
    return reports


def _made(lane: Lane, lake: Lake, due: list[Session], kinds: Sequence[str], advance: Progress) -> dict[date, Made]:
    """Go through the sessions in blocks, on a few threads: kernel and file formats release Python's lock."""
    every, recipe = calendar(lane), Recipe(lane)
    before = befores(every)
    size = min(BLOCK, -(-len(due) // THREADS)) or 1
    blocks = [due[first : first + size] for first in range(0, len(due), size)]
    idle: SimpleQueue[RowScan] = SimpleQueue()
    for _ in range(THREADS):
        idle.put(recipe.scan())

    def work(block: list[Session]) -> dict[date, Made]:
        scan = idle.get()
        try:
            maker = Maker(lane, lake, recipe, scan)
            return {one.date: maker.make(one, before.get(one.date), kinds) for one in block}
        finally:
            idle.put(scan)

    found: dict[date, Made] = {}
    pool = ThreadPoolExecutor(THREADS)
    try:
        for one in as_completed([pool.submit(work, block) for block in blocks]):
            found |= one.result()
            advance(len(found), len(due))
    finally:
        pool.shutdown(cancel_futures=True)  # what failed, or a Ctrl-C, waits for the blocks under way only
    return found


def _report(lane: Lane, lake: Lake, kind: str, found: dict[date, Made], seconds: float) -> StageReport:
    """What the pass did for one kind of file."""
    sizes = {day: one.rows[kind] for day, one in found.items() if kind in one.rows}
    spent: dict[str, float] = {}
    for one in found.values():
        for step, much in one.seconds.items():
            spent[step] = spent.get(step, 0.0) + much
    detail = {
        "sessions": len(found),
        "flat, without bars of the contract": sum(one.flat for one in found.values()),
        "seconds of the threads": {step: round(much, 3) for step, much in spent.items()},
    }
    filled = [day for day, rows in sizes.items() if rows]
    last = {"lane": lane.name, "date": filled[-1].isoformat()} if filled else None
    preview = lake.read(kind, last).tail(5) if last else None
    picture = columns_svg("rows a session", list(sizes), list(sizes.values())) if sizes else None
    skipped = len(found) - len(sizes)
    report = StageReport(kind, sum(sizes.values()), len(sizes), skipped, seconds, detail, preview, picture)
    if kind != "labels":
        return report
    return _balanced(report, {day: json.loads(one.told[kind][BALANCE]) for day, one in found.items()})


def _balanced(report: StageReport, found: dict[date, dict[str, int]]) -> StageReport:
    """The report with the balance of the classes: of all sessions in numbers, of each in a picture."""
    if not found:
        return report
    table = pl.DataFrame([{"session": day, **one} for day, one in found.items()])
    counts = table.drop("session")
    shares = stacked_svg(
        "labels, shares of the rows a session", table["session"].to_list(), counts.to_dict(as_series=False)
    )
    detail = report.detail | {"balance": counts.sum().row(0, named=True)}
    return replace(report, detail=detail, picture=shares)


def _forget(lake: Lake, lane: Lane, kind: str, keep: set[date]) -> None:
    """Remove files of sessions that the lane no longer uses, such as newly quarantined ones."""
    for day in lake.dates(kind, {"lane": lane.name}):
        if day not in keep:
            lake.delete(kind, {"lane": lane.name, "date": day.isoformat()})
