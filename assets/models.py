"""The models of a lane."""

import dagster as dg

from assets.folds import run_folds
from assets.stage import every_partition, labels
from resources import HomeResource
from scalper import lane as stages
from scalper.settings import Lane


def build_models(lane: Lane, folds: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """`<lane>/models`: one calibrated ONNX model a fold, and the final one."""

    @dg.asset(
        **labels(
            lane,
            "models",
            "A model a fold: XGBoost on the fold's train window, calibrated on later sessions, exported to ONNX, "
            "recorded in MLflow. `final` is the recipe that meets the hold-out once.",
            {"xgboost", "onnx", "mlflow"},
        ),
        deps=[every_partition(lane, "features"), every_partition(lane, "labels")],
        partitions_def=folds,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def models(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult:
        return run_folds(context, lane, home.folders(), stages.models)

    return models
