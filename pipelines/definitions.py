"""What Dagster loads: `defs`. Tests and the demo build their own with `build_defs`."""

import warnings
from pathlib import Path

import dagster as dg

from pipelines.lanes import Overrides, build_lanes
from resources import DatabentoResource, ExecutorResource, HomeResource
from scalper.settings import REPOSITORY


def build_defs(overrides: Overrides | None = None, folder: Path = REPOSITORY / "config") -> dg.Definitions:
    """The lanes of `folder` with their resources; `overrides` are keys of a lane, by its file's stem.

    The one place that silences Dagster's notices about what it calls beta or preview (backfill policies, exclusions).
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        warnings.simplefilter("ignore", dg.PreviewWarning)
        lanes = build_lanes(folder, overrides)
    resources = {"home": HomeResource(), "databento": DatabentoResource(), "executor": ExecutorResource()}
    return dg.Definitions.merge(lanes, dg.Definitions(resources=resources, executor=dg.in_process_executor))


defs = build_defs()
