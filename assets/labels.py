"""The labels of a lane."""

import dagster as dg

from assets.stage import key, labels, progress, report, sessions_of
from assets.stored import present, same_rows
from resources import HomeResource
from scalper import lane as stages
from scalper.settings import LabelSettings, Lane


def _words(rules: LabelSettings) -> str:
    """What the labels of a lane say."""
    if rules.kind == "direction":
        return (
            f"UP, DOWN or FLAT: whether the close moves by more than {rules.threshold_ticks:g} ticks within "
            f"{rules.horizon} bars."
        )
    return (
        f"UP if a long, DOWN if a short would have met its target before its stop within {rules.horizon} bars, else "
        "FLAT."
    )


def build_labels(lane: Lane, sessions: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """`<lane>/labels`: one Parquet file a session."""
    me = key(lane, "labels")

    @dg.asset(
        **labels(
            lane,
            "labels",
            f"{_words(lane.labels)} A row has none, and says why, where its horizon would cross the session's end, a "
            "halt, a stretch without trades or the flat time. Beside it: its average uniqueness.",
            {"numba", "parquet"},
        ),
        deps=[key(lane, "features")],
        partitions_def=sessions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        check_specs=[
            dg.AssetCheckSpec("present", asset=me, description="Every usable session has a label file with rows."),
            dg.AssetCheckSpec("same_rows", asset=me, description="Labels stand on the same rows as features."),
        ],
    )
    def label_rows(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult:
        days = sessions_of(context, lane)
        done = stages.labels(lane, home.folders(), days, progress=progress(context))
        checks = [present(lane, home.folders(), me, days), same_rows(lane, home.folders(), me, days)]
        return dg.MaterializeResult(metadata=report(context, done), check_results=checks)

    return label_rows
