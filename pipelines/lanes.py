"""Lanes from config/*.yaml: a file is a lane, with its assets, checks, jobs, schedule and sensors."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

import assets
from pipelines.jobs import build_jobs
from pipelines.partitions import fold_partitions, session_partitions
from pipelines.schedules import build_schedule
from pipelines.sensors import build_chain, build_go
from scalper import log
from scalper.errors import BadInput, ScalperError
from scalper.policy.budget import budget
from scalper.settings import Lane, RiskSettings, load_lane

Overrides = Mapping[str, Mapping[str, Any]]
"""Keys of a lane that stand over those of its file, by the file's stem."""
UNREADABLE = (ScalperError, OSError, ValueError, TypeError)
"""What reading a file that a person wrote can raise; pydantic's and YAML's errors are among them."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A file of config/ that gives no lane, and why."""

    path: Path
    why: str


def build_lanes(folder: Path, overrides: Overrides | None = None) -> dg.Definitions:
    """All lanes of a folder. A file that gives no lane is said on stderr and shown in the UI; the others stand."""
    built: list[dg.Definitions] = []
    names: dict[str, Path] = {}
    risks: dict[str, RiskSettings] = {}
    for path in sorted(folder.glob("*.yaml")):
        try:
            lane = load_lane(path, **(overrides or {}).get(path.stem, {}))
            if lane.name in names:
                raise BadInput(f"{path}: the name {lane.name} is taken by {names[lane.name].name}; choose another")
            budget(risks | {str(path): lane.risk})
            built.append(build_lane(lane))
        except UNREADABLE as error:
            log.warn(f"lane file left out: {error}")
            built.append(build_broken(Broken(path, str(error))))
        else:
            names[lane.name], risks[str(path)] = path, lane.risk
    return dg.Definitions.merge(*built)


def build_lane(lane: Lane) -> dg.Definitions:
    """Everything that Dagster knows of one lane."""
    sessions, folds = session_partitions(lane), fold_partitions(lane)
    jobs = build_jobs(lane)
    return dg.Definitions(
        assets=[
            assets.build_bars(lane, sessions),
            assets.build_features(lane, sessions),
            assets.build_labels(lane, sessions),
            assets.build_description(lane),
            assets.build_models(lane, folds),
            assets.build_search(lane, folds),
            assets.build_simulation(lane),
            assets.build_gate(lane),
            assets.build_retrained(lane),
            assets.build_launch(lane),
        ],
        asset_checks=[assets.build_quality(lane)],
        jobs=[*jobs.values()],
        schedules=[build_schedule(lane)],
        sensors=[build_chain(lane, folds, jobs), build_go(lane)],
    )


def build_broken(broken: Broken) -> dg.Definitions:
    """A stand-in that nobody overlooks: an asset that cannot be made, whose description is what to mend."""
    stand_in = dg.AssetSpec(
        key=[broken.path.stem, "broken_file"],
        group_name="broken_lanes",
        description=f"**{broken.path.name} gives no lane.** Mend it and reload the definitions.\n\n{broken.why}",
        kinds={"yaml"},
    )
    return dg.Definitions(assets=[stand_in])
