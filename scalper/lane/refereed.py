"""The referee's stage: the out-of-sample path in NautilusTrader, session by session; and what a lane gives to it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from scalper import clock
from scalper.errors import DataUnavailable
from scalper.files import write_json
from scalper.gate.evidence import made_with
from scalper.lake import Lake
from scalper.lane.learning import folds
from scalper.lane.stage import Progress, StageReport, bar, calendar, evidence_folder, models_root
from scalper.learn import walkforward as walking
from scalper.learn.digests import made_of, recipe_digest
from scalper.learn.session import Sessions, carried, held
from scalper.referee import VERSION, require
from scalper.referee.compare import Cause, Compared, causes
from scalper.settings import Home, Lane
from scalper.simulate import SessionInput, simulate

DOCUMENT = "referee.json"


def referee(lane: Lane, home: Home, *, last: int | None = None, progress: Progress | None = None) -> StageReport:
    """Play the path that `simulation` left evidence of (or its last sessions) in Nautilus and compare the trades.

    The result goes to referee.json beside the evidence, and goes with it when the lane is simulated again. A limit on
    the share of a bar's volume, which Nautilus does not know, is left out on both sides; what it makes of the path's
    net is in the result. Raises DataUnavailable without NautilusTrader, models or evidence.
    """
    require()
    from scalper.referee.play import referee as judge

    started, folder = clock.monotonic(), evidence_folder(lane, home)
    if not folder.is_dir():
        raise DataUnavailable(f"lane {lane.name} was not simulated, so there is nothing to judge; run the lane first")
    inputs, models = _path(lane, home)
    whole = lane.model_copy(update={"simulation": lane.simulation.model_copy(update={"volume_share": None})})
    result = simulate(whole, inputs)
    pairs = list(zip(inputs, result.sessions, strict=True))[-last if last else 0 :]
    found: list[Compared] = []
    with bar(f"{lane.name}: referee", progress) as advance:
        for number, (one, ours) in enumerate(pairs, 1):
            found.append(judge(whole, one, ours))
            advance(number, len(pairs))
    left_out = {} if lane.simulation.volume_share is None else {"volume_share": simulate(lane, inputs).net - result.net}
    detail: dict[str, Any] = _detail(found) | {
        "lane": lane.name,
        "engine": f"nautilus_trader {VERSION}",
        "mode": lane.simulation.mode,
        "path": len(inputs),
        "left_out": left_out,
        "seconds": clock.monotonic() - started,
        "made_with": made_with(lane),
        "recipe": recipe_digest(lane),
        "models": models,
    }
    write_json(folder / DOCUMENT, detail)
    rows = [{"cause": Cause[name.upper()].value, **one} for name, one in detail["causes"].items()]
    return StageReport(
        "referee",
        sum(one.bars for one in found),
        len(found),
        len(inputs) - len(found),
        detail["seconds"],
        detail,
        pl.DataFrame(rows),
    )


def _path(lane: Lane, home: Home) -> tuple[list[SessionInput], str]:
    """The out-of-sample path as `simulation` walks it, and the digest of its models."""
    found, root = folds(lane, home), models_root(lane, home)
    sessions = Sessions(lane, Lake(home.lake), calendar(lane), keep=8)
    path = walking.walk(lane, sessions, root, [(fold, fold.test) for fold in found.folds])
    return path.inputs, made_of([root / fold.name for fold in found.all()])


def _detail(found: Sequence[Compared]) -> dict[str, Any]:
    by_cause = causes(found)
    return {
        "sessions": len(found),
        "bars": sum(one.bars for one in found),
        "trades": sum(one.ours for one in found),
        "trades_there": sum(one.theirs for one in found),
        "equal": sum(one.equal for one in found),
        "causes": by_cause,
        "unexplained": by_cause[Cause.UNEXPLAINED.name.lower()]["count"],
        "differences": [one.as_dict() for session in found for one in session.differences],
    }


def export_nautilus(lane: Lane, home: Home, out: Path, *, last: int | None = None) -> dict[str, Any]:
    """Write the lane's sessions in the lake (or the last) as a Nautilus catalogue, and the lane as a Nautilus strategy.

    The strategy trades those of them that lie on the out-of-sample path, from the account that our simulation had
    before the first; a lane without models has none, and the result says why. Raises DataUnavailable without
    NautilusTrader or bars, BadInput if `out` has a catalogue.
    """
    require()
    from scalper.referee.export import export_bars, export_strategy
    from scalper.referee.plan import Plan

    lake = Lake(home.lake)
    kept = [found for one in calendar(lane) if (found := held(lake, lane, one)) is not None][-last if last else 0 :]
    if not kept:
        raise DataUnavailable(f"lane {lane.name} has no bars in the lake; import or download them first")
    sessions = [(found.contract, carried(lane, found.session, found.bars)) for found in kept]
    counts = export_bars(lane.execution, sessions, lane.interval_ns, out)
    strategy, why, path = None, None, list[tuple[Plan, np.ndarray]]()
    try:
        inputs, _ = _path(lane, home)
        days = {found.session.date for found in kept}
        pairs = zip(inputs, simulate(lane, inputs).sessions, strict=True)
        path = [(Plan.of(lane, one), ours.started) for one, ours in pairs if one.bars.size and one.date in days]
        why = None if path else "none of these sessions lies on the lane's out-of-sample path"
    except DataUnavailable as error:
        why = str(error)
    if path:
        strategy = export_strategy(lane.execution, [plan for plan, _ in path], path[0][1], out)
    return {"lane": lane.name, "out": out, "strategy": strategy, "why": why, "traded": len(path), **counts}
