"""The features of a lane."""

from collections.abc import Sequence
from datetime import date

import dagster as dg

from assets.stage import key, labels, picture, progress, report, sessions_of
from assets.stored import finite, present
from resources import HomeResource
from scalper import lane as stages
from scalper.errors import DataUnavailable
from scalper.lane.shown import show_session
from scalper.lane.shown_page import write
from scalper.settings import Home, Lane


def build_features(lane: Lane, sessions: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """`<lane>/features`: one Parquet file a session."""
    me = key(lane, "features")

    @dg.asset(
        **labels(
            lane,
            "features",
            "What the model sees at each bar's close, by the same compiled step that the executor calls live. "
            "float32, traded bars of the lane's hours, warm rows only; one Parquet file a session.",
            {"numba", "parquet"},
        ),
        deps=[key(lane, "bars")],
        partitions_def=sessions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        check_specs=[
            dg.AssetCheckSpec("present", asset=me, description="Every usable session has a feature file with rows."),
            dg.AssetCheckSpec(
                "finite", asset=me, description="No feature is NaN or infinite, but where the catalogue says so."
            ),
        ],
    )
    def features(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult:
        days = sessions_of(context, lane)
        done = stages.features(lane, home.folders(), days, progress=progress(context))
        _show(context, lane, home.folders(), days)
        checks = [present(lane, home.folders(), me, days), finite(lane, home.folders(), me, days)]
        return dg.MaterializeResult(metadata=report(context, done), check_results=checks)

    return features


def _show(context: dg.AssetExecutionContext, lane: Lane, home: Home, days: Sequence[date]) -> None:
    """Draw the newest session of the run: a page of its features, and its regular hours as a small picture."""
    if not days:
        return
    try:
        shown = show_session(lane, home, max(days))
    except DataUnavailable as error:
        context.log.info(f"nothing to draw: {error}")
        return
    page, _ = write(shown, home)
    seen = {
        "page": dg.MetadataValue.path(str(page)),
        "structure": dg.MetadataValue.md(picture(shown.svg(regular=True))),
    }
    context.add_asset_metadata(seen, partition_key=max(days).isoformat())
