"""The description of a lane's rows."""

import dagster as dg

from assets.stage import every_partition, key, labels, progress, report
from resources import HomeResource
from scalper import lane as stages
from scalper.lane import StageReport
from scalper.settings import Lane


def build_description(lane: Lane) -> dg.AssetsDefinition:
    """`<lane>/description`: what the rows are like, for people; nothing is learned from it."""
    me = key(lane, "description")

    @dg.asset(
        **labels(
            lane,
            "description",
            "How each feature is spread and how steady it is from month to month, what moves with what, how the "
            "classes are balanced, and drift against a reference window (PSI, KS). Tables, pictures and a page.",
            {"polars", "parquet"},
        ),
        deps=[every_partition(lane, "features"), every_partition(lane, "labels")],
        check_specs=[
            dg.AssetCheckSpec(
                "drift", asset=me, description="No feature of the newest month has left the reference (warns only)."
            )
        ],
    )
    def description(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult:
        done = stages.describe(lane, home.folders(), progress=progress(context))
        return dg.MaterializeResult(metadata=report(context, done), check_results=[_drift(lane, me, done)])

    return description


def _drift(lane: Lane, asset: dg.AssetKey, done: StageReport) -> dg.AssetCheckResult:
    """The features that have moved in the newest month; learn.describe.drifted says when."""
    drifted: list[str] = done.detail["drifted"]
    month, bound = done.detail["newest month"], lane.describe.drift
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name="drift",
        passed=not drifted,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{len(drifted)} of {done.detail['features']} features have drifted in {month}",
        metadata={
            "value": len(drifted),
            "threshold": f"0 features with PSI {bound:g} beyond chance",
            "drifted": ", ".join(drifted) or "none",
        },
    )
