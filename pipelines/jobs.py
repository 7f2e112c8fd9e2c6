"""A lane's jobs: sessions, folds, verdict, which follow each other; retrain, which a night goes on with; launch.

Dagster refuses one run over two partition definitions, so the lane is three runs; sensors chain them. Every step runs
in the run's own process: a step in a process of its own costs seconds of imports.
"""

from collections.abc import Mapping

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from scalper.settings import Lane

STAGES: dict[str, tuple[str, ...]] = {
    "sessions": ("bars", "features", "labels"),
    "folds": ("models", "search"),
    "verdict": ("description", "simulation", "gate"),
    "retrain": ("retrained",),
    "launch": ("launch",),
}
WORDS = {
    "sessions": "Bars, quality rules, features and labels of a range of sessions, in one run.",
    "folds": "The model and the search of every fold, in one run.",
    "verdict": "What the rows are like, the out-of-sample path, the hold-out, the stress, the gate and its bundle.",
    "retrain": "The approved recipe on the newest sessions, compared with the champion; nothing is promoted.",
    "launch": "A paper session of the newest bundle that got a GO, in a process of its own.",
}
LANE_TAG = "scalper/lane"
Jobs = Mapping[str, UnresolvedAssetJobDefinition]
"""A lane's jobs by what they do: the keys of STAGES."""


def job_name(lane: Lane, part: str) -> str:
    """`<lane>_sessions` and so on."""
    return f"{lane.name}_{part}"


def build_jobs(lane: Lane) -> Jobs:
    """The lane's jobs, in order; their partitions are those of their assets."""
    return {
        part: dg.define_asset_job(
            job_name(lane, part),
            selection=dg.AssetSelection.assets(*([lane.name, stage] for stage in stages)),
            description=WORDS[part],
            tags={LANE_TAG: lane.name},
            executor_def=dg.in_process_executor,
        )
        for part, stages in STAGES.items()
    }
