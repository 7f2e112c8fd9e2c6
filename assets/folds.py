"""What the two assets of the folds share: a fold that missing sessions took away is empty, not failed."""

from collections.abc import Callable, Sequence
from typing import Any

import dagster as dg

from assets.stage import picture, progress, report
from scalper import lane as stages
from scalper.lane import StageReport
from scalper.settings import Home, Lane


def run_folds(
    context: dg.AssetExecutionContext, lane: Lane, home: Home, stage: Callable[..., StageReport]
) -> dg.MaterializeResult[Any]:
    """Run a stage on the folds of this run that exist.

    The keys count the folds of the calendar; quarantined or missing sessions can only make them fewer, and then the
    highest numbers fall away. Those are recorded with the reason.
    """
    wanted = list(context.partition_keys)
    found = stages.folds(lane, home)
    real = {fold.name for fold in found.all()}
    context.add_asset_metadata({"folds": dg.MetadataValue.md(picture(found.svg()))}, partition_key=wanted[-1])
    empty = [name for name in wanted if name not in real]
    for name in empty:
        why = "no sessions are left for this fold: the usable ones are fewer than the calendar's"
        context.add_asset_metadata({"empty": why}, partition_key=name)
        context.log.info(f"{name}: {why}")
    names: Sequence[str] = [name for name in wanted if name in real]
    if not names:
        return dg.MaterializeResult(metadata={"rows": 0})
    done = stage(lane, home, names, progress=progress(context))
    return dg.MaterializeResult(metadata=report(context, done))
