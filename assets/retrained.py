"""The nightly retrain of a lane."""

import dagster as dg

from assets.stage import every_partition, labels, progress, report
from resources import HomeResource
from scalper import lane as stages
from scalper.settings import Lane


def build_retrained(lane: Lane) -> dg.AssetsDefinition:
    """`<lane>/retrained`: the approved recipe on the newest sessions, beside the champion."""

    @dg.asset(
        **labels(
            lane,
            "retrained",
            "The approved recipe trained on the newest sessions, compared with the champion on the same recent ones "
            "and registered in MLflow. It searches nothing, opens no hold-out and never promotes: a person does.",
            {"xgboost", "onnx", "mlflow"},
        ),
        deps=[every_partition(lane, "features"), every_partition(lane, "labels")],
    )
    def retrained(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult:
        done = stages.retrain(
            lane, home.folders(), origin={"dagster_run": context.run.run_id}, progress=progress(context)
        )
        return dg.MaterializeResult(metadata=report(context, done))

    return retrained
