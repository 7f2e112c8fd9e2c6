"""The out-of-sample path, the hold-out and the stress: the evidence that the gate judges."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np

from scalper import clock
from scalper.compiled import source_digest
from scalper.gate.evidence import Evidence
from scalper.lake import Lake
from scalper.lane.learning import folds, learnable
from scalper.lane.quality import quality
from scalper.lane.report import evidence_report, frames
from scalper.lane.simulated import require_folder, write_files
from scalper.lane.stage import (
    Progress,
    StageReport,
    bar,
    calendar,
    evidence_folder,
    ledger_path,
    models_root,
    seen_path,
)
from scalper.learn import ledger
from scalper.learn import walkforward as walking
from scalper.learn.digests import chosen_folder, data_digest, kernel_version, made_of, read_json, recipe_digest
from scalper.learn.folds import Folds
from scalper.learn.holdout import note_path, open_holdout
from scalper.learn.session import Sessions
from scalper.settings import Home, Lane
from scalper.simulate import Simulation, simulate
from scalper.simulate.metrics import summarise
from scalper.simulate.sketch import equity_svg

STOPS: tuple[Literal["kill", "review", "firm", "blocked"], ...] = ("kill", "review", "firm", "blocked")


def simulation(lane: Lane, home: Home, *, out: Path | None = None, progress: Progress | None = None) -> StageReport:
    """Run the out-of-sample path, the hold-out and the stress; the evidence for the gate is saved.

    `out`: where report, trades and equity of the path are written, if anywhere (simulated.FILES).
    """
    started = clock.monotonic()
    if out is not None:
        require_folder(out)
    found, root, lake = folds(lane, home), models_root(lane, home), Lake(home.lake)
    sessions = Sessions(lane, lake, calendar(lane), keep=8)
    with bar(f"{lane.name}: simulation", progress) as advance:
        path = walking.walk(lane, sessions, root, [(fold, fold.test) for fold in found.folds])
        advance(1, 3)
        result = simulate(lane, path.inputs)
        shocks = walking.stress(lane, sessions, path, result)
        advance(2, 3)
        note_path(seen_path(lane, home), found.tested(), lane=lane.name, recipe=recipe_digest(lane))
        opening, after = _holdout(lane, home, lake, sessions, found)
        advance(3, 3)
    report = quality(lane, home)
    evidence = Evidence(
        lane=lane,
        folds=walking.fold_table(found.folds, result, root, path.scored),
        **frames(result),
        scored=path.scored,
        holdout_daily=after.daily(),
        holdout_trades=after.trades(),
        holdout=opening,
        stress=shocks,
        quality={
            "sessions": len(report.coverage),
            "quarantined": {day.isoformat(): why for day, why in report.quarantined.items()},
            "coverage": float(
                np.mean([share for day, share in report.coverage.items() if day not in report.quarantined])
            ),
            "used_quarantined": len(set(learnable(lane, home)) & set(report.quarantined)),
        },
        account={
            **{flag: int(result.stopped(flag) or after.stopped(flag)) for flag in STOPS},
            "late": sum(one.late for one in (*result.sessions, *after.sessions)),
            "sessions": len(result.sessions) + len(after.sessions),
        },
        parity={
            "onnx": max(
                read_json(chosen_folder(root / fold.name) / "model.json").get("parity", 0.0) for fold in found.all()
            )
        },
        digests=digests(lane, home, lake, found),
    )
    evidence.save(evidence_folder(lane, home))
    metrics = summarise(evidence.daily, evidence.trades, evidence.equity, lane.capital)
    detail: dict[str, Any] = {"net": metrics.net, "sharpe": metrics.sharpe, "trades": metrics.trades, "stress": shocks}
    if out is not None:
        detail |= write_files(out, result, evidence_report(lane, home, evidence)) | {"out": str(out)}
    table = evidence.folds
    return StageReport(
        "simulation",
        evidence.equity.height,
        len(path.inputs),
        0,
        clock.monotonic() - started,
        detail,
        table,
        equity_svg(evidence.daily, lane.capital),
    )


def _holdout(lane: Lane, home: Home, lake: Lake, sessions: Sessions, found: Folds) -> tuple[dict[str, Any], Simulation]:
    """Open the hold-out for the final recipe, once, and run it; empty when there is none or it is refused."""
    if not found.holdout:
        return {"refused": "the lane keeps no hold-out (folds.holdout_sessions is 0)"}, simulate(lane, [])
    opening = open_holdout(
        seen_path(lane, home),
        found.holdout,
        lane=lane.name,
        recipe=recipe_digest(lane),
        data=data_digest(lake, lane, found.holdout),
        model=made_of([models_root(lane, home) / found.final.name]),
        now=clock.iso(clock.now_ns()),
    )
    detail = {key: getattr(opening, key) for key in opening.__slots__}
    if opening.refused is not None:
        return detail, simulate(lane, [])
    path = walking.walk(lane, sessions, models_root(lane, home), [(found.final, found.holdout)])
    return detail, simulate(lane, path.inputs)


def digests(lane: Lane, home: Home, lake: Lake, found: Folds) -> dict[str, str]:
    """Digests of everything that the verdict rests on."""
    return {
        "data": data_digest(lake, lane, learnable(lane, home)),
        "features": kernel_version(),
        "code": source_digest(),
        "config": lane.digest(),
        "recipe": recipe_digest(lane),
        "models": made_of([models_root(lane, home) / fold.name for fold in found.all()]),
        "trials": ledger.verify(ledger_path(lane, home)).head,
    }
