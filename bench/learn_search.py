"""The search and the live part of `scalper bench learn`, alone: `python -m bench.learn_search FOLDER BARS`."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from bench import tape as tape_of
from bench.decide import learned
from bench.measure import peak_mib, quantiles_ms
from bench.tape import Tape
from scalper import clock
from scalper import lane as stages
from scalper.lake import Lake, bar_keys
from scalper.lane.stage import calendar
from scalper.learn.fitting import MODEL
from scalper.learn.folds import Fold
from scalper.learn.model import Model
from scalper.learn.search import choose
from scalper.learn.session import Sessions
from scalper.market import from_ticks
from scalper.settings import Home, Lane

TRIALS = 200
TAPES = 5
ASKED = 10_000


def measured(place: Path, bars: int) -> dict[str, Any]:
    """A fold's search as a lane runs it: ledger, journal and all; the first trial predicts the bars, all share that.

    `bars` counts the traded seconds of its sessions; of the `draws` those that came before are not tried again.
    """
    home, every = Home(root=place), tape_of.tapes(TAPES, edge=4.0)
    lane = tape_of.lane(model={"every": 6})
    model = learned(lane, every[:2])
    held = _to_lake(home, lane, every, bars)
    days = [tape.session.date for tape in held]
    wide = {"gap_ranges": 1e6, "roll_ranges": 1e6}
    search = {"trials": TRIALS, "storage": "journal"}
    lane = tape_of.lane(start=days[0], end=days[-1] + timedelta(days=1), quality=wide, search=search)
    stages.check(lane, home)
    stages.materialise(lane, home)
    folder = place / "fold"
    folder.mkdir()
    (folder / MODEL).write_bytes(model.onnx)
    lake = Lake(home.lake)
    sessions, fold = Sessions(lane, lake, calendar(lane), keep=1), Fold(1, (), (), tuple(days), ())
    started = clock.monotonic()
    record = choose(lane, sessions, fold, folder, place / "trials.jsonl", studies=place / "studies")
    seconds = clock.monotonic() - started
    made = record["trials"]
    found = {"bars": sum(tape.bars.size for tape in held), "sessions": len(days), "seconds": round(seconds, 3)}
    found |= {"draws": TRIALS, "trials": len(made), "failed": sum(one["status"] != "complete" for one in made)}
    found |= {"trades_of_the_best": made[record["number"]]["trades"], "peak_mib": peak_mib()}
    return found | {"live": _live(Model(model.onnx), sessions.ready(days[0]).block.x)}


def _to_lake(home: Home, lane: Lane, every: list[Tape], bars: int) -> list[Tape]:
    lake, held = Lake(home.lake), list(tape_of.spread(every, bars))
    for tape in held:
        keys = bar_keys(lane.source_key, lane.symbol, lane.interval, tape.session.date)
        lake.write("bars", keys, from_ticks(tape.bars, lane.instrument.tick, tape.contract))
    return held


def _live(model: Model, x: np.ndarray) -> dict[str, Any]:
    """One row after another, as the live engine asks the model."""
    volatility = np.array([4.0])
    rows = [x[index % len(x)][None] for index in range(ASKED)]
    seconds: list[float] = []
    for row in rows:
        start = clock.monotonic()
        model.predict(row, volatility)
        seconds.append(clock.monotonic() - start)
    return {"rows": ASKED, "trees": 3 * sum(one["rounds"] for one in model.papers.members)} | quantiles_ms(seconds)


if __name__ == "__main__":
    print(json.dumps(measured(Path(sys.argv[1]), int(sys.argv[2]))))
