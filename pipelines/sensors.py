"""What follows what: the success of a lane's job requests the next one, a GO requests a launch.

A sensor reads Dagster's own records and one small file. The demo runs its chain itself, so its runs are left alone.
"""

import dagster as dg
from dagster._core.storage.tags import SCHEDULE_NAME_TAG

from assets.stage import key
from pipelines.jobs import Jobs, job_name
from pipelines.partitions import span
from pipelines.schedules import missing_sessions, nightly_name
from resources.executor import ticket
from scalper import lane as stages
from scalper.errors import DataUnavailable, Refused
from scalper.settings import Lane, home

DEMO_TAG = "scalper/demo"
"""The process of the demo that runs this run."""


def build_chain(lane: Lane, folds: dg.PartitionsDefinition, jobs: Jobs) -> dg.SensorDefinition:
    """sessions → folds → verdict; after a nightly sessions run the retrain instead, if the lane has what it repeats."""
    second, third, night = (job_name(lane, part) for part in ("folds", "verdict", "retrain"))

    @dg.run_status_sensor(
        name=f"{lane.name}_chain",
        run_status=dg.DagsterRunStatus.SUCCESS,
        monitored_jobs=[jobs["sessions"], jobs["folds"]],
        request_jobs=[jobs["folds"], jobs["verdict"], jobs["retrain"]],
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=10,
        description=f"{lane.name}: sessions → folds → verdict, each when the one before has succeeded. A night of the "
        "schedule goes on with the retrain once the lane has an approved recipe, as a new verdict would have no "
        "hold-out that nobody has seen.",
    )
    def chain(context: dg.RunStatusSensorContext) -> dg.RunRequest | dg.SkipReason:
        run = context.dagster_run
        if DEMO_TAG in run.tags:
            return dg.SkipReason("the demo runs its own chain")
        if run.job_name == second:
            return dg.RunRequest(run_key=run.run_id, job_name=third)
        absent = missing_sessions(context.instance, lane)
        if absent:
            return dg.SkipReason(f"{len(absent)} sessions from {absent[0]} on are not there yet")
        if run.tags.get(SCHEDULE_NAME_TAG) == nightly_name(lane) and repeats(lane, context):
            return dg.RunRequest(run_key=run.run_id, job_name=night)
        return dg.RunRequest(run_key=run.run_id, job_name=second, tags=span(list(folds.get_partition_keys())))

    return chain


def repeats(lane: Lane, context: dg.RunStatusSensorContext) -> bool:
    """Whether the lane has an approved recipe for the retrain; why not stands in the sensor's log."""
    try:
        stages.approved(lane, home())
    except (DataUnavailable, Refused) as error:
        context.log.info(f"no retrain: {error}")
        return False
    return True


def build_go(lane: Lane) -> dg.SensorDefinition:
    """gate → launch, for a GO whose bundle was not launched before."""

    @dg.asset_sensor(
        asset_key=key(lane, "gate"),
        name=f"{lane.name}_go",
        job_name=job_name(lane, "launch"),
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=10,
        description=f"{lane.name}: a new GO bundle starts the executor on paper, once. A NO-GO starts nothing.",
    )
    def go(context: dg.SensorEvaluationContext, event: dg.EventLogEntry) -> dg.RunRequest | dg.SkipReason:
        made = event.asset_materialization
        if made is None or made.metadata["verdict"].value != "GO":
            return dg.SkipReason("the verdict is NO-GO: nothing starts")
        bundle = str(made.metadata["bundle"].value)
        last = ticket(home(), lane.name)
        if last is not None and last["bundle"] == bundle:
            return dg.SkipReason(f"{bundle} was launched at {last['at']}")
        return dg.RunRequest(run_key=f"{lane.name}:{bundle}")

    return go
