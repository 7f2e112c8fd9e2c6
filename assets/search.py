"""The search of a lane's model parameters and policy numbers."""

import dagster as dg

from assets.folds import run_folds
from assets.stage import key, labels
from resources import HomeResource
from scalper import lane as stages
from scalper.settings import Lane


def build_search(lane: Lane, folds: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """`<lane>/search`: one choice a fold, made before its test window."""

    @dg.asset(
        **labels(
            lane,
            "search",
            f"The policy{' and the model' if lane.search.model else ''} of each fold, searched by Optuna "
            f"({lane.search.sampler}, {lane.search.trials} draws) on sessions that end before the fold's test begins; "
            f"{lane.search.rule} picks. Every trial is appended to the ledger; a lonely peak is named.",
            {"optuna", "json"},
        ),
        deps=[key(lane, "models")],
        partitions_def=folds,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def search(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult:
        return run_folds(context, lane, home.folders(), stages.search)

    return search
