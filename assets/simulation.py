"""The out-of-sample path of a lane."""

import dagster as dg

from assets.stage import every_partition, labels, picture, progress, report
from resources import HomeResource
from scalper import lane as stages
from scalper.settings import Lane


def build_simulation(lane: Lane) -> dg.AssetsDefinition:
    """`<lane>/simulation`: every test window with what was chosen before it."""

    @dg.asset(
        **labels(
            lane,
            "simulation",
            "The walk-forward path: each test window traded with the model and numbers chosen before it, then "
            "the hold-out, then the same under higher costs, slippage and latency. All of it is the gate's evidence.",
            {"numba", "parquet"},
        ),
        deps=[every_partition(lane, "search")],
    )
    def simulation(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult:
        done = stages.simulation(lane, home.folders(), progress=progress(context))
        return dg.MaterializeResult(metadata=report(context, done) | drawn(lane, home))

    return simulation


def drawn(lane: Lane, home: HomeResource) -> dict[str, dg.MarkdownMetadataValue]:
    """The pictures of the last simulation as metadata: equity, Monte Carlo, hour, confidence, refusals."""
    return {name: dg.MetadataValue.md(picture(svg)) for name, svg in stages.pictures(lane, home.folders()).items()}
