"""The description of a lane's rows: tables, pictures and a page of its own, from the feature and label files.

It looks at evenly spread rows, at most `describe.rows` a month, so its size does not grow with the bars'.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from scalper import clock
from scalper import features as feature_floor
from scalper.compiled import source_digest
from scalper.errors import BadInput, DataUnavailable
from scalper.files import write_bytes, write_json
from scalper.lake import Lake
from scalper.lake.store import write_parquet
from scalper.lane.described_page import REFERENCE, TABLES, Described, page, pictures
from scalper.lane.learning import learnable
from scalper.lane.making import BALANCE
from scalper.lane.stage import Progress, StageReport, bar
from scalper.learn import describe as figures
from scalper.learn import load, walk_forward
from scalper.learn.describe import Sample
from scalper.learn.digests import data_digest, read_json
from scalper.settings import Home, Lane

PAIR_ROWS = 20_000
"""Rows that correlations look at."""


def describe(lane: Lane, home: Home, *, progress: Progress | None = None) -> StageReport:
    """Describe the rows of the lane's sessions, unless the same was done before; see `described_folder`.

    Raises DataUnavailable without a session that has features and labels, BadInput for an empty reference window.
    """
    started = clock.monotonic()
    lake, folder, days = Lake(home.lake), described_folder(lane, home), learnable(lane, home)
    if not days:
        raise DataUnavailable(f"lane {lane.name} has no rows to describe; run its features and labels first")
    wanted = _input(lane, lake, days)
    about = read_json(folder / "about.json")
    skipped = about.get("input") == wanted and (folder / "index.html").exists()
    if skipped:
        found = Described(about, {name: pl.read_parquet(folder / f"{name}.parquet") for name in TABLES})
    else:
        with bar(f"{lane.name}: description", progress) as advance:
            found = _made(lane, lake, days, advance)
        found.about["input"] = wanted
        _write(folder, found, pictures(found))
    detail = found.summary() | {"page": str(folder / "index.html")}
    done, matrix = int(not skipped), (folder / "correlations.svg").read_text()
    seconds = clock.monotonic() - started
    return StageReport("description", found.about["rows"], done, 1 - done, seconds, detail, None, matrix)


def described_folder(lane: Lane, home: Home) -> Path:
    """Where the description lies: a Parquet file a table, an SVG a picture, index.html and about.json."""
    return home.state / "described" / lane.name


def _input(lane: Lane, lake: Lake, days: Sequence[date]) -> str:
    """SHA-256 over what a description is made from."""
    made = data_digest(lake, lane, days), lane.digest("name", "describe", "folds"), source_digest("learn", "lane")
    return hashlib.sha256(" ".join(made).encode()).hexdigest()


def _made(lane: Lane, lake: Lake, days: Sequence[date], advance: Callable[[int, int], None]) -> Described:
    """Every table, month by month: only one month's rows and the reference's are held at a time."""
    counts = {day: _balance(lake, lane, day) for day in days}
    sizes = {day: sum(found.values()) for day, found in counts.items()}
    window, words = _reference(lane, days)
    names = _names(lane)
    reference = _rows(lake, lane, window, sizes)[0]
    edges = figures.histogram_edges(reference)
    parts: dict[str, list[pl.DataFrame]] = {
        name: [] for name in ("distributions", "histograms", "drift", "information")
    }

    def keep(name: str, month: str, frame: pl.DataFrame) -> None:
        parts[name].append(frame.insert_column(1, pl.Series("month", [month] * frame.height, pl.String)))

    def look(month: str, sample: Sample) -> None:
        keep("distributions", month, figures.distributions(sample))
        keep("histograms", month, figures.histograms(sample, edges))

    look(REFERENCE, reference)
    months = {month: list(found) for month, found in groupby(days, lambda day: f"{day:%Y-%m}")}
    seen = sum(min(sum(sizes[day] for day in found), lane.describe.rows) for found in months.values())
    pairs: list[np.ndarray] = []
    for done, (month, found) in enumerate(months.items(), 1):
        sample, x, move, alike = _rows(lake, lane, found, sizes)
        look(month, sample)
        keep("drift", month, figures.drift(reference, sample))
        keep("information", month, figures.information(names, x, move).with_columns(autocorrelation=pl.Series(alike)))
        pairs.append(x[:: max(1, -(-seen // PAIR_ROWS))])
        advance(done, len(months))
    tables = {name: pl.concat(frames) for name, frames in parts.items()}
    tables["correlations"] = figures.correlations(names, np.concatenate(pairs))
    tables["balance"] = pl.DataFrame([{"session": day, **found} for day, found in counts.items()])
    about: dict[str, Any] = {
        "lane": lane.name,
        "market": f"{lane.symbol} {lane.interval} from {lane.source}",
        "rows": sum(sizes.values()),
        "rows_looked_at": seen,
        "reference": [words, window[0].isoformat(), window[-1].isoformat(), len(window)],
        "drift": lane.describe.drift,
        "months": {month: len(found) for month, found in months.items()},
        "features": {one.name: asdict(one) for one in feature_floor.catalogue(lane.features, lane.interval_ns)},
    }
    return Described(json.loads(json.dumps(about, default=str)), tables)


def _names(lane: Lane) -> tuple[str, ...]:
    return tuple(one.name for one in feature_floor.catalogue(lane.features, lane.interval_ns))


def _balance(lake: Lake, lane: Lane, day: date) -> dict[str, int]:
    """How many rows of a session have each class, and none for each reason."""
    told = lake.metadata("labels", {"lane": lane.name, "date": day.isoformat()})
    if BALANCE not in told:
        raise BadInput(f"lane {lane.name}, {day}: the labels do not say their balance; make the labels again")
    return json.loads(told[BALANCE])


def _reference(lane: Lane, days: Sequence[date]) -> tuple[list[date], str]:
    """The sessions of the reference window and how they were chosen. Raises BadInput for a window without rows."""
    if lane.describe.reference is not None:
        first, last = lane.describe.reference
        found = [day for day in days if first <= day <= last]
        if not found:
            raise BadInput(f"lane {lane.name}: no session with rows in describe.reference {first} to {last}; move it")
        return found, "the window of describe.reference"
    try:
        return list(walk_forward(days, lane.folds).all()[0].train), "the train window of the first fold"
    except BadInput:  # too few sessions for a fold
        return list(days[: -(-len(days) // 2)]), "the first half of the sessions"


def _rows(
    lake: Lake, lane: Lane, days: Sequence[date], sizes: dict[date, int]
) -> tuple[Sample, np.ndarray, np.ndarray, np.ndarray]:
    """Evenly spread rows of some sessions: as a sample, features (n, f), moves (n,); autocorrelations (f,)."""
    stride = max(1, -(-sum(sizes[day] for day in days) // lane.describe.rows))
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    sums: list[tuple[np.ndarray, np.ndarray]] = []
    before = 0
    for index, day in enumerate(days):
        rows = load(lake, lane.name, [day])
        if rows.names != _names(lane):
            raise BadInput(f"lane {lane.name}, {day}: the features are not the lane's; build them again")
        some = rows.rows(slice(-before % stride, None, stride))
        parts.append((some.x, some.move_ticks, np.full(len(some), index)))
        sums.append(figures.neighbours(rows.x))
        before += len(rows)
    x, move, session = (np.concatenate(part) for part in zip(*parts, strict=True))
    products, squares = (np.sum(part, axis=0) for part in zip(*sums, strict=True))
    alike = np.divide(products, squares, out=np.full(len(products), np.nan), where=squares > 0)
    return Sample.of(_names(lane), x, session), x, move, alike


def _write(folder: Path, found: Described, drawn: dict[str, str]) -> None:
    """Write the folder under a temporary name and rename it; an older one is replaced."""
    fresh, old = (folder.with_name(f".{folder.name}.{kind}.{os.getpid()}") for kind in ("new", "old"))
    for leftover in (fresh, old):
        shutil.rmtree(leftover, ignore_errors=True)
    fresh.mkdir(parents=True)
    try:
        for name, table in found.tables.items():
            write_parquet(fresh / f"{name}.parquet", table, {})
        for name, svg in drawn.items():
            write_bytes(fresh / f"{name}.svg", svg.encode(), sync=False)
        write_bytes(fresh / "index.html", page(found, drawn).encode(), sync=False)
        write_json(fresh / "about.json", found.about, sync=False)
        if folder.exists():
            folder.rename(old)
        fresh.rename(folder)
    finally:
        for leftover in (fresh, old):
            shutil.rmtree(leftover, ignore_errors=True)
