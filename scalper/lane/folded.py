"""A lane's folds to look at: the table of their windows, what was seen of the hold-out, and a page."""

from __future__ import annotations

import polars as pl

from scalper import clock
from scalper.files import write_bytes
from scalper.lane.folded_page import Folded, page
from scalper.lane.learning import learnable
from scalper.lane.stage import StageReport, calendar, seen_path
from scalper.learn.folds import walk_forward
from scalper.learn.holdout import seen
from scalper.settings import Home, Lane


def draw_folds(lane: Lane, home: Home) -> StageReport:
    """Cut the folds of the lane's sessions, or of the calendar's while none has rows, and write their page.

    The page is state/folds/<lane>/index.html. Raises BadInput for too few sessions, Refused if the record of openings
    was tampered with.
    """
    started = clock.monotonic()
    days = learnable(lane, home)
    planned = not days
    days = days or [one.date for one in calendar(lane)]
    folds = walk_forward(days, lane.folds)
    record = seen(seen_path(lane, home), folds.holdout) if folds.holdout else []
    found = Folded(lane, folds, days, planned, record)
    path = home.state / "folds" / lane.name / "index.html"
    write_bytes(path, page(found).encode())
    table = pl.DataFrame([fold.row() for fold in folds.all()], infer_schema_length=None)
    detail = {
        "cut": found.kind,
        "from": found.origin(),
        "planned": planned,
        "sessions": len(days),
        "tested": len(folds.tested()),
        "folds": table.to_dicts(),
        "windows": found.cells(),
        "holdout": found.holdout(),
        "holdout seen": found.sightings(),
        "page": str(path),
    }
    seconds = clock.monotonic() - started
    return StageReport("folds", len(days), len(folds.all()), 0, seconds, detail, table, folds.svg())
